"""``wetread serve``: the HTTP API on one archive, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wetread.archive import open_archive
from wetread.commands.loading import make_switching_reader
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from wetread.archive import Archive
    from wetread.reading import Reader
    from wetread.service.access.people import Access
    from wetread.service.model_switch import SwitchingReader


def run(options: argparse.Namespace) -> int:
    """Serve what the arguments say; a host that other machines can reach needs access control or so many words."""
    from wetread.service.serving import check_host

    access = _access(options)
    check_host(options.host, options.allow_remote or access is not None)
    archive = open_archive(options.archive)
    serve_until_interrupted(
        archive, make_switching_reader(options, archive), options.host, options.port, options.allow_remote,
        options.database, options.workers, access, options.time_limit, options.cors_origin, _viewer(options.viewer),
    )  # fmt: skip
    return 0


def _viewer(wanted: str | None) -> Path | None:
    """The folder of a viewer: named, fetched under this version, or the default one where it has been fetched."""
    from wetread.commands.viewer import RELEASES, fetch, fetched

    if wanted is None:
        return fetched()
    return fetch(wanted, announce) if wanted in RELEASES else Path(wanted)


def _access(options: argparse.Namespace) -> Access | None:
    from wetread.service.access.oidc import Oidc
    from wetread.service.access.token_file import TokenFile

    if options.tokens and options.oidc_issuer:
        raise RefusedInput("two kinds of access", "--tokens and --oidc-issuer", "give one of them")
    if options.tokens:
        return TokenFile(options.tokens)
    if options.oidc_issuer:
        return Oidc(options.oidc_issuer, options.oidc_audience or "", roles=options.oidc_roles)
    return None


def serve_until_interrupted(
    archive: Archive, reader: Reader | SwitchingReader, host: str, port: int, allow_remote: bool = False,
    database: str | None = None, workers: int = 1, access: Access | None = None, time_limit: float | None = None,
    cors_origins: Sequence[str] = (), viewer: Path | None = None,
) -> None:  # fmt: skip
    """Serve; Ctrl-C is the ordinary end of it."""
    from wetread.service import serve

    try:
        serve(archive, host, port, reader=reader, allow_remote=allow_remote, announce=announce, database=database,
              workers=workers, access=access, time_limit=time_limit, cors_origins=cors_origins,
              viewer=viewer)  # fmt: skip
    except KeyboardInterrupt:
        announce("stopped")


def announce(line: str) -> None:
    """Show a line at once, also where the output is a pipe."""
    print(line, flush=True)
