"""The answers that a question allows, read from its own words, and an answer taken apart into labels.

CLIMB's published tables name other labels than its questions do (Jinchi offers four grades, its table three; CBIS
offers BIRAD 1 to 5, its table 0 to 5), so the question is the only source. The forms are those of the published
converters: a list after a colon, one label a line, with or without bullets, the first sometimes on the line of the
colon; lettered options; and labels inside a sentence ("choosing from A, B, and C."). A question without a list
(COVID-BLUES) has an empty label set: any answer is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_LEAD = re.compile(
    r"\b(?:answer|respond|reply|choose|choosing|select|selecting|pick|classify|options?|choices)\b[^\n:?!]*:",
    re.IGNORECASE,
)
"""An instruction that ends in a colon, e.g. ``Answer with one phrase from the following:``."""
_IN_SENTENCE = re.compile(
    r"\b(?:choos(?:e|ing)|select(?:ing)?|pick|answer(?:ing)?|respond|reply)\b"
    r"(?:\s+(?:with|only|exactly|one|or|more|multiple|either|word|words|phrase|phrases|label|labels|from|of|among"
    r"|between|the|following|as|options|by))*?"
    r"\s+(?:with one of|one of|either|from|among|between|with|as|only)\s+(?:the following\s+)?(?P<list>[^\n?!]+)",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"\banswer\s+(?P<list>yes\s+or\s+no|true\s+or\s+false)\b|\((?P<slash>yes/no|true/false)\)", re.IGNORECASE
)
_LETTER = re.compile(r"^\s*[(\[]?(?P<letter>[A-Z])[)\].:]\s+(?P<text>\S.*?)\s*$")
_BULLET = re.compile(r"^\s*(?:[-*•–]\s+|\d{1,2}[.)]\s+)")
_PLACEHOLDER = re.compile(r"<(?:image|video|time-series|audio)>")
_LONGEST_LABEL = 100
_LISTED = re.compile(r"\s*[;,]\s*")
_PAIRED = re.compile(r"\s+or\s+|\s+and\s+|\s*/\s*|\s*\|\s*", re.IGNORECASE)
_REFERENCE_SEPARATORS = (", ", " and ", " & ", ",", "&")


def without_placeholders(text: str) -> str:
    """The question without ``<image>``, ``<video>`` and ``<time-series>`` and the empty lines that they leave."""
    return _PLACEHOLDER.sub("", text).lstrip("\n ").rstrip()


def read_options(question: str) -> dict[str, str]:
    """Lettered options, letter -> text; empty where the question has none.

    Only letters that run from A without a gap count, so that a line such as ``T. bili 3.2`` is not an option. Of
    several such runs the last is taken: it stands next to the answer.
    """
    best: dict[str, str] = {}
    run: dict[str, str] = {}
    for line in question.splitlines():
        found = _LETTER.match(line)
        if found is None:
            continue
        letter = found["letter"]
        if letter == "A":
            run = {}
        if letter == chr(ord("A") + len(run)):
            run[letter] = found["text"]
            if len(run) >= 2:
                best = run
    return dict(best)


def read_label_set(question: str, answer: str = "") -> tuple[str, ...]:
    """The labels that a question offers, in its order and spelling, each once; empty for a free answer.

    Args:
        question: the whole text, placeholders allowed.
        answer: the true answer; where the question has lettered options, it tells whether letters or texts are meant.
    """
    options = read_options(question)
    if options:
        texts = tuple(dict.fromkeys(options.values()))
        return texts if answer.strip() in texts else tuple(options)
    return _offered(question)


@lru_cache(maxsize=1024)
def _offered(question: str) -> tuple[str, ...]:
    """The labels of a question without lettered options; kept, for a data set asks few questions many times."""
    for lead in reversed(list(_LEAD.finditer(question))):
        found = _listed(question[lead.end() :])
        if len(found) >= 2:
            return found
    for pattern in (_YES_NO, _IN_SENTENCE):
        for match in reversed(list(pattern.finditer(question))):
            text = match["list"] or match.groupdict().get("slash") or ""
            found = _in_line(re.split(r"\.(?:\s|$)", text)[0])
            if len(found) >= 2 and all(len(label.split()) <= 8 for label in found):
                return found
    return ()


def split_answer(answer: str, label_set: Sequence[str] = ()) -> tuple[str, ...]:
    """An answer as labels, in its order, each once.

    With a label set the answer is read as a sequence of its labels, longest first and ignoring case, so a label that
    holds a comma or an "and" stays whole. Where that does not cover the answer, and without a label set, it is cut at
    the first of the published separators that occurs in it (``", "``, ``" and "``, ``" & "``, ``","``, ``"&"``).
    """
    text = answer.strip()
    if not text:
        return ()
    covered = _cover(text, label_set) if label_set else None
    if covered is not None:
        return covered
    separator = next((s for s in _REFERENCE_SEPARATORS if s in text), None)
    parts = text.split(separator) if separator else [text]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _cover(text: str, label_set: Sequence[str]) -> tuple[str, ...] | None:
    known = sorted({label.strip() for label in label_set if label.strip()}, key=lambda name: (-len(name), name))
    joint = re.compile(r"(?:\s*[,;&\n]\s*(?:and\s+)?|\s+and\s+|\s*\.?\s*$)", re.IGNORECASE)
    found: list[str] = []
    place = 0
    while place < len(text):
        for name in known:
            end = place + len(name)
            after = joint.match(text, end)
            if text[place:end].lower() == name.lower() and (
                after is not None and (after.end() > end or end == len(text))
            ):
                found.append(name)
                place = after.end() if after is not None else end
                break
        else:
            return None
    return tuple(dict.fromkeys(found))


def _listed(tail: str) -> tuple[str, ...]:
    """Labels after a colon: one a line, or all on the first line that has any."""
    lines = list(_label_lines(tail))
    if len(lines) == 1:
        return _in_line(lines[0])
    return tuple(dict.fromkeys(lines))


def _label_lines(tail: str) -> Iterator[str]:
    found = 0
    for line in tail.split("\n"):
        label = _BULLET.sub("", line).strip()
        if not label:
            if found >= 2:
                return
            continue
        if found >= 1 and (len(label) > _LONGEST_LABEL or label.endswith("?") or label.startswith("<")):
            return
        found += 1
        yield label


def _in_line(text: str) -> tuple[str, ...]:
    plain = text.strip().rstrip(".").strip()
    parts = _LISTED.split(plain)
    if len(parts) > 1:
        last = re.sub(r"^(?:and|or)\s+", "", parts[-1], flags=re.IGNORECASE)
        parts = [*parts[:-1], *([last] if last != parts[-1] else re.split(r"\s+or\s+", last))]
    else:
        parts = _PAIRED.split(plain)
    return tuple(dict.fromkeys(part.strip(" \"'`") for part in parts if part.strip(" \"'`")))
