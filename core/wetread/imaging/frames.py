"""One view of every frame, whether DICOM describes it in the instance or in functional groups.

`frames_of` lists the frames of an instance; `Frame.attribute` looks a value up in the frame's own functional group,
then in the shared ones, then in the instance itself (PS3.3 C.7.6.16), so that nothing else in this room needs to
know which of the three it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.geometry import PlaneGeometry
from wetread.imaging.sample import Source

if TYPE_CHECKING:
    from pydicom import Dataset

_GROUP_OF = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
    "RowPositionInTotalImagePixelMatrix": "PlanePositionSlideSequence",
    "ColumnPositionInTotalImagePixelMatrix": "PlanePositionSlideSequence",
    "ZOffsetInSlideCoordinateSystem": "PlanePositionSlideSequence",
    "OpticalPathIdentifier": "OpticalPathIdentificationSequence",
}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of one instance.

    Args:
        dataset: the instance, with pixel data.
        index: 0-based frame number, None for single-frame instances.
    """

    dataset: Dataset
    index: int | None = None

    def attribute(self, keyword: str) -> Any:
        """The value for this frame, None where DICOM gives none; sequences of numbers come as they are."""
        group = _GROUP_OF.get(keyword)
        if group is not None:
            for holder in self._holders():
                items = holder.get(group)
                if items and items[0].get(keyword) is not None:
                    return items[0].get(keyword)
        return self.dataset.get(keyword)

    @property
    def source(self) -> Source:
        """Where the frame's pixels come from."""
        return Source(
            study_uid=str(self.dataset.StudyInstanceUID),
            series_uid=str(self.dataset.SeriesInstanceUID),
            sop_class_uid=str(self.dataset.SOPClassUID),
            sop_instance_uid=str(self.dataset.SOPInstanceUID),
            frame_number=None if self.index is None else self.index + 1,
        )

    def geometry(self, where: object) -> PlaneGeometry | None:
        """The plane in the patient, None where DICOM does not tell.

        Raises:
            RefusedInput: position, orientation or spacing are there but cannot be meant.
        """
        position, cosines = self.attribute("ImagePositionPatient"), self.attribute("ImageOrientationPatient")
        spacing = self.attribute("PixelSpacing")
        if not position or not cosines or not spacing:
            return None
        thickness = self.attribute("SliceThickness")
        try:
            x, y, z = (float(v) for v in position)
            r0, r1, r2, c0, c1, c2 = (float(v) for v in cosines)
            rows, columns = (float(v) for v in spacing)
            return PlaneGeometry(
                position=(x, y, z),
                row_cosines=(r0, r1, r2),
                column_cosines=(c0, c1, c2),
                row_spacing=rows,
                column_spacing=columns,
                frame_of_reference_uid=str(self.dataset.get("FrameOfReferenceUID", "")),
                slice_thickness=None if thickness in (None, "") else float(thickness),
            )
        except (TypeError, ValueError) as error:
            raise RefusedInput(
                "ImagePositionPatient, ImageOrientationPatient or PixelSpacing cannot be meant",
                where, "correct the geometry at the source.",
            ) from error  # fmt: skip

    def _holders(self) -> list[Dataset]:
        holders = []
        per_frame = self.dataset.get("PerFrameFunctionalGroupsSequence")
        if per_frame and self.index is not None and self.index < len(per_frame):
            holders.append(per_frame[self.index])
        shared = self.dataset.get("SharedFunctionalGroupsSequence")
        if shared:
            holders.append(shared[0])
        return holders


def frames_of(dataset: Dataset) -> list[Frame]:
    """Every frame of an instance, in stored order; a lone frame has no number unless functional groups describe it."""
    count = int(dataset.get("NumberOfFrames") or 1)
    if count == 1 and not dataset.get("SharedFunctionalGroupsSequence"):
        return [Frame(dataset)]
    return [Frame(dataset, i) for i in range(count)]
