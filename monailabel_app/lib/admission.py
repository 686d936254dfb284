"""Which images a client may name.

Stock MONAI Label opens any path of the server that a client writes into `image`, in the query or among the
parameters. Here a path must lie, links resolved, in the studies folder or in the session store; anything else
must be an id that the datastore knows. A file that came with the request itself is told by where the server put it.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Iterable

_UPLOAD = re.compile(r"tmp[a-z0-9_]{8}(\.[A-Za-z0-9.]+)?")
"""The name `tempfile` gives to an uploaded image; eight random characters that no client can guess."""


class ForbiddenImage(RefusedInput):
    """A client named a file of the server that is none of its images."""


def admit(image: object, folders: Iterable[str]) -> None:
    """Let a request's image pass, or refuse it.

    Args:
        image: what the client named: a datastore id or a path.
        folders: where images may lie; the folder itself counts (one DICOM series).

    Raises:
        ForbiddenImage: an existing path outside `folders`. The message does not repeat the path.
        RefusedInput: not a string, or an empty one.
    """
    if not isinstance(image, str) or not image or "\0" in image:
        raise RefusedInput("no image named", "image", "give an id from GET /datastore/ or a path in the studies folder")
    if not Path(image).exists():
        return
    path = Path(image).resolve()
    if any(path.is_relative_to(Path(folder).resolve()) for folder in folders):
        return
    if path.is_file() and path.parent == Path(tempfile.gettempdir()).resolve() and _UPLOAD.fullmatch(path.name):
        return
    raise ForbiddenImage("image outside the studies folder", "image", "give an id from GET /datastore/")
