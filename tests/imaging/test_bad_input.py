"""Whatever is not a readable image gets one line: what, where, what to do. Nothing of the patient is in it."""

from __future__ import annotations

import os
import warnings
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file

from dicom_multiframe_phantoms import enhanced_mr, slide
from dicom_phantoms import (
    PATIENT_ID,
    PATIENT_NAME,
    ct_series,
    dx_image,
    secondary_capture,
    uid,
    ultrasound_cine,
    write,
)
from wetread.errors import RefusedInput
from wetread.imaging import load_sample, open_series, to_sample


def refusal(path: object, modality: str | None = None) -> str:
    with pytest.raises(RefusedInput) as caught:
        load_sample(path, modality)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.remedy
    return line


def test_a_missing_path(tmp_path) -> None:
    assert refusal(tmp_path / "nothing").startswith("no such file or folder")


def test_an_empty_folder(tmp_path) -> None:
    assert refusal(tmp_path).startswith("empty folder")


def test_a_folder_without_dicom(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    assert refusal(tmp_path).startswith("no DICOM file in the folder")


def test_no_files() -> None:
    assert refusal([]).startswith("no files given")


def test_no_datasets() -> None:
    with pytest.raises(RefusedInput, match="no instances"):
        to_sample([])


def test_a_file_that_is_not_dicom(tmp_path) -> None:
    path = tmp_path / "letter.dcm"
    path.write_bytes(b"Dear colleague, " * 40)
    assert refusal(path).startswith("not a DICOM file")
    assert refusal(tmp_path).startswith("not a DICOM file"), "in a folder too, because its name claims to be DICOM"


def test_an_empty_file(tmp_path) -> None:
    (tmp_path / "zero.dcm").touch()
    assert refusal(tmp_path / "zero.dcm").startswith("not a DICOM file")


@pytest.mark.parametrize("keep", [140, 300, 700, 1200, -3000, -1])
def test_a_truncated_file_is_refused_wherever_it_breaks_off(tmp_path, keep: int) -> None:
    path = write(ct_series(1), tmp_path)[0]
    path.write_bytes(path.read_bytes()[:keep])
    refusal(path)


def test_truncated_pixel_data_says_how_much_is_there() -> None:
    assert "8130 of 8192 bytes" in refusal(get_testdata_file("MR_truncated.dcm"))


def test_truncated_compressed_pixel_data_names_the_transfer_syntax(tmp_path) -> None:
    dataset = dcmread(get_testdata_file("MR_small_jp2klossless.dcm"))
    dataset.PixelData = dataset.PixelData[:40] + b"\0" * 60
    path = tmp_path / "broken.dcm"
    dataset.save_as(path)
    assert "transfer syntax JPEG 2000 Image Compression (Lossless Only)" in refusal(path)


def test_no_pixel_data(tmp_path) -> None:
    dataset = ct_series(1)[0]
    del dataset.PixelData
    assert refusal(write([dataset], tmp_path)[0]).startswith("no pixel data")


@pytest.mark.parametrize("name", ["rtplan.dcm", "test-SR.dcm", "rtdose.dcm", "liver_1frame.dcm", "rtstruct.dcm"])
def test_an_object_that_is_no_image(name: str) -> None:
    assert refusal(get_testdata_file(name)).startswith("unsupported kind of DICOM object: ")


def test_a_dicom_directory_is_named_as_such() -> None:
    directory = Path(str(get_testdata_file("CT_small.dcm"))).parent / "dicomdirtests" / "DICOMDIR"
    assert "Media Storage Directory" in refusal(directory)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("value", ["../../etc/passwd", "1.2.abc", "1" * 65, "..", "1..2", "1.2."])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_a_uid_with_wrong_characters_is_refused_and_not_repeated(keyword: str, value: str) -> None:
    dataset = ct_series(1)[0]
    dataset.add_new(keyword, "UI", value)
    with pytest.raises(RefusedInput, match=f"{keyword} is not a DICOM UID") as caught:
        to_sample([dataset])
    assert len(value) < 5 or value not in str(caught.value)


@pytest.mark.parametrize("levels", [60, 400, 3000])
def test_sequences_nested_without_end_are_refused(tmp_path, levels: int) -> None:
    (dataset,) = ct_series(1)
    write([dataset], tmp_path / "source")
    (file,) = (tmp_path / "source").iterdir()
    whole = file.read_bytes()
    start = whole.index(b"\x08\x00\x60\x00CS")
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    file.write_bytes(whole[:start] + opened * levels + end * levels + whole[start:])
    with pytest.raises(RefusedInput, match=r"nested|RecursionError"):
        open_series(file)


def test_an_element_of_another_kind_than_the_standard_says_is_refused(tmp_path) -> None:
    """Rescale Intercept as a sequence; found by fuzzing."""
    (dataset,) = ct_series(1)
    del dataset.RescaleIntercept
    dataset.add_new(0x00281052, "SQ", [])
    write([dataset], tmp_path)
    assert "tag (0028,1052) is of another kind" in refusal(tmp_path)


def test_compressed_frames_over_which_a_decoder_panics_are_refused(tmp_path) -> None:
    """The RLE decoder is written in Rust, and its panic is no `Exception`; found by fuzzing."""
    dataset = dcmread(get_testdata_file("MR_small_RLE.dcm", download=False))
    runs = b"\x81\x00" * 64  # each 128 zeros: twice as many as the segment has pixels
    header = b"".join(number.to_bytes(4, "little") for number in (2, 64, 64 + len(runs), *[0] * 13))
    frame = header + runs + runs
    dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0" + len(frame).to_bytes(4, "little") + frame
    dataset.save_as(tmp_path / "broken.dcm")
    assert "cannot be decoded" in refusal(tmp_path / "broken.dcm")


def test_different_kinds_of_image_in_one_series() -> None:
    picture = secondary_capture()[0]
    series = ct_series(2)
    picture.SeriesInstanceUID = series[0].SeriesInstanceUID
    with pytest.raises(RefusedInput, match="different kinds of image in one series"):
        to_sample([*series, picture])


def test_several_radiographs_in_one_series() -> None:
    first, second = dx_image()[0], dx_image(name="other")[0]
    second.SeriesInstanceUID = first.SeriesInstanceUID
    with pytest.raises(RefusedInput, match="2 separate pictures in one series of X-ray"):
        to_sample([first, second])


def test_an_unknown_modality(tmp_path) -> None:
    np.save(tmp_path / "grey.npy", np.zeros((4, 5), dtype=np.uint8))
    assert "unknown modality (telepathy)" in refusal(tmp_path / "grey.npy", "telepathy")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_no_refusal_carries_the_patient(tmp_path) -> None:
    datasets = [*ct_series(2), *ct_series(2, name="other"), *dx_image()]
    del datasets[0].PixelData
    datasets[1].Rows = 9999
    datasets[2].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    datasets[3].add_new("SOPInstanceUID", "UI", "not a uid")
    datasets[4].PixelData = datasets[4].PixelData[:10]
    for number, dataset in enumerate(datasets):
        path = tmp_path / f"{number}.dcm"
        dataset.save_as(path)
        line = refusal(path)
        assert PATIENT_NAME not in line
        assert PATIENT_ID not in line


def test_reading_logs_no_value_of_the_file(tmp_path, caplog) -> None:
    """pydicom quotes an invalid UID in a warning and a log line; a UID can hold anything, a name too."""
    path = write(ct_series(1), tmp_path)[0]
    frame_of_reference = uid("frame of reference").encode()
    path.write_bytes(path.read_bytes().replace(frame_of_reference, b"DOE^JANE" + frame_of_reference[8:]))
    with caplog.at_level("DEBUG"), warnings.catch_warnings():
        warnings.simplefilter("error")
        header = load_sample(path).headers[0]
    assert header.FrameOfReferenceUID.startswith("DOE^JANE")
    assert "DOE" not in caplog.text


def test_files_that_are_not_dicom_are_passed_over_in_a_folder(tmp_path) -> None:
    write(ct_series(3), tmp_path, suffix="")
    (tmp_path / "README").write_text("about this series")
    (tmp_path / "report.json").write_text("{}")
    assert len(open_series(tmp_path)) == 3


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch) -> None:
    write(ct_series(6)[:3], tmp_path / "here")
    write(ct_series(6)[3:], tmp_path / "there")
    list_folder = os.scandir

    def closed(path: str) -> object:  # rights do not bind the user that tests may run as
        if str(path).endswith("there"):
            raise PermissionError(13, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert refusal(tmp_path).startswith("folder cannot be read: permission denied")


def test_a_list_of_files_is_a_series(tmp_path) -> None:
    paths = write(ct_series(3), tmp_path)
    assert len(open_series(paths[:2])) == 2


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("RescaleSlope", 0, "RescaleSlope is zero"),
        ("HighBit", 15, "HighBit does not follow BitsStored"),
        ("PixelSpacing", [1.0], "PixelSpacing is not 2 numbers"),
        ("Rows", 0, "Rows is missing or zero"),
        ("NumberOfFrames", 3, "truncated pixel data"),
    ],
)
def test_a_header_that_cannot_be_meant(keyword: str, value: object, said: str) -> None:
    dataset = ct_series(1)[0]
    setattr(dataset, keyword, value)
    with pytest.raises(RefusedInput, match=said):
        to_sample([dataset])


