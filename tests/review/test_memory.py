"""A read that the ledger kept is the read again; what was damaged is not believed."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dicom_phantoms import PATIENT_ID, PATIENT_NAME, ct_series, dx_image
from reporting_reads import PROVENANCE, asymmetric_mask, box_finding, finding, image_sample, read_of, slices_sample
from wetread.findings import Box, BoxFrame, GroundingCheck, Interval, Mask
from wetread.review.ledger import Ledger, named_blobs
from wetread.review.memory import (
    finding_body,
    mask_body,
    recalled_finding,
    recalled_mask,
    recalled_read,
    remembered_read,
)
from wetread.terminology import TARGETS, Laterality, Modality


@pytest.fixture
def sample():
    return slices_sample(ct_series(), Modality.CT)


def rich_read(sample):
    liver = finding(sample, "liver", asymmetric_mask(sample, [1, 2, 4]), text_box=Box(1, 2, 3.5, 4, BoxFrame.IMAGE))
    checked = dataclasses.replace(PROVENANCE, grounding=(GroundingCheck("liver", "picture", 0.25, 0.9, 0.1, True),))
    return read_of(
        [liver, dataclasses.replace(box_finding("spleen", (3, 4, 9, 11)), grounded=False)], provenance=checked
    )


def again(read, sample):
    kept = remembered_read(read, sample)
    return recalled_read(json.loads(json.dumps(kept.body)), kept.blobs.__getitem__)


def equal(one, other):
    """Masks compare by content; everything else as values."""
    assert len(one.findings) == len(other.findings)
    for a, b in zip(one.findings, other.findings, strict=True):
        assert (a.mask is None) == (b.mask is None)
        if a.mask is not None:
            assert np.array_equal(a.mask.dense(), b.mask.dense())
        assert dataclasses.replace(a, mask=None) == dataclasses.replace(b, mask=None)
    assert dataclasses.replace(one, findings=()) == dataclasses.replace(other, findings=())


def test_a_read_comes_back_to_the_last_number(sample):
    read = rich_read(sample)
    equal(read, again(read, sample))


def test_a_read_goes_through_the_ledger(database, sample):
    ledger, kept = Ledger(database), remembered_read(rich_read(sample), sample)
    entry = ledger.append("read", "2.25.1", kept.body, study_uid=str(sample.study_uid), blobs=kept.blobs)
    assert named_blobs(entry.body) == set(kept.blobs)
    equal(rich_read(sample), recalled_read(next(ledger.entries(kind="read")).body, ledger.blob))
    assert ledger.breaks() == []


def test_nothing_of_it_names_the_patient(sample):
    text = json.dumps(remembered_read(rich_read(sample), sample).body)
    assert PATIENT_NAME.split("^")[0] not in text
    assert PATIENT_ID not in text


def test_where_it_comes_from_is_kept(sample):
    series = remembered_read(rich_read(sample), sample).body["series"]
    assert series["study_uid"] == sample.study_uid
    assert series["instances"] == [str(h.SOPInstanceUID) for h in sample.headers]


def test_a_finding_of_a_waveform_keeps_its_interval():
    sample = image_sample(dx_image()[0], Modality.XRAY)
    marked = dataclasses.replace(
        box_finding("lung", (0, 0, 1, 1)), box=None, interval=Interval(1.25, 2.5, ("II", "V1"))
    )
    assert again(read_of([marked]), sample).findings[0].interval == Interval(1.25, 2.5, ("II", "V1"))


@pytest.mark.parametrize("target", [*TARGETS, *(t.on(Laterality.LEFT) for t in TARGETS if t.laterality == "paired")],
                         ids=lambda t: t.label)  # fmt: skip
def test_every_target_comes_back(target):
    body = finding_body(dataclasses.replace(box_finding("liver", (0, 0, 1, 1)), target=target), {})
    assert recalled_finding(json.loads(json.dumps(body)), {}.__getitem__).target == target


def test_a_target_that_the_table_has_lost_keeps_the_codes_it_was_recorded_with():
    body = finding_body(box_finding("liver", (0, 0, 1, 1)), {})
    body["target"] = body["target"] | {"label": "something of 2031"}
    recalled = recalled_finding(body, {}.__getitem__).target
    assert (recalled.label, recalled.type.meaning) == ("something of 2031", "Liver")


def test_a_label_whose_code_has_changed_keeps_the_code_it_was_recorded_with():
    body = finding_body(box_finding("liver", (0, 0, 1, 1)), {})
    body["target"]["type"] = {"code": "1", "scheme": "99OLD", "meaning": "Liver of old"}
    assert recalled_finding(body, {}.__getitem__).target.type.code == "1"


@given(arrays.arrays(bool, st.tuples(*[st.integers(1, 9)] * 3)))
def test_any_mask_comes_back(dense):
    mask, blobs = Mask.from_dense(dense), {}
    assert np.array_equal(recalled_mask(mask_body(mask, blobs), blobs.__getitem__).dense(), dense)


def test_planes_that_nobody_touched_are_kept_once(sample):
    mask = asymmetric_mask(sample, [1, 2, 4])
    touched = Mask(mask.shape, {**mask.planes, 2: np.roll(mask.planes[2], 3)})
    before, after = {}, {}
    mask_body(mask, before)
    mask_body(touched, after)
    assert len(set(before) | set(after)) == 4


@pytest.mark.parametrize("damage", [
    lambda body: body.pop("findings"),
    lambda body: body["findings"][0].pop("box"),
    lambda body: body["findings"][0]["mask"].update(shape=[1, 2]),
    lambda body: body["findings"][0]["mask"].update(shape=[6, 7, 8]),
    lambda body: body["findings"][0]["mask"].update(shape=[10**6, 10**6, 10**6]),
    lambda body: body["provenance"].pop("device_uid"),
    lambda body: body["findings"][0].update(presence=7),
])  # fmt: skip
def test_a_damaged_entry_is_refused_in_words(sample, damage):
    kept = remembered_read(rich_read(sample), sample)
    damage(kept.body)
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        recalled_read(kept.body, kept.blobs.__getitem__)
