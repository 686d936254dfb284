"""Arguments of every command that reads with a model: which engine, and how the model is loaded."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Who writes."""
    parser.add_argument(
        "--engine", choices=("local", "vllm"), default="local",
        help="vllm: a server that speaks the OpenAI protocol writes, masks are made here; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--url", action="append", default=[], metavar="URL", help="such a server; give it again for each further one"
    )


def add_loading(parser: argparse.ArgumentParser) -> None:
    """How the weights are held."""
    group = parser.add_argument_group("how the model is loaded", "what is left out is chosen from the hardware")
    group.add_argument("--adapter", metavar="DIR", type=Path, help="LoRA adapter that was trained on this model")
    group.add_argument("--device", metavar="D", help="cpu, cuda or cuda:N")
    group.add_argument("--dtype", metavar="T", help="bfloat16, float16 or float32")
    group.add_argument("--attention", metavar="A", help="sdpa, eager or flash_attention_2")
    group.add_argument("--quantise", metavar="BITS", type=int, help="4 or 8, by bitsandbytes")
    group.add_argument("--most-pixels", metavar="N", type=int, help="reduce every picture to N pixels for the model")


def add_pointing(parser: argparse.ArgumentParser) -> None:
    """Which part of the first input is meant."""
    group = parser.add_argument_group("what is meant", "findings are held to it; planes count from 0, image pixels")
    group.add_argument("--box", metavar="X0,Y0,X1,Y1[@PLANE]", action="append", default=[], help="inside this box")
    group.add_argument("--point", metavar="X,Y[@PLANE]", action="append", default=[], help="the object here")
    group.add_argument("--not-point", metavar="X,Y[@PLANE]", action="append", default=[], help="not the object here")
