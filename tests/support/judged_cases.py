"""Drawn nuclei of many patients in a folder archive, and a ledger in which people have decided on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from wetread.archive.folder import FolderArchive
from wetread.findings import Decision, Finding, Mask, Provenance, Read, Verdict
from wetread.imaging import to_sample
from wetread.imaging.wrap_picture import wrap_picture
from wetread.review.memory import remembered_read
from wetread.service.backing import Backing, open_backing
from wetread.terminology import Modality, find_target
from wetread.training.phantoms import drawn_nuclei

NUCLEI = find_target("nuclei")
assert NUCLEI is not None


@dataclass(frozen=True)
class Drawn:
    """A picture in the archive, and what is really on it."""

    number: int
    study_uid: str
    series_uid: str
    read_uid: str
    patient: str
    truth: Mask


def backing_with(folder: Path, count: int, first: int = 0) -> tuple[Backing, list[Drawn]]:
    """A backing over a folder archive with `count` pictures of as many patients, each read, none decided on."""
    backing = open_backing(FolderArchive(folder / "archive"), folder / "records.sqlite")
    return backing, add_cases(backing, range(first, first + count))


def add_cases(backing: Backing, numbers: Iterable[int]) -> list[Drawn]:
    """Further pictures with their reads."""
    found = []
    for number in numbers:
        picture, masks = drawn_nuclei(np.random.default_rng(number))
        dataset = wrap_picture(picture, Modality.PATHOLOGY)
        dataset.PatientID = f"drawn-{number}"
        backing.archive.store([dataset]).require_complete()
        sample = to_sample([dataset])
        truth = Mask.from_dense(masks["nuclei"])
        shifted = Mask.from_dense(np.roll(truth.dense(), 9, axis=2))
        read = Read(
            uid=f"2.25.77{number}", question="everything", reasoning="Drawn.", diagnoses=("nuclei",), abstention=None,
            answer="Drawn.", provenance=Provenance("test-double", "0", "0" * 64, "2.25.5", "0", 0, 1, 9, 0.01,
                                                   datetime(2026, 1, 1, tzinfo=UTC)),
            findings=(Finding(NUCLEI, f"2.25.77{number}.1", 0.9, 0, shifted.box(0), shifted),),
        )  # fmt: skip
        kept = remembered_read(read, sample)
        kept.body["patient"] = patient = backing.ledger.patient(f"drawn-{number}")
        backing.ledger.append("read", "2.25.5", kept.body, study_uid=str(sample.study_uid), read_uid=read.uid,
                              blobs=kept.blobs)  # fmt: skip
        found.append(
            Drawn(number, str(sample.study_uid), str(dataset.SeriesInstanceUID), read.uid, patient, truth)
        )  # fmt: skip
    return found


def correct_all(backing: Backing, cases: Iterable[Drawn], mask_of: Callable[[Drawn], Mask] = lambda c: c.truth) -> None:
    """Ada corrects every case's mask; to the truth, unless another mask is given."""
    for case in cases:
        backing.desk.decide([
            Verdict(case.read_uid, f"{case.read_uid}.1", Decision.CORRECT, "ada", mask=mask_of(case))
        ])  # fmt: skip