def test_a_damaged_number_names_its_tag_and_not_its_value(tmp_path) -> None:
    path = write(ct_series(1), tmp_path)[0]
    content = path.read_bytes()
    assert content.count(b"-1024") == 1
    path.write_bytes(content.replace(b"-1024", b"-1x24"))
    line = refusal(path)
    assert line.startswith("RescaleIntercept is not 1 number")
    assert "1x24" not in line


SOUND = {
    "CT": ct_series(1, rows=6, columns=6)[0],
    "cine": ultrasound_cine(2, 4, 4)[0],
    "slide": slide(8, 8, 4, "TILED_SPARSE")[0],
    "enhanced": enhanced_mr(3)[0],
}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SOUND)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=3)
)
def test_a_file_with_wrong_bytes_gives_a_sample_or_one_line(name: str, wrong: list[tuple[float, int]]) -> None:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write([SOUND[name]], Path(folder))[0]
        content = bytearray(path.read_bytes())
        header = min(len(content), 3000)
        for place, byte in wrong:
            content[132 + int(place * (header - 133))] = byte
        path.write_bytes(content)
        try:
            planes = load_sample(path).planes
        except RefusedInput:
            return
        assert all(plane.picture().dtype == np.uint8 for plane in planes)


def test_an_instance_received_in_memory_is_named_by_its_series() -> None:
    held = BytesIO()
    ct_series(1)[0].save_as(held, enforce_file_format=True)
    held.seek(0)
    dataset = dcmread(held)
    assert to_sample([dataset]).shape == (1, 40, 48)
    dataset.RescaleSlope = 0
    with pytest.raises(RefusedInput) as refused:
        to_sample([dataset])
    assert refused.value.where == dataset.SOPInstanceUID


