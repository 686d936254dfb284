"""Arguments of the commands about finished objects, in the pattern of `cli`: the standard library alone."""

from __future__ import annotations

import argparse
from pathlib import Path

Commands = argparse._SubParsersAction


def add_deidentify(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread deidentify`."""
    parser = commands.add_parser(
        "deidentify",
        parents=[common],
        help="copy images, SEG and SR without the patient (PS3.15 basic profile)",
        description="Copy DICOM images, waveforms, SEG and SR after the Basic Application Confidentiality Profile of "
        "PS3.15, all or none. References between them stay. Pixels are not changed.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", type=Path, help="DICOM file, or folder of such")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="new or empty folder")
    parser.add_argument(
        "--key", metavar="FILE", type=Path,
        help="secret that makes the same patient and UIDs the same again, made where missing; default: used once",
    )  # fmt: skip
    parser.add_argument(
        "--pixels-checked", action="store_true", help="you have looked: no pixel carries identifying text"
    )
    parser.set_defaults(run=_deidentify)


def _deidentify(options: argparse.Namespace) -> int:
    from wetread.commands.deidentify import run

    return run(options)
