"""Grounded or silent: a mask that the picture does not change is said to be none of the picture's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wetread.findings import Box, BoxFrame
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.checkpoint import SHIPPED
from wetread.model.prompts import segment_question
from wetread.reading import Reader
from wetread.reading.groundedness import check_box, check_mask, region_blanked
from wetread.reading.planes import PlaneMasks, mask_iou
from wetread.reporting import build_seg, build_sr, read_document
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei

needs_weights = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")


def masks(overlap: float, presence: float, on_blank: float) -> PlaneMasks:
    marked = np.ones((4, 4), dtype=bool)
    return PlaneMasks(presence, {0: marked}, np.array([presence], dtype=np.float32), on_blank, {0: overlap})


@pytest.mark.parametrize(
    ("overlap", "presence", "on_blank", "grounded"),
    [(0.95, 0.9, 0.9, False), (0.95, 0.9, 0.2, True), (0.3, 0.9, 0.9, True), (0.0, 0.9, 0.0, True)],
)
def test_only_what_neither_moves_nor_fades_is_ungrounded(
    overlap: float, presence: float, on_blank: float, grounded: bool
) -> None:
    check = check_mask("liver", 0, masks(overlap, presence, on_blank))
    assert check.grounded is grounded
    assert (check.label, check.blanked, check.overlap) == ("liver", "picture", overlap)


def test_the_same_box_about_a_blank_picture_is_no_observation() -> None:
    box = Box(10, 10, 50, 60, BoxFrame.IMAGE)
    elsewhere = Box(200, 10, 240, 60, BoxFrame.IMAGE)
    assert not check_box("liver", box, [("liver", elsewhere), ("liver", box)]).grounded
    assert check_box("liver", box, [("spleen", box), ("liver", elsewhere), ("liver", None)]).grounded
    assert check_box("liver", box, []).grounded


def test_a_blanked_region_has_the_colour_of_its_surroundings() -> None:
    picture = np.full((8, 8, 3), 100, dtype=np.uint8)
    marked = np.zeros((8, 8), dtype=bool)
    marked[2:4, 2:4] = True
    picture[marked] = 250
    blanked = region_blanked(picture, marked)
    assert (blanked == 100).all()
    assert (picture[marked] == 250).all()
    assert region_blanked(picture, np.ones((8, 8), dtype=bool)).std() == 0


def test_two_empty_masks_agree() -> None:
    empty = np.zeros((4, 4), dtype=bool)
    assert mask_iou(empty, empty) == 1.0
    assert mask_iou(empty, ~empty) == 0.0


def tissue() -> Sample:
    picture, _ = drawn_nuclei(np.random.default_rng(4))
    source = Source("1.2", "1.2.3", "1.2.840.10008.5.1.4.1.1.77.1.2", "1.2.3.4")
    return Sample(SampleKind.IMAGE, Modality.PATHOLOGY, (Plane(picture, source),), ())


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader("wetread-mini")


@needs_weights
@pytest.mark.parametrize("blanked", ["picture", "region"])
def test_nuclei_that_are_there_are_tied_to_the_picture_and_the_read_says_how_it_knows(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, blanked: str
) -> None:
    monkeypatch.setattr(reader, "blanked", blanked)
    read = reader.read(tissue(), segment_question("nuclei"))
    (finding,), (check,) = read.findings, read.provenance.grounding
    assert finding.grounded
    assert (check.label, check.blanked, check.grounded) == ("nuclei", blanked, True)
    assert check.overlap < 0.5
    assert 0.0 <= check.presence_blank <= 1.0


@needs_weights
def test_a_head_that_does_not_look_is_found_out(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = reader.engine
    honest = engine.ground

    def blind(encoded, written, *rest, **more):
        """The same mask whatever is shown."""
        found = honest(encoded, written, *rest, **more)
        logits = np.full_like(found.logits, -5.0)
        logits[..., 40:90, 40:90] = 5.0
        return replace(found, logits=logits, presence=np.full_like(found.presence, 0.9))

    monkeypatch.setattr(engine, "ground", blind)
    read = reader.read(tissue(), segment_question("nuclei"))
    (finding,), (check,) = read.findings, read.provenance.grounding
    assert not finding.grounded
    assert check.overlap == 1.0
    assert any("not tied to the image" in remark for remark in read.remarks)


@needs_weights
def test_json_and_report_say_that_a_finding_is_not_tied_to_the_image(reader: Reader) -> None:
    import dicom_phantoms as phantoms
    from wetread.imaging import to_sample

    sample = to_sample(phantoms.visible_light("microscopy"))
    read = reader.read(tissue(), segment_question("nuclei"))
    finding = replace(read.findings[0], mask=None, grounded=False)
    document = read_document(replace(read, findings=(finding,)), sample)
    assert document["findings"][0]["grounded"] is False
    assert document["grounding_checks"][0]["label"] == "nuclei"
    report = build_sr(replace(read, findings=(finding,)), sample, build_seg(replace(read, findings=()), sample))
    assert report.to_json().count("not tied to the image") == 2  # the rectangle and the sentence
