"""What the page lists: studies and series of any archive, with one picture a series.

The same routes for a folder and for a PACS, through the Archive protocol, so that the page needs no DICOMweb client.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field
from pydicom import Dataset

from wetread.archive.content import encoded
from wetread.archive.protocol import NotInArchive, checked_uid
from wetread.imaging.kinds import modality_of
from wetread.service.frames import InstanceFrames
from wetread.service.planes import PlaneView, plane_views
from wetread.service.reads import PREFIX
from wetread.service.sources import sample_of
from wetread.terminology import suggestions

if TYPE_CHECKING:
    from wetread.archive import Archive
    from wetread.reading import Reader

_MOST_STUDIES = 200
_PICTURE_PIXELS = 512
_NO_IMAGES = frozenset({"SR", "SEG", "KO", "PR", "DOC", "ECG", "RTSTRUCT", "PLAN"})


class StudyView(BaseModel):
    """A study as the page lists it."""

    uid: str
    patient_name: str
    patient_id: str
    date: str
    description: str
    modalities: list[str]
    series: int | None


class SeriesView(BaseModel):
    """A series as the page lists it."""

    uid: str
    modality: str
    number: int | None
    description: str
    instances: int | None
    has_picture: bool = Field(description="False for reports, segmentations and the like")


class Question(BaseModel):
    """Something that may be asked about a series."""

    text: str
    covered: bool = Field(description="the model was trained for it")


def browse_router(archive: Archive, reader: Reader) -> APIRouter:
    """Routes below ``/wetread/v1/studies``."""
    router = APIRouter(prefix=f"{PREFIX}/studies", tags=["browse"])

    @router.get("")
    def studies() -> list[StudyView]:
        return [_study(found) for found in archive.search_studies(limit=_MOST_STUDIES)]

    @router.get("/{study}/series")
    def series(study: str) -> list[SeriesView]:
        found = archive.search_series(checked_uid(study, "study"))
        return sorted((_series(entry) for entry in found), key=lambda view: (not view.has_picture, view.number or 0))

    @router.get("/{study}/series/{series}/picture", response_class=Response)
    def picture(study: str, series: str) -> Response:
        instances = archive.search_instances(study, series)
        if instances:
            instances.sort(key=lambda entry: int(entry.get("InstanceNumber") or 0))
            middle = instances[len(instances) // 2].SOPInstanceUID
            dataset = archive.retrieve_instance(study, series, middle)
        else:
            dataset = next(archive.iter_series(study, series))
        image = InstanceFrames(BytesIO(encoded(dataset)))
        content = image.rendered((image.count + 1) // 2, "image/png", size=_PICTURE_PIXELS)
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    @router.get("/{study}/series/{series}/questions")
    def questions(study: str, series: str) -> list[Question]:
        """One for each target that such an image may show: what the model learned first, then the whole catalogue."""
        found = archive.search_instances(study, series, limit=1)
        if not found:
            raise NotInArchive("no such series", series, "take one of the study's series")
        modality, info = modality_of(found[0], series), reader.info
        learned = suggestions(modality, tuple(info.labels)) if modality in info.modalities else ()
        return [Question(text=text, covered=text in learned)
                for text in dict.fromkeys([*learned, *suggestions(modality)])]  # fmt: skip

    @router.get("/{study}/series/{series}/planes")
    def planes(study: str, series: str) -> list[PlaneView]:
        """The planes that a read of the series would have, for who wants to point at a place before it."""
        asked = {"study_uid": checked_uid(study, "study"), "series_uid": checked_uid(series, "series")}
        return plane_views(sample_of(archive, asked))

    @router.get("/{study}/series/{series}/instances/{sop}/file", response_class=Response)
    def file(study: str, series: str, sop: str) -> Response:
        dataset = archive.retrieve_instance(study, series, sop)
        name = f"{dataset.get('Modality') or 'instance'}-{sop[-12:]}.dcm".lower()
        return Response(
            encoded(dataset),
            media_type="application/dicom",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return router


def _study(found: Dataset) -> StudyView:
    modalities = found.get("ModalitiesInStudy") or []
    return StudyView(
        uid=found.StudyInstanceUID,
        patient_name=_name(found.get("PatientName")),
        patient_id=_text(found, "PatientID"),
        date=_text(found, "StudyDate"),
        description=_text(found, "StudyDescription"),
        modalities=[modalities] if isinstance(modalities, str) else [str(one) for one in modalities],
        series=_count(found, "NumberOfStudyRelatedSeries"),
    )


def _series(found: Dataset) -> SeriesView:
    modality = _text(found, "Modality")
    return SeriesView(
        uid=found.SeriesInstanceUID,
        modality=modality,
        number=_count(found, "SeriesNumber"),
        description=_text(found, "SeriesDescription"),
        instances=_count(found, "NumberOfSeriesRelatedInstances"),
        has_picture=modality not in _NO_IMAGES,
    )


def _text(found: Dataset, keyword: str) -> str:
    return str(found.get(keyword) or "")


def _count(found: Dataset, keyword: str) -> int | None:
    value = found.get(keyword)
    return None if value in (None, "") else int(value)


def _name(value: object) -> str:
    """Family name first, as readers are used to: ``Doe, Jane``."""
    parts = [part for part in str(value or "").split("=")[0].split("^") if part]
    return ", ".join(parts[:2]) if parts else ""
