"""What people decided, as truth to learn from: accepted, corrected and added findings, and what was rejected.

Of several verdicts on a finding the last one counts, whoever gave it; a finding that was taken back teaches nothing.
A rejection is truth too: that target is not there, on the planes that the model had marked. Labels count without their
side, as the model learns them. Patients are parted by a hash of their pseudonym, so that the fifth that is kept for
the gate (`evaluation/gate.py`) stays kept however the ledger grows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wetread.archive.protocol import NotInArchive
from wetread.errors import ArchiveRefused, WetreadError
from wetread.findings import Decision, Mask
from wetread.review.memory import recalled_finding, recalled_mask, recalled_target
from wetread.terminology import TARGETS, Modality, find_sided

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from wetread.archive import Archive
    from wetread.imaging.sample import Sample
    from wetread.review.ledger import Entry, Ledger

KEPT_ONE_IN = 5
MOST_PLANES = 8
"""Of one read that are learned from: neighbours teach the same."""
_LABELS = frozenset(target.label for target in TARGETS)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A read that people have decided on.

    Args:
        read_uid: of the read.
        study_uid: of its study.
        series_uid: of its series.
        patient: pseudonym.
        modality: of the image.
        number: of the last verdict in the ledger.
        present: label -> mask of what is there.
        absent: label -> mask that was rejected; None where only a box had been given.
        touched: somebody corrected, rejected or added; False where everything was accepted as it was.
    """

    read_uid: str
    study_uid: str
    series_uid: str
    patient: str
    modality: Modality
    number: int
    present: Mapping[str, Mask]
    absent: Mapping[str, Mask | None]
    touched: bool

    @property
    def is_kept(self) -> bool:
        """Kept out of training, for the gate."""
        return is_kept(self.patient)


@dataclass(frozen=True, slots=True, eq=False)
class LedgerExample:
    """One plane to learn from.

    Args:
        read_uid: of the read.
        patient: pseudonym.
        modality: of the image.
        picture: (rows, columns, 3) uint8, as the model is shown it.
        present: label -> bool (rows, columns).
        absent: label -> what was rejected, bool (rows, columns).
        earlier: from before the ledger number that the run began at: replay.
        field_mm: longer side of the image, where its spacing is known.
    """

    read_uid: str
    patient: str
    modality: Modality
    picture: NDArray[np.uint8]
    present: Mapping[str, NDArray[np.bool_]]
    absent: Mapping[str, NDArray[np.bool_]]
    earlier: bool = False
    field_mm: float | None = None


@dataclass(slots=True, eq=False)
class Examples:
    """What a ledger teaches.

    Args:
        examples: planes of patients that may be trained on.
        kept: reads of the patients that may not.
        left_out: reason -> how often.
    """

    examples: list[LedgerExample] = field(default_factory=list)
    kept: list[Judged] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, int]:
        """For a model's statement."""
        return {
            "planes": len(self.examples),
            "reads": len({example.read_uid for example in self.examples}),
            "patients": len({example.patient for example in self.examples}),
            "earlier_planes": sum(example.earlier for example in self.examples),
            "kept_reads": len(self.kept),
            "kept_patients": len({judged.patient for judged in self.kept}),
        }


def is_kept(patient: str) -> bool:
    """True for the patients, one in five, whose images are never trained on."""
    return int(hashlib.sha256(f"kept|{patient}".encode()).hexdigest()[:8], 16) % KEPT_ONE_IN == 0


def examples_from_ledger(ledger: Ledger, archive: Archive, since: int = 0) -> Examples:
    """Everything that a ledger teaches, with its pixels.

    Args:
        ledger: of reads and verdicts.
        archive: where the series are.
        since: number of the ledger entry up to which an earlier run has learned; what was decided before it is replay,
            and only what was accepted or corrected then, not what was rejected.

    Raises:
        ArchiveRefused: the archive does not answer. A series that is no longer held is counted and left out.
    """
    found = Examples()
    for judged in judged_reads(ledger, found.left_out):
        if judged.is_kept:
            found.kept.append(judged)
            continue
        earlier = judged.number <= since
        try:
            sample = sample_of(judged, archive)
        except NotInArchive:
            found.left_out["series no longer in the archive"] += 1
            continue
        except ArchiveRefused:
            raise
        except WetreadError:
            found.left_out["series that cannot be read"] += 1
            continue
        found.examples += planes_of(judged, sample, earlier)
    return found


