"""Files from outside: what is no DICOM, broken or out of bounds is refused in words, without its content."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence

from wetread.archive.content import decoded_bytes, differences, encoded
from wetread.archive.intake import taken_in
from wetread.errors import RefusedInput


def ct() -> Dataset:
    found = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(found, str)
    return dcmread(found)


def test_a_whole_file_is_taken() -> None:
    assert differences(ct(), taken_in(encoded(ct()))) == ()


@pytest.mark.parametrize("content", [b"", b"\0" * 128, b"\0" * 128 + b"DICM", b"%PDF-1.7" * 100])
def test_what_is_no_dicom_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedInput):
        taken_in(content)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "waveform_ecg.dcm", "reportsi.dcm"]
)
def test_a_truncated_file_is_refused(name: str) -> None:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    whole = Path(found).read_bytes()
    taken_in(whole)
    for share in (0.3, 0.6, 0.9, 0.97):
        with pytest.raises(RefusedInput):
            taken_in(whole[: int(len(whole) * share)])


def test_nesting_without_end_is_refused() -> None:
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    nested = b"".join(b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff" + item for _ in range(3000))
    whole = encoded(ct())
    start = whole.index(b"\x08\x00\x05\x00CS")
    with pytest.raises(RefusedInput, match="not readable as DICOM"):
        taken_in(whole[:start] + nested)


def test_nesting_that_the_parser_survives_is_refused_too() -> None:
    dataset = ct()
    inner = dataset
    for _ in range(60):
        inner.ReferencedSeriesSequence = [Dataset()]
        inner = inner.ReferencedSeriesSequence[0]
    with pytest.raises(RefusedInput, match="nested more than 50 deep"):
        taken_in(encoded(dataset))


def test_a_refusal_does_not_repeat_what_it_read() -> None:
    dataset = ct()
    dataset.PatientName = "Distinctive^Patient"
    whole = encoded(dataset)
    with pytest.raises(RefusedInput) as caught:
        taken_in(whole.replace(b"DS\x10\x00", b"XX\x10\x7f"))
    assert "Distinctive" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_pixels_that_promise_any_size_are_not_decoded_to_compare_them() -> None:
    found = get_testdata_file("MR_small_RLE.dcm", download=False)
    assert isinstance(found, str)
    bomb, plain = dcmread(found), dcmread(found)
    plain.decompress(generate_instance_uid=False)
    bomb.Rows = bomb.Columns = plain.Rows = plain.Columns = 65535
    assert decoded_bytes(bomb) > 2 * 1024**3
    assert differences(bomb, plain) == ("PixelData",)


def test_a_private_sequence_is_compared_item_by_item() -> None:
    ours, theirs = ct(), ct()
    for dataset, text in ((ours, "one"), (theirs, "two")):
        item = Dataset()
        item.SeriesDescription = text
        dataset.RequestAttributesSequence = Sequence([item])
    assert differences(ours, ours) == ()
    assert differences(ours, theirs) == ("RequestAttributesSequence",)
