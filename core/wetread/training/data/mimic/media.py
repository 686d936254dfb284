"""Chest X-rays and ECGs of an admission's window, and the ECG as the published training path stores it.

A study counts when it was taken inside the window. Of several X-rays the latest come first and frontal views before
lateral ones, for a question shows two at most. ECGs become (8, 2500) tensors: leads I, II and V1 to V6, ten seconds at
250 Hz, in mV, without any normalisation (which must match the checkpoint in use and so belongs to it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput
from wetread.training.data.mimic.stay import Window
from wetread.training.data.mimic.tables import CXR_METADATA, ECG_RECORDS, Places, numbers, times, whole

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from wetread.training.data.item import Faults

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
RATE_HZ, SAMPLES = 250, 2500
_FRONTAL = ("PA", "AP")


@dataclass(frozen=True, slots=True)
class Studies:
    """Studies of all patients: subject -> (time, path below the module's folder, frontal)."""

    pictures: Mapping[int, tuple[tuple[datetime, str, bool], ...]] = field(default_factory=dict)
    ecgs: Mapping[int, tuple[tuple[datetime, str], ...]] = field(default_factory=dict)

    def pictures_in(self, subject: int, window: Window) -> list[str]:
        """Paths of X-rays taken inside the window: frontal ones first, of these the latest first."""
        found = [p for p in self.pictures.get(subject, ()) if window.holds(p[0])]
        return [path for _, path, _ in sorted(found, key=lambda p: (not p[2], -p[0].timestamp(), p[1]))]

    def ecgs_in(self, subject: int, window: Window) -> list[str]:
        """Records taken inside the window, the latest first."""
        found = [e for e in self.ecgs.get(subject, ()) if window.holds(e[0])]
        return [path for _, path in sorted(found, key=lambda e: (-e[0].timestamp(), e[1]))]


def read_studies(places: Places, faults: Faults) -> Studies:
    """Read the tables of X-rays and ECGs.

    Raises:
        RefusedInput: a table is torn.
    """
    pictures: dict[int, list[tuple[datetime, str, bool]]] = {}
    rows = whole(places, CXR_METADATA, faults)
    # StudyTime is HHMMSS.fff without leading zeros.
    clock = rows["StudyTime"].fillna("").astype(str).str.split(".").str[0].str.zfill(6)
    text = rows["StudyDate"].fillna("").astype(str).str.split(".").str[0]
    rows["taken"] = times(
        text.str[:4] + "-" + text.str[4:6] + "-" + text.str[6:8] + " "
        + clock.str[:2] + ":" + clock.str[2:4] + ":" + clock.str[4:6]
    )  # fmt: skip
    _count(rows["taken"], "X-ray without a time", faults)
    for row in rows.dropna(subset=["taken", "subject_id", "study_id", "dicom_id"]).to_dict("records"):
        subject, study = row["subject_id"], row["study_id"]
        path = f"files/p{subject[:2]}/p{subject}/s{study}/{row['dicom_id']}.jpg"
        frontal = row["ViewPosition"] in _FRONTAL
        pictures.setdefault(int(subject), []).append((row["taken"].to_pydatetime(), path, frontal))
    ecgs: dict[int, list[tuple[datetime, str]]] = {}
    rows = whole(places, ECG_RECORDS, faults)
    rows["ecg_time"], rows["subject_id"] = times(rows["ecg_time"]), numbers(rows["subject_id"])
    _count(rows["ecg_time"], "ECG without a time", faults)
    for row in rows.dropna(subset=["ecg_time", "subject_id", "path"]).to_dict("records"):
        ecgs.setdefault(int(row["subject_id"]), []).append((row["ecg_time"].to_pydatetime(), row["path"]))
    return Studies(
        {subject: tuple(found) for subject, found in pictures.items()},
        {subject: tuple(found) for subject, found in ecgs.items()},
    )


def ecg_tensor(record: Path) -> NDArray[np.float32]:
    """A WFDB record as (8, 2500) float32 mV at 250 Hz: the first ten seconds; a shorter one is filled with zeros.

    Args:
        record: path without an ending.

    Raises:
        RefusedInput: unreadable, a lead is missing, or values are missing.
    """
    import wfdb
    from scipy.signal import resample

    try:
        found = wfdb.rdrecord(str(record))
    # wfdb raises whatever its parsing meets: of files, of numbers, of its own.
    except Exception as error:
        raise RefusedInput("unreadable ECG", record.name, "copy the record again") from error
    names = [str(name).upper() for name in found.sig_name]
    missing = [lead for lead in LEADS if lead.upper() not in names]
    if missing:
        raise RefusedInput(f"ECG without lead {missing[0]}", record.name, "give 12-lead records")
    signal = found.p_signal[: round(10 * found.fs), [names.index(lead.upper()) for lead in LEADS]].T
    if not np.isfinite(signal).all():
        raise RefusedInput("ECG with missing values", record.name, "leave the record out")
    length = round(signal.shape[1] * RATE_HZ / found.fs)
    values = resample(signal, length, axis=1) if length != signal.shape[1] else signal
    filled = np.zeros((len(LEADS), SAMPLES), np.float32)
    filled[:, : min(SAMPLES, length)] = values[:, :SAMPLES]
    return filled


def _count(taken: object, kind: str, faults: Faults) -> None:
    missing = int(taken.isna().sum())  # type: ignore[attr-defined]
    if missing:
        faults.counts[kind] += missing
