"""Slices of a series are read by comparison with the first of them, and give what reading each by itself gives."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from both_ways import read_twice, require_equal, require_same_dataset, twins_in
from dicom_phantoms import PATIENT_NAME, ct_series, dx_image, localizer, mr_series, uid, write
from wetread.archive.folder import FolderArchive
from wetread.errors import RefusedInput
from wetread.imaging import load_sample, open_series, to_sample
from wetread.imaging.blocks import read_files
from wetread.imaging.instances import Instances
from wetread.imaging.pattern import Pattern
from wetread.imaging.reading_files import MAXIMUM_PATTERNS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
SHARED = Path(__file__).parents[3] / "shared" / "data"


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def put(folder: Path, contents: list[bytes]) -> Path:
    for number, content in enumerate(contents):
        (folder / f"{number:03}.dcm").write_bytes(content)
    return folder


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("orientation", ["axial", "tilted", "oblique"])
def test_every_slice_of_a_clean_series_is_a_twin(tmp_path, syntax: str, orientation: str) -> None:
    put(tmp_path, [encoded(dataset, syntax) for dataset in ct_series(9, orientation=orientation)])
    assert twins_in(tmp_path) == 9
    require_equal(*read_twice(tmp_path))


def test_values_are_those_of_pydicom(tmp_path) -> None:
    series = mr_series(7)
    for number, dataset in enumerate(series):
        dataset.RescaleSlope, dataset.RescaleIntercept = 1.5 + number, -number
    write(series, tmp_path)
    assert twins_in(tmp_path) == 7
    by_uid = {dataset.SOPInstanceUID: dataset for dataset in series}
    for plane in load_sample(tmp_path).planes:
        dataset = by_uid[plane.source.sop_instance_uid]
        wanted = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        assert np.allclose(plane.values, wanted, rtol=1e-6)


def with_localizer(series: list[Dataset]) -> None:
    series.insert(4, localizer())


def with_duplicate(series: list[Dataset]) -> None:
    series.append(series[3])


def with_copy(series: list[Dataset]) -> None:
    series.append(ct_series(10)[3])
    series[-1].SOPInstanceUID = uid("copy")


def with_clash(series: list[Dataset]) -> None:
    with_copy(series)
    series[-1].PixelData = series[-1].PixelData[::-1]


def with_gap(series: list[Dataset]) -> None:
    del series[5]


def with_another_spacing(series: list[Dataset]) -> None:
    series[6].PixelSpacing = [1.25, 1.1]


def with_another_size(series: list[Dataset]) -> None:
    series[6] = ct_series(10, rows=20)[6]


def with_another_series(series: list[Dataset]) -> None:
    series += ct_series(3, name="another")


def with_another_study(series: list[Dataset]) -> None:
    series[2].StudyInstanceUID = uid("elsewhere")


def with_another_frame(series: list[Dataset]) -> None:
    series[2].FrameOfReferenceUID = uid("elsewhere")


def without_orientation(series: list[Dataset]) -> None:
    del series[2].ImageOrientationPatient


def with_wrong_orientation(series: list[Dataset]) -> None:
    series[2].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]


def with_a_radiograph(series: list[Dataset]) -> None:
    series += dx_image()
    series[-1].SeriesInstanceUID = series[0].SeriesInstanceUID


def with_slope_zero(series: list[Dataset]) -> None:
    series[8].RescaleSlope = 0


def with_no_number(series: list[Dataset]) -> None:
    series[8].add_new("RescaleIntercept", "DS", "NaN")


def with_a_wrong_uid(series: list[Dataset]) -> None:
    series[8].SOPInstanceUID = "1.2..3"


def with_several_windows(series: list[Dataset]) -> None:
    series[3].WindowCenter, series[3].WindowWidth = [40, 300], [400, 1500]


def without_windows(series: list[Dataset]) -> None:
    for dataset in series:
        del dataset.WindowCenter, dataset.RescaleIntercept
        dataset.PixelPaddingValue = 24


def with_bits_above_the_high_bit(series: list[Dataset]) -> None:
    for dataset in series:
        dataset.PixelData = (np.frombuffer(dataset.PixelData, "<u2") | 0xA000).tobytes()


def with_signed_pixels(series: list[Dataset]) -> None:
    for dataset in series:
        dataset.PixelRepresentation = 1
        dataset.add_new("SmallestImagePixelValue", "SS", -5 - int(dataset.InstanceNumber))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(
    "change",
    [
        with_localizer, with_duplicate, with_copy, with_clash, with_gap, with_another_spacing, with_another_size,
        with_another_series, with_another_study, with_another_frame, without_orientation, with_wrong_orientation,
        with_a_radiograph, with_slope_zero, with_no_number, with_a_wrong_uid, with_several_windows, without_windows,
        with_bits_above_the_high_bit, with_signed_pixels,
    ],
)  # fmt: skip
def test_a_series_with_a_fault_is_judged_the_same(tmp_path, change: Any, syntax: str) -> None:
    series = ct_series(10)
    change(series)
    if syntax == ExplicitVRBigEndian:  # pydicom writes pixel data as it stands, so that its bytes are turned here
        for dataset in series:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    put(tmp_path, [encoded(dataset, syntax) for dataset in series])
    require_equal(*read_twice(tmp_path))


def _item(text: str, nested: bool) -> Dataset:
    item = Dataset()
    item.CodeMeaning = text
    if nested:
        inner = Dataset()
        inner.ReferencedSOPInstanceUID = uid(text)
        item.ReferencedImageSequence = Sequence([inner])
    return item


TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\\\r\n\x1b", min_codepoint=32), max_size=12)
NUMBER = st.one_of(st.integers(-3000, 3000).map(str), st.floats(-999, 999).map(lambda v: f"{v:.6g}"))
ODD_NUMBER = st.sampled_from(["", " 7", "7 ", "+7.", ".5", "1e3", "1E-2", "0x10", "NaN", "Infinity", "7\\8", "--1"])
FIELDS = {
    "SliceLocation": ("DS", st.one_of(NUMBER, ODD_NUMBER)), "WindowCenter": ("DS", st.one_of(NUMBER, ODD_NUMBER)),
    "RescaleSlope": ("DS", st.one_of(NUMBER, ODD_NUMBER)),
    "InstanceNumber": ("IS", st.one_of(NUMBER, st.sampled_from(["", "+7", "7 ", "0x10", "7.0", "7\\8"]))),
    "AcquisitionTime": ("TM", st.sampled_from(["101112", "101112.123456", "", "10:11:12", "25", "noon"])),
    "ContentDate": ("DA", st.sampled_from(["20260101", "2026.01.01", "", "tomorrow"])),
    "ImageComments": ("LT", TEXT), "ProtocolName": ("LO", TEXT), "PatientName": ("PN", TEXT),
    "FrameOfReferenceUID": ("UI", st.sampled_from(["1.2.3", "1.2.3.4", "", "1.2.x", "1.2.3\\1.2.4"])),
    "ImageType": ("CS", st.sampled_from(["ORIGINAL\\PRIMARY", "DERIVED\\SECONDARY\\LOCALIZER", ""])),
}  # fmt: skip
PRIVATE = st.sampled_from([("LO", b"text"), ("UN", b"\1\2\3"), ("FD", b"\0" * 8), ("SS", b"no"), ("SL", b"no number!")])


@st.composite
def changes(draw: st.DrawFn) -> list[Any]:
    """What is done to one instance: elements set, removed, put in sequences or in private blocks."""
    done: list[Any] = []
    for keyword in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True)):
        done.append((keyword, draw(FIELDS[keyword][1])))
    if draw(st.booleans()):
        done.append(("sequence", draw(TEXT), draw(st.booleans()), draw(st.booleans())))
    if draw(st.integers(0, 3)) == 0:
        done.append(("private", *draw(PRIVATE)))
    if draw(st.integers(0, 5)) == 0:
        done.append(("remove", draw(st.sampled_from(["WindowCenter", "SliceThickness", "ImageType", "KVP"]))))
    return done


def changed(dataset: Dataset, done: list[Any]) -> None:
    for change in done:
        match change:
            case ("sequence", text, nested, endless):
                sequence = Sequence([_item(text, nested)])
                dataset["SourceImageSequence"] = DataElement(
                    0x00082112, "SQ", sequence, is_undefined_length=endless, already_converted=True
                )
                sequence[0].is_undefined_length_sequence_item = endless
            case ("private", vr, value):
                block = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
                block.add_new(0x02, "UN", value) if vr == "UN" else block.add_new(0x02, "OB", value)
            case ("remove", keyword):
                if keyword in dataset:
                    delattr(dataset, keyword)
            case (keyword, value):
                vr = FIELDS[keyword][0]
                dataset[keyword] = _raw(keyword, vr, value.encode("latin-1"))


def _raw(keyword: str, vr: str, value: bytes) -> Any:
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import BaseTag

    padded = value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    return RawDataElement(BaseTag(tag_for_keyword(keyword)), vr, len(padded), padded, 0, False, True)


SMALL = [encoded(dataset) for dataset in ct_series(6, rows=4, columns=6)]


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(), st.sampled_from(["ISO_IR 100", "ISO_IR 192"]), changes(),
    st.lists(st.tuples(st.integers(0, 5), changes()), max_size=5),
    st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1), st.integers(0, 255)), max_size=2),
)  # fmt: skip
def test_whatever_the_files_hold_both_ways_agree(
    implicit: bool, charset: str, everywhere: list[Any], somewhere: list[tuple[int, list[Any]]],
    damage: list[tuple[int, float, int]],
) -> None:  # fmt: skip
    contents = []
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for number, content in enumerate(SMALL):
            dataset = dcmread(BytesIO(content))
            dataset.SpecificCharacterSet = charset
            changed(dataset, everywhere)
            for which, done in somewhere:
                if which == number:
                    changed(dataset, done)
            contents.append(encoded(dataset, ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian))
        for which, place, byte in damage:
            content = bytearray(contents[which])
            content[132 + int(place * (len(content) - 133))] = byte
            contents[which] = bytes(content)
        require_equal(*read_twice(put(Path(folder), contents)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.floats(0, 1))
def test_a_slice_cut_short_is_refused_as_ever(which: int, share: float) -> None:
    contents = list(SMALL)
    contents[which] = contents[which][: int(share * (len(contents[which]) - 1))]
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        quick, plain = read_twice(put(Path(folder), contents))
        assert isinstance(quick, str)
        require_equal(quick, plain)


def test_comparing_is_given_up_where_nothing_is_alike(tmp_path) -> None:
    series = ct_series(40, rows=4, columns=6)
    for number, dataset in enumerate(series):
        for tag in range(number):
            dataset.add_new(0x00185100 + tag, "LO", "x")  # every slice has elements of its own
    write(series, tmp_path)
    with patch.object(Pattern, "learned", wraps=Pattern.learned) as learned:
        require_equal(*read_twice(tmp_path))
    assert 0 < learned.call_count <= MAXIMUM_PATTERNS


def test_a_compressed_series_is_not_compared(tmp_path) -> None:
    series = ct_series(40, rows=8, columns=8)
    for dataset in series:
        dataset.compress(RLELossless, generate_instance_uid=False)
    write(series, tmp_path)
    with patch.object(Pattern, "learned", wraps=Pattern.learned) as learned:
        require_equal(*read_twice(tmp_path))
    assert learned.call_count < 20
    assert twins_in(tmp_path) == 0


def test_bytes_after_the_pixels_are_no_twin_and_no_trouble(tmp_path) -> None:
    contents = list(SMALL)
    contents[2] += b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0\0\0\0\0"  # Data Set Trailing Padding
    put(tmp_path, contents)
    assert twins_in(tmp_path) == 5
    require_equal(*read_twice(tmp_path))


def test_a_dataset_that_was_handed_out_is_what_counts_from_then_on(tmp_path) -> None:
    put(tmp_path, SMALL)
    series = open_series(tmp_path)
    before = to_sample(series)
    series[0].RescaleIntercept = -2000
    series[3].SeriesDescription = "changed"
    after = to_sample(series)
    moved = [a.values.max() - b.values.max() for a, b in zip(after.planes, before.planes, strict=True)]
    assert sorted(moved) == [-976, 0, 0, 0, 0, 0]
    assert sum(header.get("SeriesDescription") == "changed" for header in after.headers) == 1
    series[1].RescaleSlope = 0
    with pytest.raises(RefusedInput, match="RescaleSlope is zero"):
        to_sample(series)


def test_datasets_are_those_that_pydicom_reads(tmp_path) -> None:
    paths = sorted(put(tmp_path, SMALL).iterdir())
    for ours, path in zip(open_series(tmp_path), paths, strict=True):
        require_same_dataset(ours, dcmread(path))
        assert ours.filename == str(path)
        assert encoded(ours) == encoded(dcmread(path))


def test_headers_come_as_datasets_without_pixels(tmp_path) -> None:
    put(tmp_path, SMALL)
    headers = load_sample(tmp_path).headers
    assert [("PixelData" in header, header.PatientName) for header in headers[:2]] == [(False, PATIENT_NAME)] * 2
    assert headers[0] is headers[0]


def test_a_folder_archive_gives_the_same(tmp_path) -> None:
    series = ct_series(6)
    archive = FolderArchive(tmp_path)
    archive.store(series).require_complete()
    held = archive.retrieve_series(series[0].StudyInstanceUID, series[0].SeriesInstanceUID)
    assert isinstance(held, Instances)
    one_by_one = list(archive.iter_series(series[0].StudyInstanceUID, series[0].SeriesInstanceUID))
    require_equal(to_sample(held), to_sample(one_by_one))


def test_files_go_to_memory_whole_or_not_at_all(tmp_path) -> None:
    sizes = [10, 40_000_000, 3, 0, 7]
    paths = []
    for number, size in enumerate(sizes):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(bytes([number]) * size)
    announced = [*zip(paths, [10, 40_000_000, 4, 0, 6], strict=True), (tmp_path / "gone", 5)]
    read = [None if content is None else content.tobytes() for content in read_files(announced)]
    assert read == [paths[0].read_bytes(), paths[1].read_bytes(), None, b"", None, None]


@pytest.mark.parametrize("name", ["dicom_mr_brain/Study1/13_HCropVolume", "dicom_mr_brain/Study3/11-T1post-18670"])
def test_real_series(name: str) -> None:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip("../shared/data is not here")
    assert twins_in(folder) > 10
    require_equal(*read_twice(folder))
