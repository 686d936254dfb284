"""What Wetread says when it refuses something.

Every refusal is one line with three parts: what was found, where, and what to do about it. The command line
prints that line and exits with 1; the service turns it into a 4xx answer. Programming errors are not wrapped.
"""

from __future__ import annotations


class WetreadError(Exception):
    """Base of every error that is meant for a person."""


class RefusedInput(WetreadError):  # noqa: N818 - the word that users read
    """Input that cannot be read honestly.

    Args:
        what: what was found, e.g. ``"two series mixed"``.
        where: file, folder or UID. Never patient data.
        remedy: what the caller can do next.
    """

    def __init__(self, what: str, where: object, remedy: str) -> None:
        self.what = what
        self.where = str(where)
        self.remedy = remedy
        super().__init__(" ".join(f"{what} ({where}): {remedy}".split()))


class ArchiveRefused(RefusedInput):
    """An archive could not be reached, or did not take or give what was asked."""


class ModelUnavailable(RefusedInput):
    """A model folder or checkpoint that is not there or does not fit."""


class ReadCancelled(WetreadError):  # noqa: N818 - not a mistake of anybody
    """The caller cancelled a read that was under way."""
