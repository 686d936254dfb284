"""Rewards: the released functions' check values, and what ours promises beyond them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wetread.findings import Box, BoxFrame
from wetread.training.box_scores import MaskTruth, box_iou, one_to_one, soft_dice
from wetread.training.rewards import WEIGHTS, labels_of, prepare, score
from wetread.training.rewards_reference import reference_score

MASK = np.zeros((64, 64), dtype=np.uint8)
MASK[8:40, 16:48] = 1


def answer(boxes, boxed, label="edema"):
    items = [{"bbox_2d": list(box), "label": label} for box in boxes]
    return f"```json\n{json.dumps(items)}\n```\n\\boxed{{{boxed}}}"


def padded(text, length):
    return "x" * (length - len(text) - 1) + "\n" + text


class TestTheReleasedFunctions:
    def test_perfect_answer_and_box(self):
        text = padded(answer([(16, 8, 47, 39)], "Edema"), 101)
        found = reference_score(text, "Edema", mask=MASK)
        assert found["total"] == pytest.approx(0.9101, abs=1e-5)

    def test_one_exact_and_one_far_box_and_one_of_two_labels(self):
        text = padded(answer([(16, 8, 47, 39), (50, 50, 60, 60)], "Edema"), 128)
        found = reference_score(text, "Edema, Pneumonia", mask=MASK)
        assert found["label_f1"] == pytest.approx(0.66667, abs=1e-5)
        assert found["iou"] == pytest.approx(0.5)
        assert found["total"] == pytest.approx(0.59613, abs=1e-5)

    def test_right_answer_without_objects(self):
        assert reference_score(padded("\\boxed{Edema}", 35), "Edema", mask=MASK)["total"] == pytest.approx(0.5035)

    def test_wrong_case(self):
        assert reference_score(padded("\\boxed{edema}", 18), "Edema", mask=MASK)["total"] == pytest.approx(0.0018)

    def test_a_second_box_against_box_truth_fails(self):
        one = reference_score(answer([(0, 0, 10, 10)], "Edema"), "Edema", box=[0, 0, 10, 20])
        two = reference_score(answer([(0, 0, 10, 10)] * 2, "Edema"), "Edema", box=[0, 0, 10, 20])
        assert (one["iou"], two["iou"]) == (0.5, 0.0)

    def test_only_the_first_kind_of_separator_splits(self):
        found = reference_score("\\boxed{Edema and Cardiomegaly, Pneumonia}", "Edema, Cardiomegaly, Pneumonia")
        assert found["label_f1"] == pytest.approx(0.4)

    def test_qoqmed3_has_no_iou_and_weighs_words(self):
        text = answer([(16, 8, 47, 39)], "Edema")
        found = reference_score(text, "Edema", mask=MASK, release="reference-qoqmed3")
        assert found["iou"] == 0
        assert found["total"] == pytest.approx(0.5 + 0.1 * 1.0 + 0.2)

    def test_another_release_is_refused(self):
        with pytest.raises(ValueError, match="release is one of"):
            reference_score("", "", release="mirl")


class TestOurs:
    def test_a_perfect_answer_earns_one(self):
        truth = prepare("Edema, Cardiomegaly", mask=MASK, frame=BoxFrame.IMAGE)
        assert score([answer([(16, 8, 48, 40)], "cardiomegaly and EDEMA")], [truth]).parts["label_f1"][0] == 1
        assert score([answer([(16, 8, 48, 40)], "Edema, Cardiomegaly")], [truth]).total[0] == pytest.approx(1)

    def test_boxes_in_the_models_frame_meet_a_mask_that_is_not_square(self):
        mask = np.zeros((50, 200), dtype=bool)
        mask[10:30, 50:150] = True
        text = answer([(250, 200, 750, 600)], "a")
        assert score([text], [prepare("a", mask=mask)]).parts["iou"][0] == 1
        resized = prepare("a", mask=mask, frame=BoxFrame.RESIZED, resized=(100, 400))
        assert score([answer([(100, 20, 300, 60)], "a")], [resized]).parts["iou"][0] == 1

    def test_the_three_matchings(self):
        mask = np.zeros((100, 100), dtype=bool)
        mask[10:20, 10:20] = mask[60:80, 60:80] = True
        truth = prepare("a", boxes=(Box(10, 10, 20, 20, BoxFrame.IMAGE), Box(60, 60, 80, 80, BoxFrame.IMAGE)),
                        size=(100, 100), frame=BoxFrame.IMAGE)  # fmt: skip
        text = [answer([(10, 10, 20, 20), (0, 0, 5, 5)], "a")]
        found = [score(text, [truth], matching=m).parts["iou"][0] for m in ("max", "mean", "one-to-one")]
        assert found == [1, 0.5, 0.5]
        both = [answer([(60, 60, 80, 80), (10, 10, 20, 20)], "a")]
        parts = prepare("a", mask=mask, frame=BoxFrame.IMAGE)
        assert score(both, [parts], matching="one-to-one").parts["iou"][0] == 1
        assert score([answer([(10, 10, 20, 20)] * 2, "a")], [parts], matching="one-to-one").parts["iou"][0] == 0.5

    def test_a_question_without_pixel_truth_is_judged_by_its_words(self):
        found = score(["\\boxed{a}"], [prepare("a")])
        assert np.isnan(found.parts["iou"][0])
        assert found.total[0] == 1

    def test_where_nothing_is_there_no_box_is_right(self):
        truth = prepare("none", mask=np.zeros((8, 8)))
        assert score([answer([], "none"), answer([(0, 0, 500, 500)], "none")], [truth] * 2).parts["iou"].tolist() == [
            1, 0]  # fmt: skip

    def test_saying_it_twice_or_not_at_all_is_counted_and_survived(self):
        texts = ["\\boxed{b} \\boxed{a}", "", "\\boxed{}", "\\boxed{a", "```json\n{[\n```\\boxed{a}", "\\boxed{a, a}"]
        found = score(texts, [prepare("a", mask=MASK)] * 6)
        assert found.parts["label_f1"].tolist() == [1, 0, 0, 0, 1, 1]
        assert found.defects == {"no boxed answer": 2, "several boxed answers": 1, "empty answer": 1,
                                 "no readable objects": 6}  # fmt: skip
        assert np.isfinite(found.total).all()

    def test_the_papers_format_reward(self):
        truth = prepare("a, b", mask=MASK)
        texts = [answer([(1, 2, 3, 4)], "a, b"), answer([(1, 2, 3, 4), (1, 2, 3, 4)], "a, b")]
        assert score(texts, [truth] * 2, WEIGHTS["paper"], every_label_boxed=True).parts["format"].tolist() == [0, 1]

    def test_every_separator_counts_and_case_does_not(self):
        assert labels_of("Edema and  cardiomegaly; Pneumonia & x, Y.") == {
            "edema",
            "cardiomegaly",
            "pneumonia",
            "x",
            "y",
        }
        assert labels_of("sand, band") == {"sand", "band"}

    @pytest.mark.parametrize("wrong", [{"weights": {"f1": 1}}, {"weights": {"iou": -1}}, {"matching": "best"}])
    def test_a_wrong_setting_says_what_there_is(self, wrong):
        with pytest.raises(ValueError, match=r"Weights are of|matching is one of"):
            score(["a"], [prepare("a")], **wrong)

    @settings(max_examples=200, deadline=None)
    @given(st.text(alphabet='ab{}[]",:`jsonbox_2d\\1-e \n', max_size=120))
    def test_nothing_a_model_writes_breaks_it(self, text):
        found = score([text, "```json\n" + text + "\n```\\boxed{" + text], [prepare("a", mask=MASK)] * 2)
        assert ((found.total >= 0) & (found.total <= 1 + 1e-9)).all()

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(*[st.integers(0, 64)] * 4), min_size=1, max_size=5))
    def test_the_integral_image_counts_as_painting_does(self, corners):
        boxes = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners], dtype=float)
        for (x1, y1, x2, y2), found in zip(boxes.astype(int), MaskTruth.of(MASK).iou(boxes), strict=True):
            painted = np.zeros_like(MASK, dtype=bool)
            painted[y1:y2, x1:x2] = True
            assert found == pytest.approx((painted & (MASK > 0)).sum() / (painted | (MASK > 0)).sum())


def test_box_iou_is_that_of_the_vocabulary():
    one, two = Box(0, 0, 10, 10, BoxFrame.IMAGE), Box(5, 5, 15, 10, BoxFrame.IMAGE)
    assert box_iou(np.array([one.corners]), np.array([two.corners]))[0, 0] == pytest.approx(one.iou(two))
    assert box_iou(np.array([[3, 3, 3, 9.0]]), np.array([two.corners]))[0, 0] == 0


def test_matching_is_the_best_of_all():
    assert one_to_one(np.array([[0.9, 0.8], [0.85, 0.1]])) == pytest.approx((0.8 + 0.85) / 2)
    assert one_to_one(np.zeros((0, 3))) == 0


def test_soft_dice():
    assert soft_dice(MASK.astype(float), MASK) == pytest.approx(1)
    assert soft_dice(np.full((64, 64), 0.5), MASK) == pytest.approx(2 * 512 / (2048 + 1024))
    assert soft_dice(np.zeros((4, 4)), np.zeros((4, 4))) == 1


def test_a_mask_needs_rows_and_columns():
    with pytest.raises(ValueError, match="rows and columns"):
        MaskTruth.of(np.zeros((2, 3, 4)))


def test_text_after_the_answer_or_a_second_answer_costs_the_format():
    texts = ["\\boxed{a}", "\\boxed{a}}}}", "\\boxed{a} and more", "\\boxed{b}\\boxed{a}"]
    assert score(texts, [prepare("a")] * 4).parts["format"].tolist() == [1, 0, 0, 0]


HOSTILE = {
    "blanks in the answer": "\\boxed{a" + " " * 200_000 + "b}",
    "blanks in an open fence": "```" + " " * 200_000,
    "open thoughts in the answer": "\\boxed{" + "<think>" * 100_000 + "}",
    "a number of thousands of digits": '```json\n[{"bbox_2d": [' + "9" * 5000 + ', 1, 2, 3], "label": "a"}]\n```',
    "lists in lists": "```json\n" + "[" * 100_000 + "]" * 100_000 + "\n```",
    "braces in braces": "\\boxed{" + "{" * 100_000,
    "fences": "```" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_a_model_writes_can_neither_stop_nor_stall_a_run(text):
    # Quadratic work on these would take minutes to hours.
    assert 0 <= score([text], [prepare("Edema", mask=MASK)]).total[0] < 1
    for release in ("reference-qoqmed", "reference-qoqmed3"):
        assert 0 <= reference_score(text, "Edema", mask=MASK, release=release)["total"] < 1
