"""``wetread demo``: real studies, read end to end, from an archive and back into it.

The studies are files that the dependencies install: nothing is downloaded and nothing is drawn for the occasion. Each
goes the way of any other study: into the archive (wrapped into DICOM first where it is a plain picture), out of it,
through the model, and SEG and SR back into the archive, where they are read again and verified. What the model does
not cover is part of the demo: it has to say so. No code knows what a study should give; beside each read stands what a
person sees, so that a false finding is seen to be false.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.archive import open_archive
from wetread.commands.interrupt import cancel_on_interrupt
from wetread.commands.present import field, read_as_text, table
from wetread.commands.progress import Progress
from wetread.commands.read import stored_lines
from wetread.commands.serve import serve_until_interrupted
from wetread.errors import RefusedInput
from wetread.pipeline import check_output, read_series, store_outcome, write_outcome
from wetread.service.viewer import viewer_address
from wetread.terminology import Modality

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pydicom import Dataset

    from wetread.archive import Archive
    from wetread.pipeline import Outcome
    from wetread.reading import Reader


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """One file that a dependency installs.

    Args:
        name: of the folder its results go to.
        title: what it is, in words.
        shows: what a person sees in it, so that a false finding can be told from a true one.
        package: the package that installs it.
        file: its name there.
        modality: what it shows, where it is a plain picture; DICOM files say it themselves.
    """

    name: str
    title: str
    shows: str
    package: str
    file: str
    modality: Modality | None = None

    def path(self) -> Path:
        """Where it was installed.

        Raises:
            RefusedInput: the installed package does not have it.
        """
        import pydicom
        import skimage

        folders = {
            "scikit-image": Path(skimage.__file__).parent / "data",
            "pydicom": Path(pydicom.__file__).parent / "data" / "test_files",
        }
        path = folders[self.package] / self.file
        if not path.is_file():
            raise RefusedInput(f"{self.package} came without {self.file}", path.parent, "install it again with pip")
        return path


STUDIES = (
    DemoStudy(
        "tissue", "Stained tissue", "Glands of the colon, stained brown, and many nuclei, stained blue.",
        "scikit-image", "ihc.png", Modality.PATHOLOGY,
    ),
    DemoStudy(
        "ct", "CT, one slice", "A vertebra, the muscles of the back and a large vessel; no liver, spleen or kidney.",
        "pydicom", "CT_small.dcm",
    ),
    DemoStudy("mr", "MR, one slice", "A detail 2 cm wide; too little to name a structure.", "pydicom", "MR_small.dcm"),
    DemoStudy("retina", "Fundus photograph", "The back of an eye.", "scikit-image", "retina.jpg", Modality.FUNDUS),
    DemoStudy(
        "ecg", "12-lead ECG", "Sinus rhythm; the recording device calls it a normal ECG.", "pydicom",
        "waveform_ecg.dcm",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the closing table."""

    study: str
    result: str
    stored: str = "-"
    checked: str = "-"


def run(options: argparse.Namespace) -> int:
    """Read every study, print what came of it, then serve unless asked to leave."""
    archive = open_archive(options.archive)
    print(f"Wetread reads {len(STUDIES)} files that its dependencies installed; archive: {archive.location}")
    from wetread.reading import Reader

    reader = Reader(options.model)
    rows: list[Row] = []
    kept: list[Outcome] = []
    for number, study in enumerate(STUDIES, start=1):
        print(f"\n== {number} of {len(STUDIES)}: {study.title} ({study.package}, {study.file})\n")
        print("\n".join(field("A person", study.shows)))
        rows.append(_show(study, reader, archive, options.out, kept, quiet=options.quiet))
    print("\n== Summary\n")
    print("\n".join(table([["Study", "Result", "In the archive", "Read back"], *map(astuple, rows)])))
    print(f"\nCompare each finding with what a person sees: {options.out}/*/overlay.png")
    if not any(row.checked == "verified" for row in rows):
        raise RefusedInput("no study came through", archive.location, "read the lines above")
    if options.once or os.environ.get("DEMO_ONCE", "") not in ("", "0"):
        return 0
    print()
    _keep(archive, kept)
    viewer = _viewer(options.no_viewer)
    if viewer is not None and kept:
        print(f"In the viewer: http://127.0.0.1:{options.port}{viewer_address(kept[0].sample.study_uid)}")
    serve_until_interrupted(archive, reader, "127.0.0.1", options.port, viewer=viewer)
    return 0


