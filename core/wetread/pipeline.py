"""The one way from a series to a read that is kept: read it, build SEG and SR, write the files, store the objects.

The command line, the HTTP service and the MONAI Label app all call `read_series`; none of them builds an object of
its own. What leaves this module is whole: files appear in their folder only when all of them are written, and an SR
goes to an archive only after the SEG it points to is held there.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.errors import ReadCancelled, RefusedInput

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from pydicom import Dataset

    from wetread.archive import Archive, StoreReport
    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform
    from wetread.pointing import Pointing
    from wetread.reading import Reader, ReadEvent

OUTCOME_FILES = ("read.json", "seg.dcm", "sr.dcm", "overlay.png")
FURTHER_FILES = {"fhir": ("fhir.json",), "pdf": ("report.pdf", "pdf.dcm")}
"""What is written besides where it is asked for."""
_ALL_FILES = (*OUTCOME_FILES, *(name for names in FURTHER_FILES.values() for name in names))
STAGING = ".wetread-"
"""How folders begin in which files lie until all are written."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one read gives.

    Args:
        read: the interpretation.
        sample: what was read.
        seg: DICOM Segmentation; all zero where nothing is marked, None for an ECG, which has no pixels.
        sr: DICOM Comprehensive 3D SR after TID 1500, referring to `seg` and to the source.
        beside: further images of the question, in order; the SR names them as evidence.
    """

    read: Read
    sample: Sample | Waveform
    seg: Dataset | None
    sr: Dataset
    beside: tuple[Sample, ...] = ()

    @property
    def objects(self) -> tuple[tuple[str, Dataset], ...]:
        """What belongs in an archive, in the order it has to be stored; a SEG that marks nothing does not."""
        marks = any(finding.mask is not None and not finding.mask.is_empty for finding in self.read.findings)
        return (("SEG", self.seg), ("SR", self.sr)) if marks and self.seg is not None else (("SR", self.sr),)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files it is written to, of `OUTCOME_FILES`."""
        return tuple(name for name in OUTCOME_FILES if name != "seg.dcm" or self.seg is not None)


