"""``wetread serve``: the HTTP API on one archive, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.archive import open_archive

if TYPE_CHECKING:
    import argparse

    from wetread.archive import Archive
    from wetread.reading import Reader


def run(options: argparse.Namespace) -> int:
    """Serve what the arguments say; a host that other machines can reach has to be allowed in so many words."""
    from wetread.reading import Reader
    from wetread.service.serving import check_host

    check_host(options.host, options.allow_remote)
    reader = Reader(options.model, engine=options.engine, urls=options.url)
    serve_until_interrupted(
        open_archive(options.archive), reader, options.host, options.port, options.allow_remote,
        options.database, options.workers,
    )  # fmt: skip
    return 0


def serve_until_interrupted(
    archive: Archive, reader: Reader, host: str, port: int, allow_remote: bool = False, database: str | None = None,
    workers: int = 1,
) -> None:  # fmt: skip
    """Serve; Ctrl-C is the ordinary end of it."""
    from wetread.service import serve

    try:
        serve(archive, host, port, reader=reader, allow_remote=allow_remote, announce=announce, database=database,
              workers=workers)  # fmt: skip
    except KeyboardInterrupt:
        announce("stopped")


def announce(line: str) -> None:
    """Show a line at once, also where the output is a pipe."""
    print(line, flush=True)
