"""`wetread train ledger` and `wetread model`: learn from what people decided, and choose what reads."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from wetread import DEFAULT_MODEL

if TYPE_CHECKING:
    from wetread.evaluation.learning import Progress
    from wetread.model.versions import ModelVersions
    from wetread.review.ledger import Ledger

Commands = argparse._SubParsersAction
DATABASE_VARIABLE = "WETREAD_DATABASE"
"""Holds the database's URL where that has a password, which no command line should show."""


def add_train_ledger(kinds: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread train ledger`."""
    parser = kinds.add_parser(
        "ledger",
        parents=[common],
        help="from the verdicts in a service's ledger; promoted only if not worse",
        description="Fine-tune on what people decided, write a new version, measure it on kept patients against the "
        "one that reads now, and promote it if it is not worse.",
    )
    _add_places(parser)
    parser.add_argument("--archive", metavar="URL|DIR", required=True, help="where the series are")
    parser.add_argument("--kind", choices=("head", "sft", "drpo"), default="head", help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=4, metavar="N", help="lessons a step; default: %(default)s")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="default: that of the kind")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    parser.add_argument("--by", default="local", metavar="LOGIN", help="who asks for it; default: %(default)s")
    parser.add_argument("--no-promote", action="store_true", help="leave the promotion to a person")
    parser.add_argument("--json", action="store_true", help="progress and result as JSON lines")
    parser.set_defaults(run=train_ledger)


def add_model(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread model`."""
    parser = commands.add_parser("model", help="list model versions, promote one, go back", description="Model versions"
                                 " of a service: what there is, what reads, and changing that.")  # fmt: skip
    deeds = parser.add_subparsers(metavar="DEED", required=True)
    listing = deeds.add_parser("list", parents=[common], help="versions, what reads now, and what happened to each")
    promotion = deeds.add_parser("promote", parents=[common], help="let a version read from now on")
    promotion.add_argument("version", metavar="VERSION", help="of `wetread model list`, or `base`")
    back = deeds.add_parser("rollback", parents=[common], help="let the version before read again")
    for deed, run in ((listing, list_models), (promotion, promote_model), (back, roll_back_model)):
        _add_places(deed)
        if deed is not listing:
            deed.add_argument("--by", default="local", metavar="LOGIN", help="who; default: %(default)s")
            deed.add_argument("--reason", default="", metavar="TEXT", help="kept in the ledger")
        deed.set_defaults(run=run)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", metavar="FILE|URL", help=f"of the service; default: ${DATABASE_VARIABLE}")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder of model versions")
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME|PATH", help="where no version reads; default: %(default)s"
    )


def train_ledger(options: argparse.Namespace) -> int:
    """Learn, and say what came of it."""
    from wetread.archive import open_archive
    from wetread.errors import RefusedInput
    from wetread.evaluation.learning import Turn, learn

    if options.steps < 1 or options.batch < 1:
        raise RefusedInput("no steps or no lessons", "--steps and --batch", "give 1 or more")
    versions, ledger = _opened(options)
    turn = Turn(options.kind, options.steps, options.batch, options.learning_rate, options.seed, not options.no_promote)
    say = _as_json if options.json else _in_words
    found = learn(ledger, open_archive(options.archive), versions, turn, options.by, say)
    if options.json:
        print(json.dumps({"result": found.as_dict()}), flush=True)
        return 0
    print(f"Version {found.version} ({found.info.device_uid}) learned from {found.counts['planes']} planes of "
          f"{found.counts['patients']} patients.")  # fmt: skip
    for reason, count in found.left_out.items():
        print(f"left out: {count} x {reason}")
    print(f"The gate says: {found.judgement.ruling}. {found.judgement.reason}.")
    print(f"{versions.location()} reads now.")
    return 0


def list_models(options: argparse.Namespace) -> int:
    """Every version and what happened to it."""
    from wetread.review.model_history import history

    versions, ledger = _opened(options)
    current = versions.pointer().current
    for name in ["", *versions.names()]:
        info = versions.info(name)
        print(f"{'*' if name == current else ' '} {name or 'base':12} {info.name} {info.version}  {info.device_uid}")
    for entry in history(ledger):
        said = f"{entry.body['event']} {entry.body['version']} by {entry.actor}  {entry.body.get('reason', '')}"
        print(f"{entry.recorded}  {said}".rstrip())
    return 0


def promote_model(options: argparse.Namespace) -> int:
    """Promote by a person's word."""
    from wetread.review.model_history import promote

    versions, ledger = _opened(options)
    name = "" if options.version == "base" else options.version
    info = promote(versions, ledger, name, options.by, options.reason)
    print(f"{info.name} {info.version} reads from now on ({info.device_uid}).")
    return 0


def roll_back_model(options: argparse.Namespace) -> int:
    """Go back one promotion."""
    from wetread.review.model_history import roll_back

    versions, ledger = _opened(options)
    info = roll_back(versions, ledger, options.by, options.reason)
    print(f"{info.name} {info.version} reads again ({info.device_uid}).")
    return 0


def _opened(options: argparse.Namespace) -> tuple[ModelVersions, Ledger]:
    from wetread.errors import RefusedInput
    from wetread.model.versions import ModelVersions
    from wetread.records.database import Database
    from wetread.review.ledger import Ledger

    place = options.database or os.environ.get(DATABASE_VARIABLE)
    if not place:
        raise RefusedInput("no database", "--database", f"give the service's, or set {DATABASE_VARIABLE}")
    return ModelVersions(options.out, options.model), Ledger(Database(place))


def _in_words(progress: Progress) -> None:
    if progress.stage != "training":
        of = f" {progress.step}/{progress.steps}" if progress.steps else ""
        print(f"{progress.stage}{of}", flush=True)
    elif progress.loss is not None and (progress.step % 10 == 0 or progress.step in (1, progress.steps)):
        said = "  ".join(f"{name} {value:.3f}" for name, value in progress.loss.items())
        print(f"step {progress.step}/{progress.steps}  {said}", flush=True)


def _as_json(progress: Progress) -> None:
    loss = None if progress.loss is None else {name: round(value, 5) for name, value in progress.loss.items()}
    print(json.dumps({"stage": progress.stage, "step": progress.step, "steps": progress.steps, "loss": loss}),
          flush=True)  # fmt: skip
