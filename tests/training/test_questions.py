"""Broken data is counted, reported and survived; what a model cannot be asked is left out."""

import json

import numpy as np
import pytest
from PIL import Image

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.model.processing import Preprocessing
from wetread.model.tokenizer import IMAGE_TOKEN, train_tokenizer
from wetread.training.data.climb import open_climb
from wetread.training.data.item import TrainingItem
from wetread.training.data.stream import Items
from wetread.training.drawn_questions import drawn_questions, true_answer
from wetread.training.processor import PictureProcessor
from wetread.training.questions import Joined, Questions
from wetread.training.rewards import score

RULE = Preprocessing(8, 2, 1, (0.5,) * 3, (0.5,) * 3, 64 * 64, 64 * 64, None)
PROCESSOR = PictureProcessor(train_tokenizer(["Is the body left or right?", "\\boxed{left}"], 300), RULE)


def item(name, **facts):
    base = {"id": name, "question": "left or right?", "answer": "left", "domain": "xray", "dataset": "s", "group": name,
            "images": (np.zeros((40, 120, 3), np.uint8),), "location": f"lines.jsonl:{name}"}  # fmt: skip
    return TrainingItem(**(base | facts))


class TestBrokenItems:
    def test_each_kind_is_counted_once_and_replaced_by_the_next_good_one(self, tmp_path):
        items = [
            item("1", images=(tmp_path / "gone.png",)),
            item("2", answer="  "),
            item("3", question="word " * 400),
            item("4", mask=np.ones((9, 9), bool)),
            item("5", waveforms=(np.zeros((8, 2500), np.float32),)),
            item("6"),
        ]
        questions = Questions(Items(items), PROCESSOR, prompt_tokens=300)
        for _ in range(2):
            assert [questions.row(number)["row"] for number in range(6)] == [5] * 6
        assert questions.faults.total == 5
        said = "\n".join(questions.faults.lines())
        for words in (
            "empty answer",
            "prompt longer than the context",
            "mask of (9, 9)",
            "ECG encoder",
            "lines.jsonl:1",
        ):
            assert words in said, words
        assert str(tmp_path) not in said

    def test_corrupt_lines_of_a_file(self, tmp_path):
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
        good = {"problem": "<image> left or right?", "answer": "left", "images": ["a.png"], "dataset": "x/y"}
        missing, empty = good | {"images": ["b.png"]}, good | {"answer": ""}
        lines = [json.dumps(good), "{broken", json.dumps(missing), json.dumps(empty), '"a word"', json.dumps(good)]
        (tmp_path / "all.jsonl").write_text("\n".join(lines) + "\n")
        questions = Questions(Joined(open_climb(tmp_path / "all.jsonl")), PROCESSOR)
        assert [questions.row(number)["row"] for number in range(6)] == [0, 5, 5, 5, 5, 5]
        assert questions.faults.total == 4

    def test_nothing_usable_is_refused_in_one_line(self):
        with pytest.raises(RefusedInput, match="none of 1 items can be used"):
            Questions(Items([item("1", answer="")]), PROCESSOR).row(0)
        with pytest.raises(RefusedInput, match="no training items"):
            Questions(Items([]), PROCESSOR)

    def test_a_long_run_keeps_few_pictures_and_every_truth(self):
        questions = Questions(Items([item(str(k)) for k in range(300)]), PROCESSOR)
        for number in range(300):
            questions.row(number)
        assert len(questions._loaded) == 256
        assert questions.truth(0).answer == "left"


class TestWhatIsAsked:
    def test_several_pictures_and_none(self):
        pictures = (np.zeros((32, 32, 3), np.uint8), np.zeros((64, 64, 3), np.uint8))
        questions = Questions(Items([item("1", images=pictures), item("2", images=())]), PROCESSOR)
        two, none = questions.row(0), questions.row(1)
        assert [len(row["images"]) for row in (two, none)] == [2, 0]
        text = PROCESSOR.apply_chat_template([row["prompt"] for row in (two, none)], add_generation_prompt=True)
        batch = PROCESSOR(images=[two["images"], none["images"]], text=text, padding=True, return_tensors="pt")
        place = PROCESSOR.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        cells = (batch["image_grid_thw"].prod(1) // 4).tolist()
        assert (batch["input_ids"] == place).sum(1).tolist() == [sum(cells), 0]
        assert batch["mm_token_type_ids"].sum() == sum(cells)

    def test_the_truth_of_a_mask_that_is_not_square_meets_boxes_of_the_model(self):
        mask = np.zeros((40, 120), bool)
        mask[10:20, 60:120] = True
        questions = Questions(Items([item("1", mask=mask)]), PROCESSOR)
        answer = '```json\n[{"bbox_2d": [500, 250, 1000, 500], "label": "x"}]\n```\\boxed{left}'
        assert score([answer], [questions.truth(0)]).parts["iou"][0] == 1

    def test_pixels_for_the_released_rewards_are_in_the_models_frame(self):
        box = Box(60, 10, 120, 20, BoxFrame.IMAGE)
        questions = Questions(Items([item("1", mask=np.ones((40, 120), bool), boxes=(box,))]), PROCESSOR)
        mask, corners = questions.pixels(0)
        rows, columns = RULE.size(40, 120)
        assert mask.shape == (rows, columns)
        np.testing.assert_allclose(corners, [columns / 2, rows / 4, columns, rows / 2])

    def test_a_question_cannot_write_control_tokens(self):
        questions = Questions(Items([item("1", question=f"{IMAGE_TOKEN}<|im_end|> left?")]), PROCESSOR)
        text = PROCESSOR.apply_chat_template(questions.row(0)["prompt"], add_generation_prompt=True)
        assert text.count(IMAGE_TOKEN) == 1

    def test_true_answers_earn_everything(self):
        items = drawn_questions(20, 1)
        questions = Questions(Items(items), PROCESSOR)
        earned = score([true_answer(i) for i in items], [questions.truth(questions.row(k)["row"]) for k in range(20)])
        np.testing.assert_allclose(earned.total, 1)
        boxed = drawn_questions(20, 1, boxed=True)
        asked = Questions(Items(boxed), PROCESSOR)
        earned = score([true_answer(i) for i in boxed], [asked.truth(asked.row(k)["row"]) for k in range(20)])
        assert earned.parts["iou"].mean() > 0.5  # the grid is coarse
