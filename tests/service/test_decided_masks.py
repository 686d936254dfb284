"""Masks as they stand for the asking person, in the form in which verdicts send them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import requests
from PIL import Image

from dicom_phantoms import ct_series


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) > 0


@pytest.fixture
def read(address, archive):
    """A finished read: its address, and its one finding."""
    series = ct_series(3)
    archive.store(series).require_complete()
    body = {"study_uid": series[0].StudyInstanceUID, "series_uid": series[0].SeriesInstanceUID}
    job = requests.post(f"{address}/wetread/v1/reads", json=body, timeout=30).json()["uid"]
    requests.get(f"{address}/wetread/v1/reads/{job}/events", timeout=60)
    at = f"{address}/wetread/v1/reads/{job}"
    (finding,) = requests.get(f"{at}/result", timeout=30).json()["findings"]
    return at, finding


def test_first_it_is_the_models_then_the_persons(read):
    at, finding = read
    (made,) = requests.get(f"{at}/masks", timeout=30).json()
    assert made["tracking_uid"] == finding["tracking_uid"]
    assert {index: int(pixels(text).sum()) for index, text in made["mask"].items()} == {"0": finding["mask"]["pixels"]}

    drawn = np.zeros((40, 48), bool)
    drawn[3:9, 4:20] = True
    verdict = {"tracking_uid": finding["tracking_uid"], "decision": "correct", "mask": {"1": png(drawn)}}
    assert requests.post(f"{at}/verdicts", json=[verdict], timeout=30).status_code == 200
    (corrected,) = requests.get(f"{at}/masks", timeout=30).json()
    assert list(corrected["mask"]) == ["1"]
    assert (pixels(corrected["mask"]["1"]) == drawn).all()


def test_a_box_that_took_the_masks_place_leaves_none_and_a_rejected_finding_keeps_the_models(read):
    at, finding = read
    named = {"tracking_uid": finding["tracking_uid"]}
    requests.post(f"{at}/verdicts", json=[named | {"decision": "correct", "box": [1, 1, 9, 9]}], timeout=30)
    assert requests.get(f"{at}/masks", timeout=30).json() == []
    requests.post(f"{at}/verdicts", json=[named | {"decision": "reject", "reason": "no"}], timeout=30)
    assert len(requests.get(f"{at}/masks", timeout=30).json()) == 1


def test_questions_for_a_series_begin_with_what_the_model_learned(read, address):
    first = ct_series(3)[0]
    at = f"{address}/wetread/v1/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}/questions"
    questions = requests.get(at, timeout=30).json()
    assert questions[0] == {"text": "Please segment liver in the given image.", "covered": True}
    assert len(questions) > 50
    assert not any(one["covered"] for one in questions[1:])
    assert requests.get(at.replace(str(first.SeriesInstanceUID), "1.2.3"), timeout=30).status_code == 404
