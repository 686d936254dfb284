"""Backbones that learned several pictures: all in one prompt, volumes in two passes, boxes without a head."""

from __future__ import annotations

import pytest

import dicom_phantoms as phantoms
from tiny_checkpoints import build_checkpoint
from wetread.imaging import to_sample
from wetread.reading import Reader
from wetread.reading import answering as module
from wetread.reading.written import Written


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(build_checkpoint("qwen3_vl", tmp_path_factory.mktemp("tiny")))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LARGE", 4)
    monkeypatch.setattr(module, "LONGEST_CHOICE", 4)


def spied(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool, str]]:
    """Pictures, whether there is a video, and words of every prompt."""
    seen: list[tuple[int, bool, str]] = []
    write = reader.engine.write

    def spy(encoded, text, *rest, **more):
        seen.append((len(encoded), encoded.video is not None, text))
        return write(encoded, text, *rest, **more)

    monkeypatch.setattr(reader.engine, "write", spy)
    return seen


def test_a_prior_is_shown_beside_the_current_image_in_one_prompt(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = spied(reader, monkeypatch)
    now, prior = (to_sample(phantoms.dx_image(name=name)) for name in ("now", "prior"))
    read = reader.read(now, "What has changed?", beside=[prior])
    assert seen[0][:2] == (2, False)
    assert "Picture 1 is the one to read; picture 2 is" in seen[0][2]
    assert any("was shown beside it" in remark for remark in read.remarks)


def test_a_volume_is_seen_as_a_video_and_then_in_key_slices(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = spied(reader, monkeypatch)
    read = reader.read(to_sample(phantoms.ct_series(slices=12)), "What is there?")
    (pictures, video, first), (keys, film, second) = seen[:2]
    assert (pictures, video) == (0, True)
    assert "12 slices of one volume" in first
    assert (keys, film) == (8, False)
    assert "of 12" in second
    assert any("in overview" in remark for remark in read.remarks)


@pytest.mark.parametrize(("on_blank", "grounded"), [([100, 100, 500, 600], False), ([700, 700, 900, 900], True)])
def test_a_box_of_the_words_is_held_against_the_answer_about_a_blank(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, on_blank: list[int], grounded: bool
) -> None:
    boxes = iter([[100, 100, 500, 600], on_blank])

    def write(*given: object) -> Written:
        text = f'<think>Air.</think>```json\n[{{"bbox_2d": {next(boxes)}, "label": "lungs"}}]```\\boxed{{clear}}'
        return Written(text, (1, 2), (3, 4), True)

    monkeypatch.setattr(reader.engine, "write", write)
    read = reader.read(to_sample(phantoms.dx_image()), "What is there?")
    (finding,), (check,) = read.findings, read.provenance.grounding
    assert finding.mask is None
    assert finding.box is not None
    assert finding.grounded is check.grounded is grounded
    assert read.diagnoses == ("clear",)
    assert any("no grounding head" in remark for remark in read.remarks)
