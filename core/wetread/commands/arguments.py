"""Arguments of the commands about data, in the pattern of `cli`: the standard library alone, the work when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

Commands = argparse._SubParsersAction


def add_targets(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread targets`."""
    parser = commands.add_parser(
        "targets",
        parents=[common],
        help="list what can be asked for, with its codes",
        description="List the targets of the task catalogue with their codes.",
    )
    parser.add_argument("--modality", metavar="M", help="only what may appear on this kind of picture")
    parser.add_argument("--markdown", action="store_true", help="the whole catalogue, as docs/targets.md")
    parser.set_defaults(run=_targets)


def add_triplets(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread triplets`."""
    parser = commands.add_parser(
        "triplets",
        parents=[common],
        help="turn a labelled data set into image, mask and description triplets",
        description="Turn a labelled data set into shards of image, masks, description and questions. Resumable: run "
        "it again to go on. Layouts are told apart by what is in the folder; see docs/triplets.md.",
    )
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder of the data set")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="new folder, or one to go on with")
    parser.add_argument(
        "--format", choices=("webdataset", "parquet"), default="webdataset", help="default: %(default)s"
    )
    parser.add_argument(
        "--layout",
        choices=("manifest", "ledger", "decathlon", "biomedparse", "labelmaps", "coco", "dicom-seg"),
        help="of SOURCE; without it, found out",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: all cores")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="order and phrasings; default: %(default)s")
    parser.add_argument("--shard-size", type=int, default=64, metavar="N", help="items a shard; default: %(default)s")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many items, the same ones every time")
    parser.add_argument("--overlay", action="store_true", help="write pictures with their regions drawn over as well")
    parser.add_argument("--modality", metavar="M", help="of items that do not name theirs, e.g. pathology")
    parser.add_argument("--name", metavar="NAME", help="of the data set; default: the folder's")
    parser.add_argument("--licence", metavar="TEXT", help="of the data set, where it does not say")
    parser.add_argument("--dry-run", action="store_true", help="say what would be built, and write nothing")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_triplets)


def _targets(options: argparse.Namespace) -> int:
    from wetread.commands.targets import run

    return run(options)


def _triplets(options: argparse.Namespace) -> int:
    from wetread.commands.triplets import run

    return run(options)