def _viewer(unwanted: bool) -> Path | None:
    """OHIF's folder, fetched at the first demo; without it the service's own page shows the studies."""
    from wetread.commands.viewer import fetch, fetched

    if unwanted:
        return fetched()
    try:
        return fetch(report=print)
    except RefusedInput as refusal:
        print(f"Without the OHIF viewer: {refusal}")
        return None


def _keep(archive: Archive, outcomes: Sequence[Outcome]) -> None:
    """Let the service know the demo's reads as its own."""
    from wetread.service.backing import open_backing

    backing = open_backing(archive)
    for outcome in outcomes:
        backing.keep_finished(outcome, owner="demo")
    backing.outbox.deliver()
    backing.close()


def _show(study: DemoStudy, reader: Reader, archive: Archive, out: Path, kept: list[Outcome], *, quiet: bool) -> Row:
    """One study from its file to the checked objects; a refusal is shown and becomes its line of the table."""
    try:
        folder = check_output(out / study.name)
        with Progress(quiet=quiet) as progress, cancel_on_interrupt() as cancel:
            progress.stage("into the archive and out again")
            series = through_archive(study, archive)
            progress.stage("starting the model")
            outcome = read_series(series, reader=reader, on_event=progress.on_event, cancel=cancel)
            progress.stage("writing and storing")
            paths = write_outcome(outcome, folder)
            report = store_outcome(outcome, archive)
            progress.stage("reading back")
            check_held(outcome, archive, series)
    except RefusedInput as refusal:
        print("\n".join(field("Refused", str(refusal))))
        return Row(study.title, f"refused: {refusal.what}")
    kept.append(outcome)
    print(read_as_text(outcome.read, outcome.sample, with_reasoning=not progress.streamed))
    print("\n".join(field("Written", f"{folder}: {', '.join(path.name for path in paths)}")))
    print("\n".join(stored_lines(outcome, archive, report)))
    objects = " and ".join(name for name, _ in outcome.objects)
    print("\n".join(field("Read back", f"{objects} from the archive: as sent, no defect found")))
    return Row(study.title, _result(outcome), objects.replace(" and ", ", "), "verified")


def through_archive(study: DemoStudy, archive: Archive) -> Sequence[Dataset]:
    """The study's series as the archive gives it back."""
    from wetread.imaging import open_series

    datasets = open_series(study.path(), study.modality)
    archive.store(datasets).require_complete()
    return archive.retrieve_series(datasets[0].StudyInstanceUID, datasets[0].SeriesInstanceUID)


def check_held(outcome: Outcome, archive: Archive, series: Sequence[Dataset]) -> None:
    """Take the objects of a read from the archive, compare them with what was sent, and verify them.

    Raises:
        RefusedInput: something is missing, differs or is defective.
    """
    from pydicom import dcmwrite

    from wetread.archive.content import differences, is_only_coerced
    from wetread.reporting import verify_files

    with tempfile.TemporaryDirectory(prefix=".wetread-") as folder:
        paths, sources = [], []
        for name, sent in outcome.objects:
            held = archive.retrieve_instance(sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
            different = differences(sent, held)
            if not is_only_coerced(sent, different):
                raise RefusedInput(f"{name} differs from what was sent ({', '.join(different)})", archive.location,
                                   "do not use this archive before its coercion rules are changed")  # fmt: skip
            paths.append(Path(folder) / f"{name}.dcm")
            dcmwrite(paths[-1], held, enforce_file_format=True)
        for number, dataset in enumerate(series):
            sources.append(Path(folder) / f"source-{number}.dcm")
            dcmwrite(sources[-1], dataset, enforce_file_format=True)
        defects = verify_files(paths, sources)
    if defects:
        first = f"the first in {defects[0].path.name}: {defects[0].what}"
        raise RefusedInput(f"{len(defects)} defect(s), {first}", archive.location, "please report this")


def _result(outcome: Outcome) -> str:
    read = outcome.read
    if read.abstention is not None:
        return "not covered by the model, no finding"
    return ", ".join(f"{f.label} {f.presence:.2f}" for f in read.findings) or "nothing found"
