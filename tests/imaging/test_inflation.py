"""Small files that promise much are refused at once, in little memory; honest compression is not."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from dicom_phantoms import ct_series, dx_image, ultrasound_cine, write
from wetread.errors import RefusedInput
from wetread.imaging import load_sample, to_sample


@pytest.mark.parametrize("announced", [100_000, 2_147_483_647])
def test_frames_that_cannot_be_there(announced: int) -> None:
    cine = ultrasound_cine()[0]
    cine.compress(RLELossless, generate_instance_uid=False)
    cine.NumberOfFrames = announced
    began = time.process_time()
    with pytest.raises(RefusedInput, match=f"{announced} frames of 40 x 56 pixels announced"):
        to_sample([cine])
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("announced", [-1, -3])
def test_a_negative_number_of_frames(announced: int) -> None:
    cine = ultrasound_cine()[0]
    cine.NumberOfFrames = announced
    with pytest.raises(RefusedInput, match="NumberOfFrames is negative"):
        to_sample([cine])


def test_a_small_file_that_claims_the_largest_frame() -> None:
    image = dx_image()[0]
    image.compress(RLELossless, generate_instance_uid=False)
    image.Rows = image.Columns = 65535
    with pytest.raises(RefusedInput, match="a frame of 65535 x 65535 pixels"):
        to_sample([image])


def test_a_deflated_file_that_inflates_out_of_bounds(tmp_path) -> None:
    image = dx_image()[0]
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = write([image], tmp_path)[0]
    whole = path.read_bytes()
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [deflate.compress(bytes(1 << 24)) for _ in range(40)]
    path.write_bytes(whole[:start] + b"".join(pieces) + deflate.flush())
    assert path.stat().st_size < 1 << 20
    with pytest.raises(RefusedInput, match="inflates out of bounds"):
        load_sample(path)


def test_an_honest_deflated_series_is_read(tmp_path) -> None:
    series = ct_series(3)
    plain = to_sample(series)
    for dataset in series:
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    write(series, tmp_path)
    for read, drawn in zip(load_sample(tmp_path).planes, plain.planes, strict=True):
        assert np.array_equal(read.values, drawn.values)
