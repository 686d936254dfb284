"""Enhanced images, cines, slides and PET: every plane knows its frame and shows that frame's pixels."""

from __future__ import annotations

import numpy as np
import pytest

from dicom_multiframe_phantoms import enhanced_ct, enhanced_mr, pet_series, slide, slide_picture
from dicom_phantoms import cine_frame, stained_tissue, tissue_at, ultrasound_cine, ultrasound_image, visible_light
from wetread.errors import RefusedInput
from wetread.imaging import to_sample
from wetread.imaging.kinds import parse_modality, sop_class
from wetread.imaging.sample import Sample, SampleKind
from wetread.imaging.slide import MAX_TILES
from wetread.terminology import Modality


def expected(sample: Sample) -> np.ndarray:
    rows, columns = sample.shape[1:]
    y, x = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, indexing="ij")
    points = np.column_stack([x.ravel(), y.ravel()])
    found = [tissue_at(p.geometry.image_to_patient(points).round(6)) for p in sample.planes if p.geometry]
    return np.stack(found).reshape(sample.shape)


@pytest.mark.parametrize(
    ("datasets", "modality", "offset", "units"),
    [(enhanced_mr(), Modality.MR, 1000, "1"), (enhanced_ct(), Modality.CT, 0, "[hnsf'U]"),
     (enhanced_mr(orientation="oblique", name="slanted"), Modality.MR, 1000, "1")],
    ids=["MR", "CT", "oblique MR"],
)  # fmt: skip
def test_enhanced_frames_are_sorted_by_place_and_keep_their_numbers(datasets, modality, offset, units) -> None:
    sample = to_sample(datasets)
    assert (sample.kind, sample.modality, sample.units) == (SampleKind.VOLUME, modality, units)
    values = np.stack([p.values for p in sample.planes]) - offset
    assert (np.abs(values - expected(sample)) <= 1).mean() > 0.999
    along = [float(np.dot(p.geometry.position, p.geometry.normal)) for p in sample.planes if p.geometry]
    assert along == sorted(along)
    numbers = [p.source.frame_number for p in sample.planes]
    assert sorted(numbers) == list(range(1, 7))
    assert numbers != sorted(numbers), "the phantom stores its frames shuffled"
    assert len(sample.headers) == 1


def test_an_enhanced_frame_stored_twice_is_left_out_and_one_with_other_pixels_refused() -> None:
    dataset = enhanced_mr()[0]
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups.append(groups[2])
    frame = len(dataset.PixelData) // 6
    pixels = dataset.PixelData
    dataset.NumberOfFrames = 7
    dataset.PixelData = pixels + pixels[2 * frame : 3 * frame]
    assert to_sample([dataset]).remarks == ("1 duplicate slice (same place, same pixels) left out",)
    dataset.PixelData = pixels + pixels[:frame]
    with pytest.raises(RefusedInput, match="at a place that another slice holds"):
        to_sample([dataset])


def test_a_cine_keeps_time_order_and_colour() -> None:
    sample = to_sample(ultrasound_cine())
    assert (sample.kind, sample.modality, sample.shape) == (SampleKind.CINE, Modality.ULTRASOUND, (6, 40, 56))
    for index, plane in enumerate(sample.planes):
        assert np.array_equal(plane.values, cine_frame(index))
        assert plane.source.frame_number == index + 1
        assert plane.geometry is None


def test_a_single_picture_has_no_frame_number() -> None:
    sample = to_sample(ultrasound_image())
    assert sample.kind is SampleKind.IMAGE
    assert sample.planes[0].source.frame_number is None


@pytest.mark.parametrize("tiled", ["TILED_FULL", "TILED_SPARSE"])
def test_tiles_come_row_by_row_with_the_pixels_of_their_frame(tiled: str) -> None:
    sample = to_sample(slide(tiled=tiled))
    assert (sample.kind, sample.modality, sample.shape) == (SampleKind.TILES, Modality.PATHOLOGY, (9, 32, 32))
    padded = np.full((96, 96, 3), 255, dtype=np.uint8)
    padded[:, :80] = slide_picture()
    for index, plane in enumerate(sample.planes):
        row, column = divmod(index, 3)
        assert np.array_equal(plane.values, padded[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32])
        assert plane.source.frame_number == (index + 1 if tiled == "TILED_FULL" else 9 - index)


