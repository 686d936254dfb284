"""Pixels come out right from every transfer syntax, bit depth, sign and colour space, checked on pydicom's files."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_phantoms import cine_frame, ct_series, dx_image, radiograph, secondary_capture, ultrasound_cine
from wetread.imaging import load_sample, to_sample
from wetread.imaging.sample import SampleKind
from wetread.terminology import Modality


def file(name: str) -> str:
    return str(get_testdata_file(name))


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_expb.dcm", "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm",
    ],
)  # fmt: skip
def test_one_mr_slice_is_equal_in_every_lossless_transfer_syntax(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one file has trailing bytes on purpose
        found = load_sample(file(name))
    reference = dcmread(file("MR_small.dcm"))
    stored = np.frombuffer(reference.PixelData, dtype="<i2").reshape(64, 64)
    assert np.array_equal(found.planes[0].values, stored.astype(np.float32))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_series_is_equal_after_lossless_compression(syntax: str) -> None:
    plain, packed = to_sample(ct_series(2)), ct_series(2)
    for dataset in packed:
        dataset.compress(syntax, generate_instance_uid=False)
    for a, b in zip(plain.planes, to_sample(packed).planes, strict=True):
        assert np.array_equal(a.values, b.values)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_a_file_is_equal_in_every_native_transfer_syntax(tmp_path, syntax: str) -> None:
    dataset = ct_series(1)[0]
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(tmp_path / "slice", enforce_file_format=True)
    assert np.array_equal(load_sample(tmp_path / "slice").planes[0].values, to_sample(ct_series(1)).planes[0].values)


def test_a_file_without_preamble_and_file_meta_is_read(tmp_path) -> None:
    dataset = ct_series(1)[0]
    del dataset.file_meta
    dataset.save_as(tmp_path / "bare", implicit_vr=True, little_endian=True)
    assert np.array_equal(load_sample(tmp_path / "bare").planes[0].values, to_sample(ct_series(1)).planes[0].values)


def test_big_endian_colour_is_read() -> None:
    small, big = load_sample(file("SC_rgb_small_odd.dcm")), load_sample(file("SC_rgb_small_odd_big_endian.dcm"))
    assert dcmread(file("SC_rgb_small_odd_big_endian.dcm")).file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    assert np.array_equal(small.planes[0].values, big.planes[0].values)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_rgb_rle.dcm", 0), ("SC_rgb_rle_16bit.dcm", 1), ("SC_rgb_rle_32bit.dcm", 1), ("SC_rgb_gdcm_KY.dcm", 2),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 6), ("SC_rgb_dcmtk_+eb+cy+np.dcm", 6), ("SC_rgb_dcmtk_+eb+cy+s2.dcm", 6),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", 6), ("SC_rgb_jpeg_dcmtk.dcm", 6), ("SC_ybr_full_422_uncompressed.dcm", 6),
    ],
)  # fmt: skip
def test_the_colour_stripes_have_their_colours_in_every_encoding(name: str, tolerance: int) -> None:
    """The test card of pydicom has ten stripes of ten rows: red, three tints, green, blue and shades of grey."""
    picture = load_sample(file(name)).planes[0].picture().astype(int)
    expected = {5: (255, 0, 0), 25: (0, 255, 0), 45: (0, 0, 255), 65: (0, 0, 0), 75: (64, 64, 64),
                85: (192, 192, 192), 95: (255, 255, 255)}  # fmt: skip
    for row, colour in expected.items():
        assert np.abs(picture[row, 50] - colour).max() <= tolerance, f"row {row} of {name}"


def test_palette_colour_becomes_rgb() -> None:
    sample = load_sample(file("examples_palette.dcm"))
    dataset = dcmread(file("examples_palette.dcm"))
    index = int(dataset.pixel_array[100, 400])
    tables = (dataset.RedPaletteColorLookupTableData, dataset.GreenPaletteColorLookupTableData,
              dataset.BluePaletteColorLookupTableData)  # fmt: skip
    wanted = [int(np.frombuffer(table, dtype="<u2")[index]) >> 8 for table in tables]
    assert sample.planes[0].values[100, 400].tolist() == wanted
    assert sample.planes[0].is_colour


def test_a_native_cine_with_shared_chroma_becomes_rgb_frames_in_time_order() -> None:
    cine = ultrasound_cine(3)[0]
    drawn = np.stack([cine_frame(i) for i in range(3)])
    full = convert_color_space(drawn, "RGB", "YBR_FULL")
    shared = np.empty((3, 40, 28, 4), dtype=np.uint8)  # Y Y Cb Cr of two neighbours, PS3.3 C.7.6.3.1.2
    shared[..., 0], shared[..., 1] = full[:, :, ::2, 0], full[:, :, 1::2, 0]
    shared[..., 2], shared[..., 3] = full[:, :, ::2, 1], full[:, :, ::2, 2]
    cine.PhotometricInterpretation, cine.PixelData = "YBR_FULL_422", shared.tobytes()
    sample = to_sample([cine])
    assert len(sample.planes) == 3
    for plane, picture in zip(sample.planes, drawn, strict=True):
        assert np.abs(plane.values.astype(int) - picture).mean() < 1.0


def test_a_ybr_cine_becomes_rgb_frames_in_time_order() -> None:
    sample = load_sample(file("examples_ybr_color.dcm"))
    assert (sample.kind, sample.modality, sample.shape) == (SampleKind.CINE, Modality.ULTRASOUND, (30, 240, 320))
    assert [p.source.frame_number for p in sample.planes] == list(range(1, 31))
    assert sample.planes[0].values.dtype == np.uint8


def test_monochrome1_keeps_its_values_and_is_shown_turned_over() -> None:
    plane = to_sample(dx_image()).planes[0]
    assert plane.inverted
    assert np.array_equal(plane.values, radiograph().astype(np.float32))
    dark, bright = plane.values.argmax(), plane.values.argmin()
    shown = plane.picture()[..., 0].ravel()
    assert shown[dark] < shown[bright]


def test_signed_values_with_rescale_become_hounsfield_units() -> None:
    dataset = dcmread(file("CT_small.dcm"))
    sample = to_sample([dataset])
    assert dataset.PixelRepresentation == 1
    assert np.array_equal(sample.planes[0].values, dataset.pixel_array.astype(np.float32) - 1024)
    assert sample.units == "[hnsf'U]"


def test_bits_above_the_high_bit_are_not_read_as_intensity() -> None:
    clean, marked = ct_series(1)[0], ct_series(1)[0]
    stored = np.frombuffer(marked.PixelData, dtype="<u2").copy()
    stored[::3] |= 0x8000
    marked.PixelData = stored.tobytes()
    assert np.array_equal(to_sample([marked]).planes[0].values, to_sample([clean]).planes[0].values)


def test_signed_twelve_bits_are_sign_extended() -> None:
    dataset = ct_series(1, rows=2, columns=2)[0]
    dataset.PixelRepresentation = 1
    dataset.PixelData = np.array([0x0FFF, 0x0800, 0x07FF, 0x0001], dtype="<u2").tobytes()
    assert (to_sample([dataset]).planes[0].values.ravel() + 1024).tolist() == [-1, -2048, 2047, 1]


def test_a_modality_lut_maps_stored_values() -> None:
    dataset = secondary_capture(rows=1, columns=4)[0]
    dataset.PixelData = bytes([0, 1, 2, 3])
    lut = Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType = [4, 0, 16], "US"
    lut.add_new(0x00283006, "US", [10, 20, 40, 80])
    dataset.ModalityLUTSequence = [lut]
    assert to_sample([dataset]).planes[0].values.ravel().tolist() == [10, 20, 40, 80]


def test_padding_keeps_its_value_and_stays_out_of_the_window() -> None:
    dataset = ct_series(1)[0]
    del dataset.WindowCenter, dataset.WindowWidth
    dataset.Modality, dataset.RescaleType = "CT", "US"
    stored = np.full((40, 48), 1000, dtype="<u2")
    stored[20:, :] = 1100
    stored[:10, :] = 4095
    dataset.PixelPaddingValue = 4095
    dataset.PixelData = stored.tobytes()
    plane = to_sample([dataset]).planes[0]
    assert plane.values.max() == 4095 - 1024
    assert plane.window == pytest.approx((26.0, 100.0))
