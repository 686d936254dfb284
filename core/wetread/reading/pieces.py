"""Token ids to text as it comes: a piece is passed on once its characters are complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HALF_A_CHARACTER = "\ufffd"


class Pieces:
    """Gathers tokens and passes on the text they add.

    Args:
        decode: from token ids to text.
        on_text: called with each new piece.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], on_text: Callable[[str], None]) -> None:
        self._decode, self._on_text = decode, on_text
        self._ids: list[int] = []
        self._said = ""

    def add(self, ids: Sequence[int]) -> None:
        """New tokens."""
        self._ids.extend(ids)
        text = self._decode(self._ids)
        if not text.endswith(HALF_A_CHARACTER):
            self._say(text)

    def end(self, text: str) -> None:
        """The whole text; what was held back is passed on."""
        self._say(text)

    def _say(self, text: str) -> None:
        if text.startswith(self._said) and text != self._said:
            self._on_text(text[len(self._said) :])
            self._said = text
