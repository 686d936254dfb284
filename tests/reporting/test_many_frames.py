"""Objects of many frames: what the template multiplies is what highdicom would have written frame by frame."""

from __future__ import annotations

from io import BytesIO

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

import reporting_reads as reads
from dicom_phantoms import ct_series, write
from validators import dcentvfy_errors, dciodvfy_errors
from wetread.archive.content import encoded
from wetread.findings import Mask
from wetread.reporting import build_seg, segmentation
from wetread.reporting.many_frames import _bits, _pixel_data, frames_of
from wetread.terminology import TARGETS, Modality

NAMES = [target.label for target in TARGETS if Modality.CT in target.modalities][:12]
WRITTEN_AT = ("InstanceCreationDate", "InstanceCreationTime")


def many(sample, seed=0):
    """Findings with ragged masks on some of the planes, some of which overlap."""
    random = np.random.default_rng(seed)
    findings = []
    for number, name in enumerate(NAMES, start=1):
        chosen = random.choice(sample.shape[0], size=int(random.integers(1, sample.shape[0])), replace=False)
        planes = {int(index): random.random(sample.shape[1:]) < 0.2 for index in chosen}
        findings.append(reads.finding(sample, name, Mask(sample.shape, planes), number))
    return findings


def both(sample, findings, monkeypatch):
    """The same read written frame by frame, and from the template."""
    read = reads.read_of(findings)
    monkeypatch.setattr(segmentation, "MANY", 10**9)
    slow = build_seg(read, sample)
    monkeypatch.setattr(segmentation, "MANY", 2)
    return slow, build_seg(read, sample)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "oblique", "tilted"])
@pytest.mark.parametrize("size", [(40, 48), (37, 45)], ids=["whole bytes", "frames that end within a byte"])
def test_every_attribute_and_every_bit_is_highdicoms(orientation, size, monkeypatch):
    series = ct_series(9, *size, orientation=orientation)
    sample = reads.slices_sample(series, Modality.CT)
    slow, fast = both(sample, many(sample), monkeypatch)
    used = -(-int(fast.NumberOfFrames) * size[0] * size[1] // 8)  # highdicom pads with a byte that is not 0
    assert fast.PixelData[:used] == slow.PixelData[:used]
    slow.PixelData = fast.PixelData
    for dataset in (slow, fast):
        for keyword in WRITTEN_AT:
            if keyword in dataset:
                del dataset[keyword]
    assert dcmread(BytesIO(encoded(fast))) == dcmread(BytesIO(encoded(slow)))


def test_a_plane_without_a_mark_between_others_stays_out(monkeypatch):
    sample = reads.slices_sample(ct_series(9), Modality.CT)
    here = np.ones(sample.shape[1:], dtype=bool)
    findings = [reads.finding(sample, name, Mask(sample.shape, {1: here, 3: here, 7: here}), n)
                for n, name in enumerate(NAMES[:3], start=1)]  # fmt: skip
    slow, fast = both(sample, findings, monkeypatch)
    assert dcmread(BytesIO(encoded(fast))) == dcmread(BytesIO(encoded(slow)))
    assert fast.SegmentsOverlap == "YES"


def test_validators_and_highdicom_read_it(monkeypatch, tmp_path):
    series = ct_series(9)
    sample = reads.slices_sample(series, Modality.CT)
    findings = many(sample)
    _, fast = both(sample, findings, monkeypatch)
    path = tmp_path / "seg.dcm"
    path.write_bytes(encoded(fast))
    assert dciodvfy_errors(path) == []
    assert dcentvfy_errors(path, *write(series, tmp_path / "ct")) == []
    held = hd.seg.segread(path)
    for number, one in enumerate(findings, start=1):
        order = [str(plane.source.sop_instance_uid) for plane in sample.planes]
        pixels = held.get_pixels_by_source_instance(
            order, segment_numbers=[number], assert_missing_frames_are_empty=True
        )
        assert (pixels[..., 0] == one.mask.dense()).all()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 9), st.integers(1, 20))
def test_bits_run_on_from_frame_to_frame(seed, rows, columns, count):
    frames = np.random.default_rng(seed).random((count, rows, columns)) < 0.5
    frames[:, 0, 0] = True  # a mask keeps no empty plane
    expected = np.packbits(frames.ravel(), bitorder="little").tobytes()
    masks = [Mask((count, rows, columns), dict(enumerate(frames)))]
    bits = _bits(masks, [(1, plane) for plane in range(count)])
    assert _pixel_data(bits, rows * columns) == expected + b"\0" * (len(expected) % 2)


def test_frames_stand_by_segment_and_then_by_plane_and_empty_ones_are_left_out():
    full, empty = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    masks = [Mask((9, 2, 2), {7: full, 2: full}), Mask((9, 2, 2), {3: empty, 1: full})]
    assert frames_of(masks) == [(1, 2), (1, 7), (2, 1)]
