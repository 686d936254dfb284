"""The second look: what the model is shown of its own marks, and when a correction is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame, Finding, Mask
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.checkpoint import SHIPPED
from wetread.model.prompts import segment_question
from wetread.reading import Reader
from wetread.reading.second_look import COLOURS, overlaid, overlay_words, score
from wetread.terminology import Modality, find_target
from wetread.training.phantoms import drawn_nuclei

needs_weights = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")


def finding(label: str = "liver", *, mask: bool = True, presence: float = 0.8, grounded: bool = True) -> Finding:
    target = find_target(label)
    assert target is not None
    box = Box(2, 2, 6, 6, BoxFrame.IMAGE)
    marked = np.zeros((1, 10, 10), dtype=bool)
    marked[0, 2:6, 2:6] = True
    return Finding(target, "1.2", presence, 0, box, Mask.from_dense(marked) if mask else None, text_box=box,
                   description="A square.", grounded=grounded)  # fmt: skip


def test_masks_are_tinted_and_boxes_are_drawn_in_their_colours() -> None:
    grey = np.full((10, 10, 3), 100, dtype=np.uint8)
    first, second = list(COLOURS.values())[:2]
    shown = overlaid(grey, [finding(), finding("spleen", mask=False)])
    assert shown[4, 4].tolist() == [round(0.6 * 100 + 0.4 * c) for c in first]
    assert shown[2, 5].tolist() == list(second)
    assert shown[9, 9].tolist() == [100, 100, 100]
    assert (grey == 100).all()


def test_the_words_name_colour_label_and_region() -> None:
    assert overlay_words([finding()]).startswith("A first look is drawn on the picture: orange marks liver (A square.)")


def test_grounded_findings_count_more_than_sure_ones() -> None:
    assert score([finding(presence=0.6)]) > score([finding(presence=0.99, grounded=False)])
    assert score([finding(presence=0.9)]) > score([finding(presence=0.6)])
    assert score([]) == (0.0, 0.0)


def test_more_than_two_rounds_are_refused() -> None:
    with pytest.raises(RefusedInput, match="second look"):
        Reader("wetread-mini", second_look=3)


@needs_weights
def test_a_correction_is_taken_only_where_it_is_better() -> None:
    picture, _ = drawn_nuclei(np.random.default_rng(4))
    sample = Sample(SampleKind.IMAGE, Modality.PATHOLOGY, (Plane(picture, Source("1", "2", "3", "4")),), ())
    question = segment_question("nuclei")
    reader = Reader("wetread-mini", second_look=2)
    read = reader.read(sample, question)
    reader.second_look = 0
    plain = reader.read(sample, question)
    (remark,) = (r for r in read.remarks if r.startswith("second look"))
    if "first answer" in remark:
        assert np.array_equal(read.findings[0].mask.dense(), plain.findings[0].mask.dense())
    assert score(read.findings) >= score(plain.findings)
    assert replace(read.provenance, grounding=()).model == plain.provenance.model
