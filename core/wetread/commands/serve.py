"""``wetread serve``: the HTTP API on one archive, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.commands.places import archive_at

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Serve what the arguments say; a host that other machines can reach has to be allowed in so many words."""
    from wetread.service import serve

    archive = archive_at(options.archive)
    serve(
        archive, options.host, options.port,
        model=options.model, allow_remote=options.allow_remote, announce=announce,
    )  # fmt: skip
    return 0


def announce(line: str) -> None:
    """Show a line at once, also where the output is a pipe."""
    print(line, flush=True)
