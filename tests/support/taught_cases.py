"""Drawn spots on skin, which the shipped model does not cover, and a ledger that teaches them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from judged_cases import Drawn
from wetread.findings import Decision, Mask, Provenance, Read, Verdict
from wetread.imaging import to_sample
from wetread.imaging.wrap_picture import wrap_picture
from wetread.review.memory import remembered_read
from wetread.service.backing import Backing
from wetread.terminology import Modality, find_target

LESION = find_target("skin lesion")
assert LESION is not None
SIDE = 96


def drawn_spot(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A dark ellipse somewhere on pale skin: picture (96, 96, 3) and its mask."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    centre = rng.uniform(0.2, 0.8, 2) * SIDE
    radii = rng.uniform(0.12, 0.22, 2) * SIDE
    mask = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
    picture = np.full((SIDE, SIDE, 3), (220, 180, 160)) + rng.normal(0, 6, (SIDE, SIDE, 3))
    picture[mask] -= (110, 110, 90)
    return np.clip(picture, 0, 255).astype(np.uint8), mask


def add_spots(backing: Backing, first: int, count: int) -> list[Drawn]:
    """Pictures of as many patients, each with a read that abstained, none decided on."""
    found = []
    for number in range(first, first + count):
        picture, mask = drawn_spot(np.random.default_rng(number))
        dataset = wrap_picture(picture, Modality.DERMOSCOPY)
        dataset.PatientID = f"spot-{number}"
        backing.archive.store([dataset]).require_complete()
        sample = to_sample([dataset])
        read = Read(
            uid=f"2.25.88{number}", question="skin lesion", reasoning="", diagnoses=(), abstention="Not covered.",
            answer="", provenance=Provenance("test-double", "0", "0" * 64, "2.25.5", "0", 0, 1, 9, 0.01,
                                             datetime(2026, 1, 1, tzinfo=UTC)), findings=(),
        )  # fmt: skip
        kept = remembered_read(read, sample)
        kept.body["patient"] = patient = backing.ledger.patient(f"spot-{number}")
        backing.ledger.append("read", "2.25.5", kept.body, study_uid=str(sample.study_uid), read_uid=read.uid,
                              blobs=kept.blobs)  # fmt: skip
        found.append(Drawn(number, str(sample.study_uid), str(dataset.SeriesInstanceUID), read.uid, patient,
                           Mask.from_dense(mask)))  # fmt: skip
    return found


def teach_all(backing: Backing, cases: list[Drawn], mask_of: Callable[[Drawn], Mask] = lambda c: c.truth) -> None:
    """Ada adds what the model did not name."""
    for case in cases:
        backing.desk.decide([Verdict(case.read_uid, f"{case.read_uid}.9", Decision.ADD, "ada", target=LESION,
                                     mask=mask_of(case))])  # fmt: skip


def spoilt(case: Drawn) -> Mask:
    """The skin without its spot, in tiles of another order."""
    rng = np.random.default_rng(case.number)
    tiles = ~case.truth.dense()[0].reshape(8, 12, 8, 12).swapaxes(1, 2).reshape(64, 12, 12)
    return Mask.from_dense(tiles[rng.permutation(64)].reshape(8, 8, 12, 12).swapaxes(1, 2).reshape(SIDE, SIDE))
