"""``wetread withdraw``: a rejection note for objects that Wetread made, written and, if wanted, stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Write the note; a file that is there is refused."""
    from wetread.archive import open_archive
    from wetread.archive.content import encoded
    from wetread.archive.intake import taken_in
    from wetread.reporting import build_withdrawal

    try:
        objects = [taken_in(path.read_bytes(), str(path)) for path in options.files]
        note = build_withdrawal(objects, options.reason, options.person, datetime.now(UTC))
        with options.out.open("xb") as file:
            file.write(encoded(note))
    except OSError as error:
        raise RefusedInput(f"cannot be read or written ({error.strerror})", error.filename,
                           "give files that are there, and a new name for the note") from error  # fmt: skip
    print(f"{len(objects)} object(s) withdrawn by {options.out}: {note.SOPInstanceUID}")
    if options.archive:
        (held,) = open_archive(options.archive).store([note]).require_complete().instances
        print(f"{held.state} in {options.archive}")
    return 0
