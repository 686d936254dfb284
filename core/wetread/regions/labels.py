"""What a mask is said to show, as words that fit into a sentence, and whether it comes in pairs.

A label is taken from the caller and never judged. It is cleaned so that a sentence around it can be read back: one
space between words, nothing that ends a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wetread.errors import RefusedInput
from wetread.terminology import Laterality, Target, find_target

UNNAMED = "region"

Targets = Target | str | Sequence[Target | str] | Mapping[int, Target | str] | None
"""What the masks show: one for all, one for each, or by value of the label map."""


def label_of(target: Target | str | None) -> str:
    """The words for a target: its label, cleaned; "region" where there is none."""
    word = target.label if isinstance(target, Target) else (target or "")
    word = re.sub(r"[\x00-\x20\x7f-\xa0\u2028\u2029\s_]+", " ", word)
    word = re.sub(r"[.!?:;,()\[\]]+(?= |$)|[()\[\]]", "", word).strip(" .,;:")
    return word or UNNAMED


def is_paired(target: Target | str | None) -> bool:
    """True where there is a left and a right one of a target, and the label does not already say which."""
    if {"left", "right"} & set(label_of(target).lower().split()):
        return False
    known = target if isinstance(target, Target) else find_target(target or "")
    return known is not None and known.laterality is Laterality.PAIRED


def targets_for(targets: Targets, values: Sequence[int]) -> tuple[Target | str | None, ...]:
    """One target for each mask.

    Args:
        targets: see `Targets`.
        values: for each mask its value in the label map.

    Raises:
        RefusedInput: another number of targets than of masks.
    """
    if targets is None or isinstance(targets, Target | str):
        return (targets,) * len(values)
    if isinstance(targets, Mapping):
        return tuple(targets.get(value) for value in values)
    given: tuple[Any, ...] = tuple(targets)
    if len(given) == 1:
        return given * len(values)
    if len(given) != len(values):
        raise RefusedInput(f"{len(given)} targets for {len(values)} masks", "targets", "give one for each mask.")
    return given