@pytest.mark.parametrize("name", ["IM0003", "1.2.840.113619.2.55"])
@pytest.mark.parametrize("content", [b"", bytes(120)])
def test_a_slice_that_is_only_a_name_is_not_passed_over(tmp_path, name: str, content: bytes) -> None:
    write(ct_series(3), tmp_path)
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path).startswith("empty or cut short")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("RescaleSlope", "NaN"), ("RescaleIntercept", "Infinity"), ("WindowCenter", "NaN"),
        ("ImagePositionPatient", ["NaN", "0", "0"]),
    ],
)  # fmt: skip
def test_numbers_that_are_none(keyword: str, value: object) -> None:
    series = ct_series(3)
    setattr(series[1], keyword, value)
    with pytest.raises(RefusedInput, match=f"{keyword} is not finite"):
        to_sample(series)


def test_one_uid_with_two_rescales_is_refused() -> None:
    series = [*ct_series(4), ct_series(4)[1]]
    series[-1].RescaleIntercept = -2000
    with pytest.raises(RefusedInput, match="share the SOP Instance UID"):
        to_sample(series)


def test_one_place_with_two_rescales_is_refused() -> None:
    series = [*ct_series(4), ct_series(4)[1]]
    series[-1].SOPInstanceUID = uid("another")
    series[-1].RescaleIntercept = -2000
    with pytest.raises(RefusedInput, match="with other pixels"):
        to_sample(series)


@pytest.mark.parametrize("rows", [0, None])
def test_a_slide_that_does_not_say_how_large_it_is(rows: int | None) -> None:
    dataset = slide()[0]
    dataset.TotalPixelMatrixRows = rows
    with pytest.raises(RefusedInput, match="Total Pixel Matrix"):
        to_sample([dataset])


def test_a_private_value_that_is_not_what_its_maker_says_does_not_matter(tmp_path) -> None:
    series = ct_series(3)
    for dataset in series:
        block = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
        block.add_new(0x02, "UN", b"no number!")  # pydicom knows this tag of this maker as SL
    write(series, tmp_path)
    assert load_sample(tmp_path).shape[0] == 3
