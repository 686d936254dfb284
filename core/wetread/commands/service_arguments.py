"""Arguments of the commands about the service: serve, work, token, ledger."""

from __future__ import annotations

import argparse
from pathlib import Path

from wetread import DEFAULT_MODEL
from wetread.commands.reader_arguments import add_engine, add_loading

Commands = argparse._SubParsersAction
DEFAULT_PORT = 8787


def add_serve(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread serve`."""
    parser = commands.add_parser(
        "serve",
        parents=[common],
        help="serve reads over HTTP, and an archive folder over DICOMweb",
        description="Serve reads over HTTP and, for an archive folder, DICOMweb, until Ctrl-C.",
    )
    _add_place(parser)
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="default: %(default)s, this machine only")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="reads at once in this process; default: %(default)s"
    )
    _add_time_limit(parser)
    parser.add_argument("--viewer", metavar="VERSION|DIR", help="OHIF to serve beside the pages: a version, fetched "
                        "once (see wetread viewer), or a folder; default: the one that was fetched")  # fmt: skip
    parser.add_argument("--allow-remote", action="store_true", help="let H be an address that other machines can reach")
    add_engine(parser)
    add_loading(parser)
    parser.add_argument("--tokens", metavar="FILE", type=Path, help="ask for a token of this file, see: wetread token")
    parser.add_argument("--oidc-issuer", metavar="URL", help="ask for a token of this OpenID Connect issuer")
    parser.add_argument("--oidc-audience", metavar="A", help="whom its tokens must be made for")
    parser.add_argument(
        "--oidc-roles", metavar="CLAIM", default="realm_access.roles", help="claim with roles; default: %(default)s"
    )
    parser.add_argument(
        "--cors-origin", action="append", default=[], metavar="ORIGIN",
        help="let pages of https://HOST ask as well; give it again for each further one; default: none",
    )  # fmt: skip
    parser.set_defaults(run=_serve)


def add_work(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread work`."""
    parser = commands.add_parser(
        "work",
        parents=[common],
        help="read what a service was asked for, in a process of its own",
        description="Read what a service on the same database was asked for, until Ctrl-C. Give the service "
        "--workers 0 to leave all reads to such processes.",
    )
    _add_place(parser)
    parser.add_argument("--workers", type=_count, default=1, metavar="N", help="reads at once; default: %(default)s")
    _add_time_limit(parser)
    parser.add_argument("--once", action="store_true", help="leave when nothing is waiting")
    cluster = parser.add_argument_group("over several machines", "needs pip install 'wetread[ray]'")
    cluster.add_argument("--replicas", type=_count, metavar="N", help="so many such workers as replicas of Ray Serve")
    cluster.add_argument("--ray", metavar="ADDRESS", help="of a Ray cluster; default: one begun on this machine")
    cluster.add_argument(
        "--replica-gpus", type=float, default=0, metavar="N", help="GPUs, or a share of one, for each replica"
    )
    add_engine(parser)
    add_loading(parser)
    parser.set_defaults(run=_work)


def add_viewer(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread viewer`."""
    parser = commands.add_parser(
        "viewer",
        parents=[common],
        help="fetch the OHIF viewer that `serve` and `demo` show studies in",
        description="Fetch a published build of OHIF from the npm registry, once, and print where it lies.",
    )
    parser.add_argument("action", choices=("fetch",), help="fetch it, unless it is there")
    parser.add_argument("--release", metavar="VERSION", help="of OHIF; default: one that was tested")
    parser.set_defaults(run=_viewer)


def add_token(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread token`."""
    parser = commands.add_parser(
        "token", help="tokens that let people into the service", description="Tokens that let people into the service."
    )
    kinds = parser.add_subparsers(metavar="ACTION", required=True)
    for name, says in (("add", "make a token and show it once"), ("remove", "take a login's tokens back"),
                       ("list", "show whose tokens there are")):  # fmt: skip
        one = kinds.add_parser(name, parents=[common], help=says, description=f"{says[0].upper()}{says[1:]}.")
        one.add_argument("--file", metavar="FILE", type=Path, required=True, help="the token file")
        if name != "list":
            one.add_argument("login", metavar="LOGIN", help="whose")
        if name == "add":
            one.add_argument("--role", choices=("reader", "reviewer", "admin"), default="reviewer")
            one.add_argument("--name", default="", metavar="PN", help="in signed reports: Family^Given")
            one.add_argument("--organisation", default="", metavar="O", help="in signed reports")
            one.add_argument("--days", type=float, default=365.0, metavar="N", help="default: %(default)s")
        one.set_defaults(run=_token, action=name)


def add_ledger(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread ledger`."""
    parser = commands.add_parser(
        "ledger",
        help="check, count or export what was read and decided",
        description="Reads, verdicts and signatures of a service: check their chain, count them, export them.",
    )
    deeds = parser.add_subparsers(metavar="ACTION", required=True)
    for name, says in (("check", "see whether anything was changed; exits 1 where it was"),
                       ("stats", "count entries and how often people accept what each model finds"),
                       ("export", "write it as JSON lines, Parquet, or for training")):  # fmt: skip
        one = deeds.add_parser(name, parents=[common], help=says, description=f"{says[0].upper()}{says[1:]}.")
        one.add_argument("--database", metavar="URL|FILE", help="of the service; beside a folder archive when left out")
        one.add_argument("--archive", metavar="URL|DIR", help="of the service; needed for training's pictures")
        if name == "check":
            one.add_argument("--head", metavar="NUMBER:HASH", help="the end that an earlier check showed")
        if name == "export":
            one.add_argument("--out", metavar="DIR", type=Path, required=True, help="new or empty folder")
            one.add_argument(
                "--format", choices=("jsonl", "parquet", "training"), default="jsonl", help="default: %(default)s"
            )
        one.set_defaults(run=_ledger, action=name)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--archive", metavar="URL|DIR", required=True, help="folder or DICOMweb URL")
    parser.add_argument(
        "--database", metavar="URL|FILE", help="jobs, ledger and outbox; beside a folder archive when left out"
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|PATH", help="default: %(default)s")
    parser.add_argument("--models", metavar="DIR", type=Path, help="versions learned from the ledger; one that was "
                        "promoted reads instead of --model; beside a folder archive when left out")  # fmt: skip


def _add_time_limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--time-limit", type=_seconds, metavar="SECONDS", help="end a read that takes longer; default: none"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("give a number of seconds above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return value


def _serve(options: argparse.Namespace) -> int:
    from wetread.commands.serve import run

    return run(options)


def _work(options: argparse.Namespace) -> int:
    from wetread.commands.work import run

    return run(options)


def _viewer(options: argparse.Namespace) -> int:
    from wetread.commands.viewer import run

    return run(options)


def _token(options: argparse.Namespace) -> int:
    from wetread.commands.token import run

    return run(options)


def _ledger(options: argparse.Namespace) -> int:
    from wetread.commands.ledger import run

    return run(options)