def judged_reads(ledger: Ledger, left_out: Counter[str]) -> Iterable[Judged]:
    """Every read with a standing verdict, oldest read first.

    Args:
        ledger: of reads and verdicts.
        left_out: takes the reasons of what teaches nothing.
    """
    latest: dict[str, dict[str, Entry]] = {}
    for entry in ledger.entries(kind="verdict"):
        latest.setdefault(entry.read_uid, {})[entry.body["tracking_uid"]] = entry
    for read_uid, verdicts in latest.items():
        standing = {uid: e for uid, e in verdicts.items() if e.body["decision"] != Decision.WITHDRAW}
        if standing:
            judged = _judged(read_uid, list(standing.values()), ledger, left_out)
            if judged.present or judged.absent:
                yield judged


def sample_of(judged: Judged, archive: Archive) -> Sample:
    """The image that a read was about.

    Raises:
        WetreadError: it is gone, cannot be read, or is not the image that was decided on.
    """
    from wetread.errors import RefusedInput
    from wetread.imaging import to_sample
    from wetread.imaging.radiographs import split_radiographs
    from wetread.imaging.waveform import Waveform

    sample = to_sample(split_radiographs(archive.retrieve_series(judged.study_uid, judged.series_uid))[0])
    shapes = {mask.shape for mask in (*judged.present.values(), *judged.absent.values()) if mask is not None}
    if isinstance(sample, Waveform) or shapes - {sample.shape}:
        raise RefusedInput("another image than the one decided on", judged.series_uid, "read it again")
    return sample


def planes_of(judged: Judged, sample: Sample, earlier: bool = False) -> list[LedgerExample]:
    """The planes of a read that are worth learning from, evenly spread over what is marked."""
    from wetread.reading.coverage import field_mm
    from wetread.reading.pictures import pictures

    absent = {label: mask for label, mask in judged.absent.items() if mask is not None and not earlier}
    marked = sorted({i for mask in (*judged.present.values(), *absent.values()) for i in mask.planes})
    if len(marked) > MOST_PLANES:
        marked = [marked[int(i)] for i in np.linspace(0, len(marked) - 1, MOST_PLANES).round()]
    shown = pictures(sample)
    found = []
    for index in marked:
        here = {label: mask.planes[index] for label, mask in judged.present.items() if index in mask.planes}
        gone = {n: m.planes[index] for n, m in absent.items() if index in m.planes and n not in here}
        if here or gone:
            found.append(LedgerExample(judged.read_uid, judged.patient, judged.modality, shown(index), here, gone,
                                       earlier, field_mm(sample)))  # fmt: skip
    return found


def _judged(read_uid: str, verdicts: list[Entry], ledger: Ledger, left_out: Counter[str]) -> Judged:
    present: dict[str, Mask] = {}
    absent: dict[str, Mask | None] = {}
    for entry in verdicts:
        body = entry.body
        before = None if body["before"] is None else recalled_finding(body["before"], ledger.blob)
        target = body["target"] and recalled_target(body["target"]).label
        label = plain_label(target or (before.label if before is not None else ""))
        if label not in _LABELS:
            left_out["target that no model of ours learns"] += 1
            continue
        if body["decision"] == Decision.REJECT:
            absent[label] = before.mask if before is not None else None
            continue
        mask = recalled_mask(body["mask"], ledger.blob)
        if mask is None and body["box"] is None and before is not None:
            mask = before.mask  # accepted, or only its name was corrected
        if mask is None or mask.is_empty:
            left_out["finding without a mask"] += 1
            continue
        present[label] = mask if label not in present else united(present[label], mask)
    body = verdicts[0].body
    return Judged(
        read_uid, verdicts[0].study_uid, body["series"]["series_uid"], body["patient"], Modality(body["modality"]),
        max(entry.number for entry in verdicts), present,
        {label: mask for label, mask in absent.items() if label not in present},
        any(entry.body["decision"] != Decision.ACCEPT for entry in verdicts),
    )  # fmt: skip


def plain_label(name: str) -> str:
    """A label without its side: what the model writes for "left kidney" is "kidneys"."""
    found = find_sided(name)
    return found[0].label if found is not None else name


def united(first: Mask, second: Mask) -> Mask:
    """Both masks of one sample as one."""
    planes = dict(first.planes)
    for index, plane in second.planes.items():
        planes[index] = planes[index] | plane if index in planes else plane
    return Mask(first.shape, planes)