def read_series(
    datasets: Sequence[Dataset],
    question: str | None = None,
    *,
    beside: Sequence[Sequence[Dataset]] = (),
    pointing: Pointing | None = None,
    reader: Reader,
    on_event: Callable[[ReadEvent], None] | None = None,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Read one series and build its SEG and SR; of an ECG, its SR.

    Args:
        datasets: the instances of one series, with pixel or waveform data. Up to four single radiographs of one
            study are several images of one question: the frontal one is read (`imaging/radiographs.py`).
        question: in words; None asks for everything the model covers.
        beside: the instances of further series of the same patient, shown beside in order: a prior, another view.
        pointing: which part of the images is meant; planes are those of the Sample, in its order.
        reader: loads its weights at the first call.
        on_event: told about every stage and, while the model writes, its text.
        cancel: set from another thread to stop the read.

    Raises:
        RefusedInput: the series cannot be read honestly.
        ReadCancelled: `cancel` was set.
    """
    from wetread.imaging import to_sample
    from wetread.imaging.radiographs import split_radiographs
    from wetread.imaging.soundness import quiet_pydicom
    from wetread.imaging.waveform import Waveform
    from wetread.reporting import build_seg, build_sr, build_waveform_sr

    first, *others = split_radiographs(datasets)
    sample = to_sample(first)
    others += [part for series in beside for part in split_radiographs(series)]
    shown = [to_sample(other) for other in others]
    _stop_if(cancel)
    more: dict[str, Any] = {name: value for name, value in (("beside", shown), ("pointing", pointing)) if value}
    read = reader.read(sample, question, on_event=on_event, cancel=cancel, **more)
    _stop_if(cancel)
    with quiet_pydicom():  # it complains about values of the source, which may be the patient's
        if isinstance(sample, Waveform):
            return Outcome(read, sample, None, build_waveform_sr(read, sample))
        seg = build_seg(read, sample)
        _stop_if(cancel)
        images = tuple(other for other in shown if not isinstance(other, Waveform))
        return Outcome(read, sample, seg, build_sr(read, sample, seg, images), images)


def _stop_if(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise ReadCancelled("The read was cancelled; nothing was written.")


def check_output(folder: str | Path) -> Path:
    """The folder that files of a read may be written to; call it before the work starts.

    Raises:
        RefusedInput: a file is in the way, or the folder holds something else than an earlier read.
    """
    try:
        target = Path(folder).expanduser().absolute()
        in_the_way = target.exists() and not target.is_dir()
        strangers = sorted(p.name for p in target.iterdir() if not _is_ours(p)) if target.is_dir() else []
    except (OSError, RuntimeError) as error:  # a name too long, the home of nobody, a folder that may not be listed
        reason = (error.strerror if isinstance(error, OSError) else None) or "no such home folder"
        raise RefusedInput(
            f"no folder to write to ({reason})", str(folder)[:200], "give a folder that you may write to"
        ) from None
    if in_the_way:
        raise RefusedInput("a file is in the way", target, "give a folder that is new, empty or holds an earlier read")
    if strangers:
        others = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise RefusedInput(
            f"the output folder holds other files ({strangers[0]!r}{others})",
            target,
            "give a folder that is new, empty or holds only an earlier read",
        )
    return target


def _is_ours(path: Path) -> bool:
    return path.name.startswith(STAGING) or (path.name in _ALL_FILES and not path.is_dir())


def write_outcome(outcome: Outcome, folder: str | Path, also: Sequence[str] = ()) -> list[Path]:
    """Write ``read.json``, ``seg.dcm``, ``sr.dcm`` and ``overlay.png``, all or none; without the second for an ECG.

    Args:
        outcome: of the read.
        folder: new, empty, or with an earlier read.
        also: keys of `FURTHER_FILES`.

    All are written beside their place first. A new folder appears by one rename; files of an earlier read in an
    existing folder are replaced one by one, each whole.

    Returns:
        Their paths, in the order of `OUTCOME_FILES`, then those of `also`.

    Raises:
        RefusedInput: the folder holds something else, or cannot be written.
    """
    target = check_output(folder)
    exists = target.is_dir()
    staging: Path | None = None
    try:
        (target if exists else target.parent).mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=target if exists else target.parent))
        _write_files(outcome, staging)
        _write_further(outcome, staging, also)
        written = (*outcome.files, *(name for one in also for name in FURTHER_FILES[one]))
        if exists:
            for name in written:
                os.replace(staging / name, target / name)
            for name in set(_ALL_FILES) - set(written):
                (target / name).unlink(missing_ok=True)  # of an earlier read of something else
        else:
            staging.chmod(0o777 & ~_umask())  # mkdtemp makes private folders
            os.replace(staging, target)
    except OSError as error:
        raise RefusedInput(f"cannot write ({error.strerror or type(error).__name__})", target,
                           "give a folder on a disk with space that you may write to") from error  # fmt: skip
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return [target / name for name in written]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_files(outcome: Outcome, folder: Path) -> None:
    from PIL import Image
    from pydicom import dcmwrite

    from wetread.reporting import overlay_picture, read_document

    document = read_document(outcome.read, outcome.sample, outcome.beside)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "read.json").write_text(text + "\n", encoding="utf-8")
    for name, dataset in (("seg.dcm", outcome.seg), ("sr.dcm", outcome.sr)):
        if dataset is not None:
            dcmwrite(folder / name, dataset, enforce_file_format=True)
    Image.fromarray(overlay_picture(outcome.read, outcome.sample)).save(folder / "overlay.png")


def _write_further(outcome: Outcome, folder: Path, also: Sequence[str]) -> None:
    from pydicom import dcmwrite

    from wetread.reporting import build_pdf, fhir_bundle

    if "fhir" in also:
        bundle = fhir_bundle(outcome.read, outcome.sample, list(outcome.objects))
        text = json.dumps(bundle, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "fhir.json").write_text(text + "\n", encoding="utf-8")
    if "pdf" in also:
        document = build_pdf(outcome.read, outcome.sample)
        dcmwrite(folder / "pdf.dcm", document, enforce_file_format=True)
        (folder / "report.pdf").write_bytes(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])


def store_outcome(outcome: Outcome, archive: Archive, sources: Sequence[Dataset] = ()) -> StoreReport:
    """Verify the objects of a read and store them: sources first, then the SEG, then the SR that points to both.

    A SEG that marks nothing is not stored, and no SR points to it. An archive counts as stored only what it read
    back and found equal (`archive.protocol`), so an SR never points to a SEG that is not held.

    Args:
        outcome: what `read_series` gave.
        archive: where to.
        sources: instances to store before the objects; those made from files that are no DICOM exist nowhere else.

    Returns:
        One entry per instance, in the order sent.

    Raises:
        RefusedInput: the verifier found a defect in SEG or SR; nothing was sent.
        ArchiveRefused: an instance was not taken; nothing that points to it was sent.
    """
    from wetread.archive import StoreReport

    refuse_defects(outcome)
    by_study: dict[str, list[Dataset]] = {}
    for source in sources:
        by_study.setdefault(str(source.StudyInstanceUID), []).append(source)
    steps = list(by_study.values())
    steps += [[dataset] for _, dataset in outcome.objects]
    held = [instance for step in steps for instance in archive.store(step).require_complete().instances]
    return StoreReport(tuple(held))


def as_label_map(outcome: Outcome) -> Outcome:
    """The outcome with a Label Map Segmentation and the SR that points to it, where the read allows one.

    It is `outcome` itself where it does not: overlapping masks, no mask, a cine without a place in the patient, an ECG.
    """
    from wetread.imaging.soundness import quiet_pydicom
    from wetread.imaging.waveform import Waveform
    from wetread.reporting import build_seg, build_sr

    sample = outcome.sample
    if outcome.seg is None or isinstance(sample, Waveform):
        return outcome
    with quiet_pydicom():
        seg = build_seg(outcome.read, sample, label_map=True)
        if seg.SOPClassUID == outcome.seg.SOPClassUID:
            return outcome
        return replace(outcome, seg=seg, sr=build_sr(outcome.read, sample, seg, outcome.beside))


def refuse_defects(outcome: Outcome) -> None:
    """Run the semantic verifier over SEG and SR together, against the images they derive from.

    Raises:
        RefusedInput: one line with the first defect and the number of defects.
    """
    objects = [(name, dataset) for name, dataset in (("SEG", outcome.seg), ("SR", outcome.sr)) if dataset is not None]
    refuse_defects_of(objects, outcome.sample, *outcome.beside)


def refuse_defects_of(objects: Sequence[tuple[str, Dataset]], *shown: Sample | Waveform) -> None:
    """Run the semantic verifier over objects that belong together, against what they are about.

    Raises:
        RefusedInput: one line with the first defect and the number of defects.
    """
    from wetread.reporting import verify_datasets

    sources = {str(header.SOPInstanceUID): header for sample in shown for header in sample.headers}
    defects = verify_datasets([(Path(name), dataset) for name, dataset in objects], sources)
    if defects:
        raise RefusedInput(
            f"{len(defects)} defect(s) found before sending, the first in the {defects[0].path}: {defects[0].what}",
            objects[-1][1].SOPInstanceUID,
            "nothing was sent; please report this with the model and the kind of image",
        )
