"""Coded ECG records of a manifest folder, with their beats: what the rhythm network learns from and is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.imaging import load_sample
from wetread.imaging.leads import INDEPENDENT
from wetread.imaging.waveform import Waveform
from wetread.model.ecg_beats import Beats, find_beats
from wetread.model.ecg_input import encoder_input
from wetread.rhythms import rhythm_of_code
from wetread.training.data.jsonl import JsonLines, inside
from wetread.training.data.stream import FaultyItem
from wetread.training.manifests import split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wetread.training.manifests import Part


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One record.

    Args:
        id: of the manifest.
        group: the patient.
        labels: of `rhythms`, from its SNOMED CT codes.
        signals: (8, 2500) millivolts.
        beats: found in them.
    """

    id: str
    group: str
    labels: frozenset[str]
    signals: NDArray[np.float32]
    beats: Beats


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the manifest, before its record is opened."""

    id: str
    group: str
    labels: frozenset[str]
    file: Path


def read_lines(folder: Path, part: Part) -> tuple[list[Line], list[str]]:
    """The coded records of a folder's part, and a line for each that cannot be used.

    Raises:
        RefusedInput: no manifest, or no coded record in this part.
    """
    lines, found, problems = JsonLines(folder / "manifest.jsonl"), [], []
    for index in range(len(lines)):
        try:
            line = lines[index]
            codes = line.get("attrs", {}).get("snomed", [])
            known = {target.label for code in codes if (target := rhythm_of_code(str(code))) is not None}
            name = str(line.get("record") or line.get("image") or "")
            if line.get("modality") != "ECG" or not codes or not name:
                problems.append(f"{lines.where(index)}: no ECG with SNOMED CT codes")
                continue
            file = inside(folder, f"{name}.hea" if "record" in line else name, lines.where(index))
        except FaultyItem as error:
            problems.append(str(error))
            continue
        identity = str(line.get("id", name))
        found.append(Line(identity, str(line.get("group", identity)), frozenset(known), file))
    chosen = split(found, part)
    if not chosen:
        raise RefusedInput(f"no ECG with SNOMED CT codes in the {part} part", folder, "give a folder of coded records")
    return chosen, problems


def read_records(folder: Path, part: Part) -> tuple[list[Record], list[str]]:
    """The records with all eight independent leads and beats that stand out, and a line for each other one."""
    lines, problems = read_lines(folder, part)
    records = []
    for line in lines:
        try:
            waveform = load_sample(line.file)
        except RefusedInput as error:
            problems.append(str(error))
            continue
        assert isinstance(waveform, Waveform)
        signals, leads = encoder_input(waveform)
        beats = find_beats(signals) if len(leads) == len(INDEPENDENT) else None
        if beats is None:
            problems.append(f"{line.id}: a lead is missing, or no beats stand out")
            continue
        records.append(Record(line.id, line.group, line.labels, signals, beats))
    return records, problems
