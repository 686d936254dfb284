"""What a model may answer for: its modalities and the sizes of image it was taught on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wetread.geometry import PlaneGeometry
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.checkpoint import SHIPPED, ModelInfo, read_info
from wetread.model.prompts import FIND_ALL
from wetread.reading.coverage import field_mm, is_learned_size, label_gap, modality_gap, narrowed, size_gap
from wetread.terminology import Modality, find_target

pytestmark = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")
LIVER = find_target("liver")


@pytest.fixture
def info() -> ModelInfo:
    return replace(read_info("wetread-mini"), modalities=(Modality.CT,), field_mm={"liver": (150.0, 520.0)})


def sample(spacing: float | None, modality: Modality = Modality.CT) -> Sample:
    geometry = None
    if spacing is not None:
        geometry = PlaneGeometry((0, 0, 0), (1, 0, 0), (0, 1, 0), spacing, spacing, "1.2.3")
    plane = Plane(np.zeros((100, 80), dtype=np.float32), Source("1", "2", "3", "4"), geometry=geometry)
    return Sample(SampleKind.IMAGE, modality, (plane,), ())


def test_the_longer_side_counts() -> None:
    assert field_mm(sample(3.0)) == 300.0
    assert field_mm(sample(None)) is None


@pytest.mark.parametrize(("spacing", "covered"), [(0.66, False), (1.5, True), (5.2, True), (5.3, False), (None, True)])
def test_targets_are_answered_for_on_images_of_the_learned_size(
    info: ModelInfo, spacing: float | None, covered: bool
) -> None:
    assert is_learned_size(info, LIVER, sample(spacing)) == covered


def test_the_gap_is_said_with_both_sizes(info: ModelInfo) -> None:
    said = size_gap(info, [LIVER], sample(0.66))
    assert said == "wetread-mini learned liver on images 150 to 520 mm across, and this one is 66 mm across"


def test_a_target_without_learned_sizes_is_not_judged_by_size(info: ModelInfo) -> None:
    assert is_learned_size(info, find_target("spleen"), sample(0.1))


def test_a_modality_that_was_not_learned_is_said(info: ModelInfo) -> None:
    assert modality_gap(info, sample(1.0)) is None
    assert "was not trained on PET" in modality_gap(info, sample(1.0, Modality.PET))


def test_an_open_question_becomes_that_for_the_only_target_of_this_size(info: ModelInfo) -> None:
    known = replace(info, labels=("liver", "spleen"), field_mm={"liver": (150.0, 520.0), "spleen": (10.0, 50.0)})
    assert narrowed(known, sample(2.0), FIND_ALL) == "Please segment liver in the given image."
    assert narrowed(known, sample(2.0), "Is there fluid?") == "Is there fluid?"
    assert narrowed(known, sample(None), FIND_ALL) == FIND_ALL
    assert narrowed(known, sample(1.0), FIND_ALL) == FIND_ALL


def test_a_target_of_the_catalogue_that_the_model_was_not_taught_is_not_answered_for(info: ModelInfo) -> None:
    assert label_gap(info, find_target("pancreas")) == (
        "wetread-mini was not trained to find pancreas; its answer was set aside."
    )
    assert label_gap(info, find_target("liver")) is None
    assert label_gap(info, None) is None
