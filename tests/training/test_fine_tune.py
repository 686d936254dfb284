"""Steps on from a trained model: each has something to learn from, or the run says so."""

import math

import numpy as np
import pytest
import torch

from wetread.errors import RefusedInput
from wetread.model.checkpoint import read_info
from wetread.model.prompts import segment_question
from wetread.model.tokenizer import SEG_TOKEN
from wetread.terminology import Modality
from wetread.training.fine_tune import FineTune, fine_tune
from wetread.training.lessons import Lesson
from wetread.training.phantoms import drawn_nuclei


class Given:
    """Lessons in an order that the test gives, again and again."""

    def __init__(self, *lessons):
        self._lessons, self.drawn = lessons, 0

    def draw(self):
        self.drawn += 1
        return self._lessons[(self.drawn - 1) % len(self._lessons)]


def lesson(answer, *masks, teaches_words=True):
    picture, _ = drawn_nuclei(np.random.default_rng(3))
    return Lesson(picture, Modality.PATHOLOGY, segment_question("nuclei"), answer, masks, teaches_words)


def pointing(teaches_words=True):
    answer = f'<think>Nuclei.</think>[{{"bbox_2d": [0, 0, 9, 9], "label": "nuclei"}}{SEG_TOKEN}]'
    return lesson(answer, np.ones((256, 256), bool), teaches_words=teaches_words)


SILENT = "<think>Nothing.</think>"


def test_a_step_of_the_head_waits_for_something_to_point_at():
    told, source = [], Given(lesson(SILENT), lesson(SILENT), pointing())
    fine_tune(read_info("wetread-mini"), source, FineTune("head", 1, batch=1), lambda step, loss: told.append(loss))
    assert source.drawn == 3
    assert "mask" in " ".join(told[0])


def test_words_alone_are_refused_for_the_head_and_not_for_the_whole():
    info = read_info("wetread-mini")
    with pytest.raises(RefusedInput, match="nothing to point at"):
        fine_tune(info, Given(lesson(SILENT)), FineTune("head", 1, batch=1), lambda *_: None)
    told = []
    fine_tune(info, Given(lesson(SILENT)), FineTune("sft", 1, batch=1), lambda step, loss: told.append(loss))
    assert set(told[0]) == {"ce"}


@pytest.mark.parametrize("kind", ["head", "sft"])
def test_a_batch_without_words_has_a_finite_loss(kind):
    told = []
    model, _ = fine_tune(read_info("wetread-mini"), Given(pointing(teaches_words=False)), FineTune(kind, 1, batch=1),
                         lambda step, loss: told.append(loss))  # fmt: skip
    assert all(math.isfinite(value) for value in told[0].values())
    assert all(bool(torch.isfinite(weights).all()) for weights in model.parameters())
