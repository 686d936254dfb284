"""Where each plane of a read lies: what a viewer needs to draw on it without reading DICOM headers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from wetread.imaging.sample import Sample

if TYPE_CHECKING:
    from wetread.geometry import PlaneGeometry
    from wetread.imaging.waveform import Waveform


class PlaceView(BaseModel):
    """The plane equation of PS3.3 C.7.6.2.1.1, millimetres, LPS."""

    position: tuple[float, float, float] = Field(description="centre of the first pixel")
    row_cosines: tuple[float, float, float] = Field(description="direction in which the column index grows")
    column_cosines: tuple[float, float, float] = Field(description="direction in which the row index grows")
    row_spacing: float = Field(description="between rows")
    column_spacing: float = Field(description="between columns")
    thickness: float | None
    frame_of_reference_uid: str


class PlaneView(BaseModel):
    """One plane, in the order of the read."""

    sop_instance_uid: str
    frame_number: int | None = Field(description="1-based; null for single frames")
    place: PlaceView | None = Field(description="null where DICOM gives the picture no place in the patient")


def plane_views(sample: Sample | Waveform) -> list[PlaneView]:
    """The planes of what was read."""
    if not isinstance(sample, Sample):
        return []
    return [
        PlaneView(
            sop_instance_uid=plane.source.sop_instance_uid, frame_number=plane.source.frame_number,
            place=None if plane.geometry is None else _place(plane.geometry),
        )
        for plane in sample.planes
    ]  # fmt: skip


def _place(geometry: PlaneGeometry) -> PlaceView:
    return PlaceView(
        position=geometry.position, row_cosines=geometry.row_cosines, column_cosines=geometry.column_cosines,
        row_spacing=geometry.row_spacing, column_spacing=geometry.column_spacing,
        thickness=geometry.slice_thickness, frame_of_reference_uid=geometry.frame_of_reference_uid,
    )  # fmt: skip
