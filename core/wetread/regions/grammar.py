"""Sentences with slots that can be written and read back by the same template.

A template such as ``The border is {border}.`` has slots; a slot knows how to write a value, which texts it matches and
how to read one. So writing and reading cannot drift apart, and a language is nothing but a table of words and
templates. Values are those of `facts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Formatter
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Slot:
    """How one kind of value is written and read.

    Args:
        write: value to text.
        pattern: regular expression without groups that matches every text written.
        read: text to value.
    """

    write: Callable[[Any], str]
    pattern: str
    read: Callable[[str], Any]


def words(table: Mapping[str, str]) -> Slot:
    """A value out of a table of words.

    Raises:
        ValueError: two values with one word.
    """
    back = {word: value for value, word in table.items()}
    if len(back) != len(table):
        raise ValueError("Two values share a word; the text could not be read back.")
    pattern = "|".join(re.escape(word) for word in sorted(back, key=len, reverse=True))
    return Slot(lambda value: table[value], f"(?:{pattern})", lambda text: back[text])


def number(comma: str = ".") -> Slot:
    """A decimal number, never with an exponent."""

    def write(value: float) -> str:
        return str(np.format_float_positional(value, trim="-")).replace(".", comma)

    return Slot(write, rf"-?\d+(?:{re.escape(comma)}\d+)?", lambda text: float(text.replace(comma, ".")))


def whole() -> Slot:
    """A whole number."""
    return Slot(str, r"-?\d+", int)


def free() -> Slot:
    """Free text, as long as can be: what follows it in the template is matched last."""
    return Slot(str, ".+", str)


def listed(item: Slot, separator: str, last: str) -> Slot:
    """Several values: ``a, b and c``; separators that no item contains."""

    def write(values: tuple[Any, ...]) -> str:
        texts = [item.write(value) for value in values]
        return separator.join(texts[:-1]) + last + texts[-1] if len(texts) > 1 else texts[0]

    def read(text: str) -> tuple[Any, ...]:
        return tuple(item.read(part) for part in re.split(f"{re.escape(separator)}|{re.escape(last)}", text))

    either = f"(?:{re.escape(separator)}|{re.escape(last)})"
    return Slot(write, f"{item.pattern}(?:{either}{item.pattern})*", read)


def row(template: str, slots: tuple[Slot, ...]) -> Slot:
    """A tuple written by a small template with ``{}`` for each of its values."""
    pieces = [re.escape(piece) for piece in template.split("{}")]

    def pattern(grouped: bool) -> str:
        inner = [f"({slot.pattern})" if grouped else slot.pattern for slot in slots]
        return pieces[0] + "".join(one + piece for one, piece in zip(inner, pieces[1:], strict=True))

    whole_row = re.compile(pattern(grouped=True))

    def write(values: tuple[Any, ...]) -> str:
        return template.format(*(slot.write(value) for slot, value in zip(slots, values, strict=True)))

    def read(text: str) -> tuple[Any, ...]:
        match = whole_row.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not of the form {template!r}.")
        return tuple(slot.read(part) for slot, part in zip(slots, match.groups(), strict=True))

    return Slot(write, pattern(grouped=False), read)


@dataclass(frozen=True)
class Template:
    """One sentence with slots.

    Args:
        text: as in `str.format`.
        slots: for every name that the text may use.
    """

    text: str
    slots: Mapping[str, Slot]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The facts that the sentence states."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.text) if name)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = []
        for literal, name, _, _ in Formatter().parse(self.text):
            parts.append(re.escape(literal))
            if name:
                parts.append(f"(?P<{name}>{self.slots[name].pattern})")
        return re.compile("".join(parts))

    def write(self, facts: Mapping[str, Any]) -> str:
        """The sentence."""
        return self.text.format(**{name: self.slots[name].write(facts[name]) for name in self.names})

    def read(self, sentence: str) -> dict[str, Any] | None:
        """The facts of a sentence; None where it is not of this form."""
        match = self._pattern.fullmatch(sentence)
        if match is None:
            return None
        return {name: self.slots[name].read(text) for name, text in match.groupdict().items()}
