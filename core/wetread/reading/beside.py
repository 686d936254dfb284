"""Several images in one question: the first is read, the others are shown beside it.

A model that learned several pictures at once sees them in order, with words that say what each is to the first:
another image of the study, or an earlier or later one and by how many days (a number from two dates; no date and no
other word of a header enters a prompt). A model that learned one picture at a time looks at each by itself, and what
it says of the others stands in the remarks. Images of two patients are never read together.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydicom import Dataset

    from wetread.imaging.sample import Sample

_WRAPPED_PATIENT = "WRAPPED-"
"""Patients of pictures that came without one (`imaging/wrapped_instance.py`)."""


def check_one_patient(headers: Sequence[Dataset]) -> None:
    """Refuse images that name different patients; images that name none are taken.

    Raises:
        RefusedInput: in words that name neither.
    """
    named = {str(header.get("PatientID") or "").strip() for header in headers}
    named = {patient for patient in named if patient and not patient.startswith(_WRAPPED_PATIENT)}
    if len(named) > 1:
        raise RefusedInput(
            f"images of {len(named)} patients in one question", "the inputs", "give images of one patient."
        )


def middle(sample: Sample) -> int:
    """The plane of an image beside that is shown: its middle one."""
    return (len(sample.planes) - 1) // 2


def relation(first: Sample, other: Sample) -> str:
    """What another image is to the first, in words: ``another image of the same study``."""
    if first.study_uid == other.study_uid:
        return "another image of the same study"
    days = _days_between(first, other)
    if days is None or days == 0:
        return "an image of another study" + (" of the same day" if days == 0 else "")
    when = "earlier" if days < 0 else "later"
    return f"an image of a study made {abs(days)} day{'s' if abs(days) > 1 else ''} {when}"


def beside_words(first: Sample, beside: Sequence[Sample]) -> str:
    """What the prompt says of several pictures, with a space after it; empty for one."""
    if not beside:
        return ""
    others = "; ".join(
        f"picture {number} is {relation(first, other)} ({other.modality.value})"
        for number, other in enumerate(beside, start=2)
    )
    return f"Picture 1 is the one to read; {others}. Give boxes on picture 1 only. "


def _days_between(first: Sample, other: Sample) -> int | None:
    """Days from the first study to the other; None where a date is missing or unreadable."""
    dates = []
    for sample in (first, other):
        written = str(sample.headers[0].get("StudyDate") or "") if sample.headers else ""
        try:
            dates.append(date(int(written[:4]), int(written[4:6]), int(written[6:8])))
        except ValueError:
            return None
    return (dates[1] - dates[0]).days
