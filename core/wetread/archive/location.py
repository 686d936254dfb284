"""From what a person writes (a folder or a URL) to an archive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from wetread.archive.protocol import Archive


def open_archive(
    location: str | Path,
    *,
    token: str | None = None,
    user: str | None = None,
    password: str | None = None,
    certificates: str | os.PathLike[str] | None = None,
) -> Archive:
    """The archive at a folder path or an http(s) URL.

    Args:
        location: folder, or root URL of a DICOMweb service.
        token: for a URL, as `user`, `password` and `certificates`: see `DicomwebArchive`, which takes from the
            environment what is not given.
        user: see `token`.
        password: see `token`.
        certificates: see `token`.

    Raises:
        ArchiveRefused: neither a folder nor a usable URL. A PACS is contacted at the first use, not here.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(location)):
        from wetread.archive.dicomweb import DicomwebArchive

        return DicomwebArchive(str(location), token=token, user=user, password=password, certificates=certificates)
    from wetread.archive.folder import FolderArchive

    return FolderArchive(location)
