"""A Wetread read as a MONAI Label inference task: an image in, a label file and the read document out.

The document is what `wetread read` writes as read.json, with `label_names` added, which stock clients understand.
An abstained read gives an all-zero label and says why in `abstention`. Nothing heavy happens before the first read:
MONAI Label builds the app once in the server and again in every training and batch process.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import SimpleITK as sitk
from monailabel.interfaces.tasks.infer_v2 import InferTask

from lib.label_image import label_image
from lib.people import person_of
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from lib.shared import Shared
    from wetread.imaging.sample import Sample
    from wetread.reading import Reader
    from wetread.service.model_switch import SwitchingReader

KEEP = "wetread_keep"
"""In a request: the image is one of the datastore's, so that its read is kept for verdicts and training."""
LABEL_SUFFIXES = (".nii.gz", ".nii", ".nrrd")


class ReadTask(InferTask):
    """Asks one Reader.

    Args:
        reader: loads its weights at the first read; safe from several threads.
        shared: where reads are kept.
        modality: what NIfTI files and pictures are where the request does not say; empty: as imaging finds it.
    """

    def __init__(self, reader: SwitchingReader, shared: Shared, modality: str = "") -> None:
        self.reader, self.shared = reader, shared
        self.noted: dict[str, dict[str, str]] = {}
        """Path of an image -> what was noted of its last read."""
        # A client on this machine saves its copy under the same name in the common folder, and the server then deletes
        # that one: the server's own lies elsewhere.
        self._folder = tempfile.TemporaryDirectory(prefix="wetread-labels-")
        super().__init__(
            type="reading",
            labels={label: value for value, label in enumerate(reader.info.labels, start=1)},
            dimension=3,
            description=f"{reader.info.name} {reader.info.version}: a preliminary read, grounded in pixels; "
            "not verified by a person",
            config={"question": "", "modality": modality},
        )

    def is_valid(self) -> bool:
        """Always: a model that cannot be found is refused when the app starts."""
        return True

    def __call__(self, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Read one image.

        Args:
            request: `image` (path, resolved by the app), and optionally `question`, `modality` and
                `result_extension` (.nii.gz, .nii or .nrrd).

        Returns:
            Path of a label file that the server sends and deletes, and the read document.

        Raises:
            RefusedInput: the image cannot be read honestly.
        """
        from wetread.imaging import open_series
        from wetread.imaging.instances import as_read
        from wetread.pipeline import read_series, refuse_defects
        from wetread.reporting import read_document

        suffix = _choice(request, "result_extension", LABEL_SUFFIXES) or LABEL_SUFFIXES[0]
        modality = str(request.get("modality") or self.config()["modality"]) or None
        image = Path(request["image"])
        if not request["image"] or not image.exists():
            raise RefusedInput("no such image", "the datastore", "give an id from GET /datastore/")
        question = str(request.get("question") or "") or None
        datasets = open_series(_dicom_of(image), modality)
        if any("WaveformSequence" in dataset for dataset in as_read(datasets)):
            raise RefusedInput("an ECG, which has no label image", image, "read it with wetread read or the service")
        outcome = read_series(datasets, question, reader=cast("Reader", self.reader))
        refuse_defects(outcome)
        if request.get(KEEP):
            self.noted[str(image)] = self.shared.keep(outcome, datasets, person_of(request))
        labels, present = label_image(outcome.read, cast("Sample", outcome.sample), self.labels, image)
        with tempfile.NamedTemporaryFile(prefix="wetread-", suffix=suffix, delete=False, dir=self._folder.name) as file:
            path = file.name
        sitk.WriteImage(labels, path, True)
        return path, {**read_document(outcome.read, outcome.sample), "label_names": present}


def _choice(request: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    """A request parameter that must be one of a few words; empty where it is not given."""
    given = str(request.get(name) or "")
    if given and given not in allowed:
        raise RefusedInput(f"{name} that is not known", given[:40], f"use one of {', '.join(allowed)}")
    return given


def _dicom_of(image: Path) -> Path:
    """The DICOM folder that MONAI Label's DICOMweb cache keeps beside a converted NIfTI, else the image itself."""
    folder = image.with_name(image.name.removesuffix(".nii.gz"))
    return folder if folder != image and folder.is_dir() else image
