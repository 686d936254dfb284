"""``wetread serve``: the HTTP API on one archive, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Serve what the arguments say."""
    return serve(archive_location=options.archive, model=options.model, host=options.host, port=options.port)
