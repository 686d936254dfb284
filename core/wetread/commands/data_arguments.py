"""Arguments of `wetread data`, in the pattern of `cli`: the standard library alone, the work when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

Commands = argparse._SubParsersAction


def add_data(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread data`."""
    parser = commands.add_parser(
        "data", help="check CLIMB on disk, build questions from MIMIC-IV", description="Data sets for training."
    )
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    check = kinds.add_parser(
        "check",
        parents=[common],
        help="which CLIMB data sets are on disk, complete or broken",
        description="Read every annotation line below CLIMB's root and look up every file it names.",
    )
    check.add_argument("root", metavar="ROOT", type=Path, help="CLIMB's root folder")
    check.add_argument("--json", action="store_true", help="the whole report as JSON")
    check.add_argument("--quiet", action="store_true", help="no progress")
    check.set_defaults(run=_data_check)
    mimic = kinds.add_parser(
        "mimic",
        parents=[common],
        help="build question sets from MIMIC-IV: length of stay, mortality and the five QA types",
        description="Build question sets from MIMIC-IV's csv.gz files; an interrupted build goes on where it was.",
    )
    mimic.add_argument("root", metavar="ROOT", type=Path, help="folder with hosp/ and icu/, or CLIMB's root")
    mimic.add_argument("--out", metavar="DIR", type=Path, required=True, help="where the question sets are written")
    mimic.add_argument("--hours", type=float, default=48.0, metavar="H", help="evidence up to; default: %(default)s")
    mimic.add_argument("--tokens", type=int, default=4096, metavar="N", help="budget of a record's text; %(default)s")
    mimic.add_argument("--model", metavar="NAME|PATH", help="count tokens with this model's tokenizer")
    mimic.add_argument(
        "--mortality",
        choices=("from-admission", "after-cut"),
        default="from-admission",
        help="what 48 hours of survival count from; default: %(default)s",
    )
    mimic.add_argument("--limit", type=int, metavar="N", help="at most so many admissions")
    mimic.add_argument("--seed", type=int, default=0, metavar="N", help="of the split and the choices; %(default)s")
    mimic.add_argument("--quiet", action="store_true", help="no progress")
    mimic.set_defaults(run=_data_mimic)


def _data_check(options: argparse.Namespace) -> int:
    from wetread.commands.data import check

    return check(options)


def _data_mimic(options: argparse.Namespace) -> int:
    from wetread.commands.data import mimic

    return mimic(options)
