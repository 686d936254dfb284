"""Text that reaches DICOM: any alphabet survives, control characters do not, and length has an end."""

import io
import warnings

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dicom_phantoms
import reporting_reads as reads
from wetread.errors import RefusedInput
from wetread.reporting.identity import clean_text, derived_uid
from wetread.reporting.segmentation import build_seg
from wetread.reporting.structured_report import build_sr
from wetread.terminology import Modality
from wetread.uids import is_uid

REASONING = "−820 HU ≈ größe"
NAMES = {
    "ISO_IR 100": "Müller^Jürgen",
    "ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
    "GB18030": "Wang^XiaoDong=王^小东",
    "ISO_IR 144": "Люкceмбypг",
    "ISO_IR 192": "Άγγελος^Ω",
}


@pytest.mark.parametrize("character_set", NAMES)
def test_name_and_reasoning_survive_every_source_character_set(character_set):
    name = NAMES[character_set]
    datasets = [_renamed(d, character_set, name) for d in dicom_phantoms.ct_series(3)]
    assert str(datasets[0].PatientName) == name
    sample = reads.slices_sample(datasets, Modality.CT)
    mask = reads.asymmetric_mask(sample, [0, 1])
    read = reads.read_of([reads.finding(sample, "liver", mask)], reasoning=REASONING)
    seg = build_seg(read, sample)
    for built in (seg, build_sr(read, sample, seg)):
        back = _through_bytes(built)
        assert back.SpecificCharacterSet == "ISO_IR 192"
        assert str(back.PatientName) == name
    texts = [item.TextValue for item in back.ContentSequence[-1].ContentSequence]
    assert REASONING in texts


def test_a_name_that_cannot_be_decoded_is_refused_without_being_told():
    dataset = _renamed(dicom_phantoms.dx_image()[0], "ISO_IR 100", "Müller^Jürgen")
    dataset.SpecificCharacterSet = "ISO_IR 192"  # a lie: the bytes are Latin-1
    broken = _through_bytes(dataset, keep_raw_name=b"M\xfcller^J\xfcrgen")
    sample = reads.image_sample(broken, Modality.XRAY)
    read = reads.read_of([reads.box_finding("lesion", (1, 1, 9, 9))])
    with pytest.raises(RefusedInput) as refusal:
        build_seg(read, sample)
    assert "ller" not in str(refusal.value)


def test_no_warning_repeats_the_patients_name():
    datasets = [_renamed(d, "ISO_IR 192", "Einzelname") for d in dicom_phantoms.ct_series(3)]
    sample = reads.slices_sample(datasets, Modality.CT)
    read = reads.read_of([reads.box_finding("liver", (1, 1, 9, 9))])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build_sr(read, sample, build_seg(read, sample))
    assert not any("Einzelname" in str(warning.message) for warning in caught)


@given(st.text(max_size=200), st.integers(min_value=60, max_value=120))
def test_clean_text_can_always_be_stored(text, limit):
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert not any(ord(character) < 32 and character != "\n" for character in cleaned)
    assert clean_text(cleaned, limit) == cleaned
    assert "\ufffd" not in cleaned, "half a character of the model's is not passed on"


def test_line_ends_stay_and_escapes_go():
    assert clean_text("first\r\nsecond\x1b[31m\x00\tthird\n", 100) == "first\nsecond[31m third"


def test_a_text_that_is_cut_says_so():
    assert clean_text("a" * 500, 100).endswith("[cut: 500 characters]")


@given(st.text(max_size=40))
def test_derived_uids_are_valid_and_repeatable(kind):
    assert is_uid(derived_uid("2.25.1", kind))
    assert derived_uid("2.25.1", kind) == derived_uid("2.25.1", kind)
    assert derived_uid("2.25.1", kind) != derived_uid("2.25.2", kind)


def _renamed(dataset, character_set, name):
    dataset.SpecificCharacterSet = ["", character_set] if character_set.startswith("ISO 2022") else character_set
    dataset.PatientName = name
    return _through_bytes(dataset)


def _through_bytes(dataset, keep_raw_name=None):
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    if keep_raw_name is not None:
        stored = str(dataset.PatientName).encode("utf-8")
        assert data.count(stored) == 1
        data = data.replace(stored, keep_raw_name.ljust(len(stored)))
    return pydicom.dcmread(io.BytesIO(data))