def test_of_a_large_slide_the_tiles_with_content_are_taken_and_it_is_said() -> None:
    sample = to_sample(slide(rows=256, columns=256, tile=32))
    assert sample.shape[0] == MAX_TILES
    assert sample.remarks == ("16 of 64 tiles of the slide: those with most content among 64 spread evenly",)
    whole = slide_picture(256, 256)
    taken = {p.source.frame_number for p in sample.planes}
    spread = {
        r * 8 + c + 1: float(np.std(whole[r * 32 : r * 32 + 32, c * 32 : c * 32 + 32, 1]))
        for r in range(8)
        for c in range(8)
    }
    assert min(spread[n] for n in taken) >= max(spread[n] for n in spread if n not in taken)


def test_the_label_of_a_slide_is_never_read() -> None:
    level, label = slide()[0], slide(name="label")[0]
    label.SeriesInstanceUID = level.SeriesInstanceUID
    label.ImageType = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    sample = to_sample([label, level])
    assert {p.source.sop_instance_uid for p in sample.planes} == {level.SOPInstanceUID}
    assert "1 label, overview or thumbnail pictures of the slide left out" in sample.remarks
    with pytest.raises(RefusedInput, match="without its VOLUME image"):
        to_sample([label])


def test_pet_slices_use_their_own_rescale_slope() -> None:
    sample = to_sample(pet_series())
    assert (sample.modality, sample.units) == (Modality.PET, "Bq/ml")
    assert [float(p.values.min()) for p in sample.planes] == [0.0] * 4
    wanted = expected(sample)
    for index, plane in enumerate(sample.planes):
        error = np.abs(plane.values / (0.5 * (index + 1)) - 1000 - wanted[index])
        assert (error <= 1).mean() > 0.999


@pytest.mark.parametrize(
    ("kind", "modality"),
    [("microscopy", Modality.PATHOLOGY), ("photograph", Modality.PHOTOGRAPH), ("endoscopy", Modality.ENDOSCOPY)],
)
def test_visible_light_pictures_keep_their_colours(kind: str, modality: Modality) -> None:
    sample = to_sample(visible_light(kind))
    assert sample.modality is modality
    assert np.array_equal(sample.planes[0].picture(), stained_tissue())


@pytest.mark.parametrize(
    ("suffix", "modality"),
    [("77.1.7", Modality.DERMOSCOPY), ("77.1.5.1", Modality.FUNDUS), ("77.1.1", Modality.ENDOSCOPY), ("7", None)],
)
def test_the_sop_class_decides_before_the_modality_attribute(suffix: str, modality: Modality | None) -> None:
    dataset = visible_light()[0]
    dataset.SOPClassUID, dataset.Modality = sop_class(suffix), "CR"
    assert to_sample([dataset]).modality is (modality or Modality.XRAY)


def test_oct_frames_without_a_place_keep_their_stored_order_and_it_is_said() -> None:
    dataset = ultrasound_cine()[0]
    dataset.SOPClassUID = sop_class("77.1.5.4")
    sample = to_sample([dataset])
    assert (sample.kind, sample.modality) == (SampleKind.VOLUME, Modality.OCT)
    assert [p.source.frame_number for p in sample.planes] == [1, 2, 3, 4, 5, 6]
    assert sample.remarks == ("no place in the patient recorded: frames in stored order",)


def test_a_smear_is_microscopy_and_the_caller_has_the_last_word() -> None:
    dataset = visible_light()[0]
    dataset.SeriesDescription = "Peripheral blood smear"
    assert to_sample([dataset]).modality is Modality.MICROSCOPY
    assert to_sample([dataset], "pathology").modality is Modality.PATHOLOGY


@pytest.mark.parametrize("modality", list(Modality))
def test_every_modality_can_be_said_by_name_and_value(modality: Modality) -> None:
    assert parse_modality(modality.value) is modality
    assert parse_modality(modality.name.lower()) is modality
