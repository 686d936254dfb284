"""Reader: the one way from a Sample to a Read, with the shipped model and with what can go wrong."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from wetread.errors import ModelUnavailable, ReadCancelled, RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.checkpoint import SHIPPED
from wetread.model.prompts import segment_question
from wetread.pointing import Point, Pointing
from wetread.reading import Reader, ReadEvent
from wetread.reading.answering import candidate_planes
from wetread.reading.planes import upscale
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei, drawn_uncovered

needs_weights = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")


def sample(*pictures: np.ndarray, modality: Modality = Modality.PATHOLOGY) -> Sample:
    planes = tuple(Plane(p, Source("1.2", "1.2.3", "1.2.3.4", f"1.2.3.4.{i}")) for i, p in enumerate(pictures))
    return Sample(SampleKind.IMAGE if len(planes) == 1 else SampleKind.CINE, modality, planes, ())


def tissue(seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    picture, masks = drawn_nuclei(np.random.default_rng(seed))
    return picture, masks["nuclei"]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader("wetread-mini")


@needs_weights
def test_drawn_nuclei_are_found_where_they_are(reader: Reader) -> None:
    picture, truth = tissue()
    read = reader.read(sample(picture), segment_question("nuclei"))
    assert read.abstention is None
    (finding,) = read.findings
    marked = finding.mask.planes[0]
    dice = 2 * (marked & truth).sum() / (marked.sum() + truth.sum())
    assert dice > 0.6
    assert finding.box == finding.mask.box(0)
    assert len(finding.instances) > 1
    assert "nuclei" in finding.description


@needs_weights
def test_the_same_sample_gives_the_same_read(reader: Reader) -> None:
    picture, _ = tissue()
    first, second = reader.read(sample(picture)), Reader("wetread-mini").read(sample(picture))
    assert first.answer == second.answer
    assert [f.box for f in first.findings] == [f.box for f in second.findings]
    for a, b in zip(first.findings, second.findings, strict=True):
        assert np.array_equal(a.mask.dense(), b.mask.dense())


@needs_weights
def test_the_answer_streams_as_it_is_written(reader: Reader) -> None:
    events: list[ReadEvent] = []
    read = reader.read(sample(tissue()[0]), on_event=events.append)
    assert "".join(e.text for e in events if e.stage == "writing") == read.answer
    assert [e.progress for e in events] == sorted(e.progress for e in events)
    assert events[-1] == ReadEvent("done", 1.0)


@needs_weights
def test_a_cancelled_read_stops_while_it_writes(reader: Reader) -> None:
    cancel = threading.Event()
    pieces: list[str] = []

    def stop_at_once(event: ReadEvent) -> None:
        if event.stage == "writing":
            pieces.append(event.text)
            cancel.set()

    with pytest.raises(ReadCancelled):
        reader.read(sample(tissue()[0]), on_event=stop_at_once, cancel=cancel)
    assert len(pieces) <= 2  # within one token of the event


@needs_weights
@pytest.mark.parametrize("seed", range(3))
def test_a_modality_it_was_not_trained_on_is_abstained_on_in_words(reader: Reader, seed: int) -> None:
    picture, modality = drawn_uncovered(np.random.default_rng(seed))
    read = reader.read(sample(picture, modality=modality))
    assert read.findings == ()
    assert read.diagnoses == ()
    assert "not trained" in read.abstention


@needs_weights
def test_findings_of_an_uncovered_modality_are_set_aside(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    narrowed = Reader("wetread-mini")
    monkeypatch.setattr(narrowed, "info", replace(narrowed.info, modalities=(Modality.MR,)))
    read = narrowed.read(sample(tissue()[0]))
    assert read.findings == ()
    assert "was not trained on pathology" in read.abstention


@needs_weights
def test_every_plane_gets_its_own_mask(reader: Reader) -> None:
    first, second = tissue(4)[0], tissue(9)[0]
    read = reader.read(sample(first, second), segment_question("nuclei"))
    (finding,) = read.findings
    assert set(finding.mask.planes) == {0, 1}
    assert not np.array_equal(finding.mask.planes[0], finding.mask.planes[1])


@needs_weights
def test_two_reads_of_one_sample_have_two_uids_and_findings_keep_their_own(reader: Reader) -> None:
    shown = sample(tissue()[0])
    first, second = reader.read(shown), reader.read(shown)
    assert first.uid != second.uid
    uids = [f.tracking_uid for read in (first, second) for f in read.findings]
    assert len(set(uids)) == len(uids)
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in (first.uid, *uids))


def test_a_model_that_is_not_there_is_refused_in_one_line() -> None:
    with pytest.raises(ModelUnavailable, match="no such model") as caught:
        Reader("nowhere/model")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("count", "planes"), [(1, [0]), (2, [0, 1]), (3, [1, 0, 2]), (101, [50, 35, 65, 20, 80])])
def test_candidates_start_in_the_middle(count: int, planes: list[int]) -> None:
    assert candidate_planes(count) == planes


def test_upscaling_keeps_pixel_edges() -> None:
    logits = np.full((128, 128), -1.0, dtype=np.float32)
    logits[:64, 64:] = 1.0
    marked = upscale(logits, (300, 200)) > 0
    assert marked[:150, 100:].all()
    assert not marked[150:].any()
    assert not marked[:, :100].any()


@needs_weights
def test_a_read_is_held_to_what_was_pointed_at(reader: Reader) -> None:
    picture, _ = tissue()
    rows, columns = picture.shape[:2]
    whole = reader.read(sample(picture), segment_question("nuclei")).findings[0]
    left = Pointing(boxes=((0, Box(0, 0, columns / 2, rows, BoxFrame.IMAGE)),))
    half = reader.read(sample(picture), segment_question("nuclei"), pointing=left)
    marked = half.findings[0].mask.planes[0]
    assert not marked[:, columns // 2 :].any()
    assert (marked & whole.mask.planes[0]).sum() == marked.sum() > 0
    assert any("held to what was pointed at: 1 box" in remark for remark in half.remarks)
    one = whole.instances[0]
    point = Pointing(points=(Point(0, *_inside(whole.mask.planes[0], one)),))
    (finding,) = reader.read(sample(picture), segment_question("nuclei"), pointing=point).findings
    assert finding.instances == (one,)
    with pytest.raises(RefusedInput, match="outside the image"):
        reader.read(sample(picture), pointing=Pointing(points=(Point(0, columns + 5, 1),)))


def _inside(marked: np.ndarray, box: Box) -> tuple[float, float]:
    """Some marked pixel of one instance, as (x, y)."""
    ys, xs = np.nonzero(marked[int(box.y_min) : int(box.y_max), int(box.x_min) : int(box.x_max)])
    return float(xs[0] + box.x_min + 0.5), float(ys[0] + box.y_min + 0.5)


@needs_weights
def test_nothing_is_found_where_it_was_pointed_at_beside_everything(reader: Reader) -> None:
    picture, _ = tissue()
    marked = reader.read(sample(picture), segment_question("nuclei")).findings[0].mask.planes[0]
    ys, xs = np.nonzero(~ndimage.binary_dilation(marked, iterations=4))
    read = reader.read(sample(picture), segment_question("nuclei"),
                       pointing=Pointing(points=(Point(0, float(xs[0]) + 0.5, float(ys[0]) + 0.5),)))  # fmt: skip
    assert read.findings == ()
    assert any("nothing of it where it was pointed at" in remark for remark in read.remarks)
