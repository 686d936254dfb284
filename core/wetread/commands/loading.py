"""From arguments to a Reader, for every command that reads with one (`cli._add_engine`, `cli._add_loading`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.model.options import ModelOptions

if TYPE_CHECKING:
    import argparse

    from wetread.reading import Reader
    from wetread.reading.groundedness import Blanked


def model_options(options: argparse.Namespace) -> ModelOptions:
    """The parsed arguments as a value."""
    return ModelOptions(options.device, options.dtype, options.attention, options.quantise, options.most_pixels)


def make_reader(
    options: argparse.Namespace, seed: int = 0, *, blanked: Blanked = "picture", second_look: int = 0
) -> Reader:
    """The Reader that ``--model``, ``--adapter``, ``--device`` and so on, ``--engine`` and ``--url`` describe."""
    from wetread.reading import Reader

    return Reader(
        options.model, seed=seed, engine=options.engine, urls=options.url, adapter=options.adapter,
        options=model_options(options), blanked=blanked, second_look=second_look,
    )  # fmt: skip
