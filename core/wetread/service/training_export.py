"""What people decided, as pictures with masks to train on: `ledger.jsonl`, one plane of one read a line.

``{"id": "READ#PLANE", "group": PATIENT, "modality": "CT", "image": "images/1.png", "question": TEXT, "model": NAME,
"findings": [{"label": TEXT, "verdict": "accept" | "correct" | "add" | "reject", "tracking_uid": UID,
"mask": "masks/1-1.png", "box": [x_min, y_min, x_max, y_max]}]}``, paths relative to the file, boxes in the picture's
pixels, `mask` and `box` where there is one. The picture is what the model is shown. PATIENT is the ledger's pseudonym,
by which a set is to be parted. Of several verdicts on a finding the last one counts, whoever gave it; a finding that
nobody decided on is not in it. `training/layouts/ledger.py` (triplets, SFT) and `training/data/readers.py` read it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wetread.archive.protocol import NotInArchive
from wetread.errors import ArchiveRefused, WetreadError
from wetread.findings import Decision, Finding
from wetread.review.memory import recalled_box as box_of
from wetread.review.memory import recalled_finding, recalled_interval, recalled_mask, recalled_target
from wetread.review.verdicts import added, corrected

if TYPE_CHECKING:
    from pathlib import Path

    from wetread.archive import Archive
    from wetread.findings import Verdict
    from wetread.imaging.sample import Sample
    from wetread.review.ledger import Entry, Ledger

FILE = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Decided:
    """A finding as it stands after the last verdict on it."""

    finding: Finding
    decision: Decision

    @property
    def planes(self) -> set[int]:
        """On which it is drawn."""
        mask, own = self.finding.mask, self.finding
        if mask is not None and not mask.is_empty:
            return set(mask.planes)
        return {own.plane} if own.box is not None else set()


def write_training(ledger: Ledger, archive: Archive, folder: Path) -> tuple[int, int, dict[str, int]]:
    """Write pictures, masks and `ledger.jsonl`.

    Returns:
        lines, files, and reason -> how many reads were left out.

    Raises:
        ArchiveRefused: the archive does not answer; a series that is gone is left out and counted.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir()
    left_out: Counter[str] = Counter()
    lines = files = 0
    with (folder / FILE).open("w", encoding="utf-8") as stream:
        for read, decided in _decided(ledger, left_out):
            try:
                sample = _sample(read, decided, archive)
            except NotInArchive:
                left_out["the series is no longer in the archive"] += 1
                continue
            except ArchiveRefused:
                raise
            except WetreadError:
                left_out["the series cannot be read, or is another than the one decided on"] += 1
                continue
            for line, made in _lines(read, decided, sample, folder, lines):
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                lines, files = lines + 1, files + made
    return lines, files, dict(left_out)


def _decided(ledger: Ledger, left_out: Counter[str]) -> list[tuple[Entry, list[Decided]]]:
    """Each read that somebody decided on, with what stands."""
    last: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in ledger.entries(kind="verdict"):
        last[entry.read_uid][entry.body["tracking_uid"]] = entry
    found = []
    for read in ledger.entries(kind="read"):
        verdicts = [e for e in last.get(read.read_uid, {}).values() if e.body["decision"] != Decision.WITHDRAW]
        decided = [one for one in (_stands(entry, ledger) for entry in verdicts) if one.planes]
        if decided:
            found.append((read, decided))
        elif verdicts:
            left_out["nothing is drawn on a picture"] += 1
    return found


def _stands(entry: Entry, ledger: Ledger) -> Decided:
    body, decision = entry.body, Decision(entry.body["decision"])
    verdict = _verdict(entry, ledger)
    if body["before"] is None:
        return Decided(added(verdict), Decision.ADD)
    finding = recalled_finding(body["before"], ledger.blob)
    return Decided(corrected(finding, verdict) if decision is Decision.CORRECT else finding, decision)


def _verdict(entry: Entry, ledger: Ledger) -> Verdict:
    from wetread.findings import Verdict

    body = entry.body
    return Verdict(
        entry.read_uid, body["tracking_uid"], Decision(body["decision"]), entry.actor, body["reason"],
        box=box_of(body["box"]), mask=recalled_mask(body["mask"], ledger.blob), plane=body["plane"],
        target=None if body["target"] is None else recalled_target(body["target"]),
        interval=recalled_interval(body["interval"]),
    )  # fmt: skip


def _sample(read: Entry, decided: list[Decided], archive: Archive) -> Sample:
    from wetread.errors import RefusedInput
    from wetread.imaging.sample import Sample
    from wetread.service.sources import sample_of

    series = read.body["series"]
    found = sample_of(archive, {"study_uid": series["study_uid"], "series_uid": series["series_uid"],
                                "instances": _asked(series, archive)})  # fmt: skip
    shapes = {one.finding.mask.shape for one in decided if one.finding.mask is not None}
    planes = max((max(one.planes) for one in decided), default=0)
    if not isinstance(found, Sample) or shapes - {found.shape} or planes >= found.shape[0]:
        raise RefusedInput("another image than the one decided on", read.read_uid, "read it again")
    return found


def _asked(series: dict[str, Any], archive: Archive) -> list[str]:
    """The instances that were read, where the series holds more."""
    held = {str(one.SOPInstanceUID) for one in archive.search_instances(series["study_uid"], series["series_uid"])}
    read = set(series["instances"])
    return sorted(read) if held - read else []


def _lines(
    read: Entry, decided: list[Decided], sample: Sample, folder: Path, before: int
) -> list[tuple[dict[str, Any], int]]:
    """A line for each plane on which something is drawn, and how many files it has."""
    from PIL import Image

    from wetread.reading.pictures import pictures

    shown, found = pictures(sample), []
    for number, plane in enumerate(sorted(set().union(*(one.planes for one in decided))), start=before + 1):
        image = f"images/{number}.png"
        Image.fromarray(shown(plane)).save(folder / image)
        findings: list[dict[str, Any]] = []
        for position, one in enumerate((one for one in decided if plane in one.planes), start=1):
            finding = one.finding
            told: dict[str, Any] = {"label": finding.label, "verdict": one.decision.value,
                                    "tracking_uid": finding.tracking_uid}  # fmt: skip
            if finding.mask is not None and plane in finding.mask.planes:
                told["mask"] = f"masks/{number}-{position}.png"
                Image.fromarray(finding.mask.planes[plane]).convert("L").save(folder / told["mask"])
                told["box"] = list(finding.mask.box(plane).corners)
            elif finding.box is not None:
                told["box"] = list(finding.box.corners)
            findings.append(told)
        line = {
            "id": f"{read.read_uid}#{plane}", "group": read.body["patient"], "modality": read.body["modality"],
            "image": image, "question": read.body["question"], "model": read.body["provenance"]["model"],
            "findings": findings,
        }  # fmt: skip
        found.append((line, 1 + sum("mask" in told for told in findings)))
    return found
