"""Drawn electrocardiograms: twelve consistent leads of a regular rhythm, as DICOM, WFDB and arrays.

Every lead is a known function of time, so a test can recompute what it must hold at any rate; limb leads obey
Einthoven's law. Nothing here was recorded from anybody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_phantoms import PATIENT_ID, PATIENT_NAME, uid
from wetread.imaging.leads import STANDARD

if TYPE_CHECKING:
    from numpy.typing import NDArray

TWELVE_LEAD, GENERAL, AMBULATORY = (f"1.2.840.10008.5.1.4.1.1.9.1.{n}" for n in (1, 2, 3))
MDC = dict(zip(STANDARD, (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8), strict=True))
BEAT_S = 0.8


def lead_at(lead: str, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Millivolts of a lead at times in seconds: P, QRS and T as bumps, each lead with its own size."""
    if lead == "III":
        return lead_at("II", times) - lead_at("I", times)
    if lead == "aVR":
        return -(lead_at("I", times) + lead_at("II", times)) / 2
    if lead == "aVL":
        return lead_at("I", times) - lead_at("II", times) / 2
    if lead == "aVF":
        return lead_at("II", times) - lead_at("I", times) / 2
    size = {"I": 0.7, "II": 1.2, "V1": -0.6, "V2": -0.8, "V3": 0.4, "V4": 1.4, "V5": 1.5, "V6": 1.0}[lead]
    phase = np.mod(times, BEAT_S)

    def bump(centre: float, width: float, height: float) -> NDArray[np.float64]:
        return height * np.exp(-(((phase - centre) / width) ** 2))

    return size * (bump(0.12, 0.025, 0.12) + bump(0.28, 0.012, 1.0) + bump(0.48, 0.05, 0.25)) + 0.02 * size


def signals(leads: tuple[str, ...] = STANDARD, rate: float = 500.0, seconds: float = 10.0) -> NDArray[np.float64]:
    """(leads, samples) millivolts."""
    times = np.arange(round(rate * seconds)) / rate
    return np.stack([lead_at(lead, times) for lead in leads])


def code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def group(
    leads: tuple[str, ...] = STANDARD, rate: float = 500.0, seconds: float = 10.0, *, sensitivity: float = 1.0,
    unit: str = "uV", correction: float | None = 1.0, baseline: float = 0.0, kind: str = "SS", label: str = "RHYTHM",
    originality: str = "ORIGINAL", big_endian: bool = False,
) -> Dataset:  # fmt: skip
    """A multiplex group that stores the drawn leads under the given scaling."""
    item = Dataset()
    in_units = signals(leads, rate, seconds) * {"uV": 1000.0, "mV": 1.0}[unit]
    stored = np.round((in_units - baseline) / (sensitivity * (1.0 if correction is None else correction))).T
    item.WaveformOriginality = originality
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = len(leads), stored.shape[0]
    item.SamplingFrequency = rate
    item.MultiplexGroupLabel = label
    item.ChannelDefinitionSequence = []
    for lead in leads:
        channel = Dataset()
        meaning = lead if lead.startswith("a") else f"Lead {lead}"
        channel.ChannelSourceSequence = [code(f"2:{MDC[lead]}", "MDC", meaning)]
        channel.ChannelSensitivity = sensitivity
        channel.ChannelSensitivityUnitsSequence = [code(unit, "UCUM", {"uV": "microvolt", "mV": "millivolt"}[unit])]
        if correction is not None:
            channel.ChannelSensitivityCorrectionFactor = correction
        channel.ChannelBaseline = baseline
        channel.ChannelSampleSkew = 0.0
        channel.WaveformBitsStored = 16 if kind in ("SS", "US") else 8
        item.ChannelDefinitionSequence.append(channel)
    number = {"SS": "i2", "US": "u2", "SB": "i1", "UB": "u1"}[kind]
    limits = np.iinfo(number)
    assert stored.min() >= limits.min, "the phantom does not fit its samples"
    assert stored.max() <= limits.max, "the phantom does not fit its samples"
    item.WaveformBitsAllocated, item.WaveformSampleInterpretation = limits.bits, kind
    data = stored.astype(np.dtype(number).newbyteorder(">" if big_endian else "<")).tobytes()
    item.add_new("WaveformData", "OW" if limits.bits == 16 else "OB", data + b"\0" * (len(data) % 2))
    return item


def ecg(groups: list[Dataset] | None = None, sop_class: str = TWELVE_LEAD, name: str = "ecg") -> Dataset:
    """A complete waveform instance, clean under dciodvfy."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = uid(name)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid(name)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(name, "study"), uid(name, "series")
    dataset.PatientName, dataset.PatientID = PATIENT_NAME, PATIENT_ID
    dataset.PatientBirthDate = dataset.PatientSex = dataset.ReferringPhysicianName = dataset.AccessionNumber = ""
    dataset.StudyDate = dataset.ContentDate = "20260102"
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.AcquisitionDateTime = "20260102120000"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", 1, 1
    dataset.Modality = "ECG"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Phantom", "Drawn"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.AcquisitionContextSequence = []
    dataset.WaveformSequence = groups if groups is not None else [group()]
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_wfdb(
    folder: Path, name: str = "rec", leads: tuple[str, ...] = STANDARD, rate: float = 500.0, seconds: float = 10.0,
    **more: Any,
) -> Path:  # fmt: skip
    """A WFDB record in format 16 with 1000 units a millivolt; gives its header's path."""
    import wfdb

    folder.mkdir(parents=True, exist_ok=True)
    wfdb.wrsamp(
        name, fs=rate, units=["mV"] * len(leads), sig_name=list(leads), p_signal=signals(leads, rate, seconds).T,
        fmt=["16"] * len(leads), adc_gain=[1000.0] * len(leads), baseline=[0] * len(leads), write_dir=str(folder),
        **more,
    )  # fmt: skip
    return folder / f"{name}.hea"
