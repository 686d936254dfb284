"""Text as it comes: a piece is passed on once its characters are complete, and none twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HALF_A_CHARACTER = "\ufffd"


class Said:
    """Passes on what a growing text has gained.

    Args:
        on_text: called with each new piece.
    """

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text, self._said = on_text, ""

    def say(self, text: str) -> None:
        """The whole text so far; nothing is passed on where it does not continue what was said."""
        if text.startswith(self._said) and text != self._said:
            piece, self._said = text[len(self._said) :], text
            self._on_text(piece)


class Pieces:
    """Gathers tokens and passes on the text they add.

    Args:
        decode: from token ids to text.
        on_text: called with each new piece.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], on_text: Callable[[str], None]) -> None:
        self._decode, self._said = decode, Said(on_text)
        self._ids: list[int] = []

    def add(self, ids: Sequence[int]) -> None:
        """New tokens."""
        self._ids.extend(ids)
        text = self._decode(self._ids)
        if not text.endswith(HALF_A_CHARACTER):
            self._said.say(text)

    def end(self, text: str) -> None:
        """The whole text; what was held back is passed on."""
        self._said.say(text)
