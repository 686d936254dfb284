"""From arguments to a Reader, for every command that reads with one (see `reader_arguments`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.model.options import ModelOptions

if TYPE_CHECKING:
    import argparse

    from wetread.archive import Archive
    from wetread.reading import Reader
    from wetread.reading.groundedness import Blanked
    from wetread.service.model_switch import SwitchingReader


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


def make_switching_reader(options: argparse.Namespace, archive: Archive) -> SwitchingReader:
    """The Reader of a service, which follows ``--models``; an adapter belongs to ``--model`` alone."""
    import argparse

    from wetread.model.versions import ModelVersions
    from wetread.service.model_switch import SwitchingReader, default_models

    def make(location: str) -> Reader:
        if location == str(options.model):
            return make_reader(options)
        return make_reader(argparse.Namespace(**vars(options) | {"model": location, "adapter": None}))

    return SwitchingReader(ModelVersions(options.models or default_models(archive), str(options.model)), make)
