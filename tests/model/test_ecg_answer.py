"""What a model writes about an ECG, read back; whatever it writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wetread.imaging.leads import STANDARD
from wetread.model.ecg_answer import EcgObject, ecg_objects


def fenced(*items: object) -> str:
    return f"<think>because</think>\n```json\n{json.dumps(list(items))}\n```\n\\boxed{{x}}"


def test_label_interval_and_leads():
    text = fenced({"label": "atrial fibrillation", "interval_s": [0.5, 6], "leads": ["V1", "II"]}, {"label": "lbbb"})
    objects, defects = ecg_objects(text)
    assert objects == (EcgObject("atrial fibrillation", (0.5, 6.0), ("II", "V1")), EcgObject("lbbb", None, STANDARD))
    assert defects == ()


def test_an_interval_without_leads_is_on_all_and_reversed_times_are_turned():
    assert ecg_objects(fenced({"label": "pvc", "interval_s": [3, 2]}))[0] == (EcgObject("pvc", (2.0, 3.0), STANDARD),)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"label": "pvc", "interval_s": [1]}, "not two usable times"),
        ({"label": "pvc", "interval_s": ["1", 2]}, "not two usable times"),
        ({"label": "pvc", "interval_s": [-1, 2]}, "not two usable times"),
        ({"label": "pvc", "interval_s": [2, 2]}, "not two usable times"),
        ({"label": "pvc", "interval_s": [True, 2]}, "not two usable times"),
        ({"label": "pvc", "interval_s": [1, 2], "leads": ["V9"]}, "no standard lead"),
        ({"interval_s": [1, 2]}, "without a label"),
        (17, "without a label"),
    ],
    ids=str,
)
def test_what_cannot_be_taken_is_said(item, words):
    assert words in " ".join(ecg_objects(fenced(item))[1])


@given(st.one_of(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(
    inner) | st.dictionaries(st.sampled_from(["label", "interval_s", "leads"]), inner), max_leaves=12)))  # fmt: skip
def test_nothing_a_model_writes_raises(content):
    text = content if isinstance(content, str) else f"```json\n{json.dumps(content)}\n```"
    objects, defects = ecg_objects(text)
    assert all(item.label and item.leads for item in objects)
    assert all(isinstance(defect, str) for defect in defects)
