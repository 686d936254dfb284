"""DICOM ECG objects: every stored number as the standard means it, and one line for what cannot be read."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from ecg_phantoms import AMBULATORY, GENERAL, STANDARD, code, ecg, group, lead_at, save, signals
from wetread.errors import RefusedInput
from wetread.imaging import images, load_sample, open_series, to_sample
from wetread.imaging.leads import INDEPENDENT
from wetread.imaging.waveform import Waveform
from wetread.imaging.waveform_dicom import to_waveform
from wetread.terminology import Modality


def read(dataset: pydicom.Dataset) -> Waveform:
    waveform = to_sample([dataset])
    assert isinstance(waveform, Waveform)
    return waveform


def refusal(dataset: pydicom.Dataset) -> str:
    with pytest.raises(RefusedInput) as caught:
        read(dataset)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_twelve_leads_in_millivolts_with_their_channels():
    waveform = read(ecg())
    assert waveform.modality is Modality.ECG
    assert waveform.leads == STANDARD
    assert waveform.missing == ()
    assert waveform.rate_hz == 500.0
    assert np.allclose(waveform.signals, signals(), atol=0.00051)
    assert waveform.channels == tuple((1, number) for number in range(1, 13))
    assert waveform.remarks == ()
    assert "WaveformSequence" not in waveform.header


@pytest.mark.parametrize(
    "stored",
    [
        {"sensitivity": 2.5},
        {"sensitivity": 0.001, "unit": "mV"},
        {"sensitivity": 5.0, "correction": 0.5},
        {"sensitivity": 5.0, "correction": None},
        {"sensitivity": 1.0, "baseline": -500.0},
        {"sensitivity": 1.0, "baseline": -2500.0, "kind": "US"},
        {"sensitivity": 20.0, "kind": "SB"},
        {"sensitivity": 20.0, "baseline": -1500.0, "kind": "UB"},
    ],
    ids=str,
)
def test_sensitivity_correction_baseline_units_and_sample_types(stored):
    step = stored["sensitivity"] * (stored.get("correction") or 1.0) * (1.0 if stored.get("unit") == "mV" else 1e-3)
    waveform = read(ecg([group(**stored)]))
    assert np.abs(waveform.signals - signals()).max() <= 0.51 * step


def test_big_endian_files_hold_the_same_numbers(tmp_path):
    dataset = ecg([group(big_endian=True)])
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    pydicom.dcmwrite(tmp_path / "big.dcm", dataset, enforce_file_format=True, little_endian=False, implicit_vr=False)
    assert np.allclose(load_sample(tmp_path / "big.dcm").signals, signals(), atol=0.00051)


def test_the_rhythm_is_read_and_never_the_median_beat():
    beat = group(rate=1000.0, seconds=1.2, label="MEDIAN BEAT", originality="DERIVED")
    waveform = read(ecg([beat, group()]))
    assert {place[0] for place in waveform.channels} == {2}
    assert waveform.remarks == ("1 of 2 multiplex groups not read (median beats, or nothing new)",)


def test_a_median_beat_alone_is_refused():
    said = refusal(ecg([group(seconds=1.2, label="MEDIAN BEAT")]))
    assert said.startswith("no rhythm of at least 5 s (longest group 1.20 s)")


def test_leads_of_several_groups_are_put_together():
    waveform = read(ecg([group(STANDARD[:6]), group(STANDARD[6:])], GENERAL))
    assert waveform.leads == STANDARD
    assert waveform.channels[0] == (1, 1)
    assert waveform.channels[6] == (2, 1)
    assert np.allclose(waveform.signals, signals(), atol=0.00051)


def test_scp_ecg_codes_bare_labels_and_inverted_avr_are_known():
    item = group(("I", "II", "aVR", "V1"))
    first, second, third, fourth = item.ChannelDefinitionSequence
    first.ChannelSourceSequence = [code("5.6.3-9-1", "SCPECG", "Lead I (Einthoven)")]
    second.ChannelSourceSequence = [code("131330", "MDC", "MDC_ECG_ELEC_POTL_II")]
    third.ChannelSourceSequence = [code("2:65", "MDC", "\u2212aVR")]
    del fourth.ChannelSourceSequence
    fourth.ChannelLabel = "V1"
    waveform = read(ecg([item], GENERAL))
    assert waveform.leads == ("I", "II", "aVR", "V1")
    assert np.allclose(waveform.signals[2], -signals(("aVR",))[0], atol=0.00051)


def test_missing_leads_are_stated_and_limb_leads_derived_exactly():
    waveform = read(ecg([group(("III", "aVF", "V2"))], GENERAL))
    assert waveform.missing == ("V1", "V3", "V4", "V5", "V6")
    assert "lead I derived from III and aVF" in waveform.remarks
    assert "missing leads: V1, V3, V4, V5, V6" in waveform.remarks
    for lead in ("I", "II", "aVR", "aVL"):
        assert np.allclose(waveform.lead(lead), signals((lead,))[0], atol=0.004)
    assert waveform.lead("V1") is None
    assert waveform.channels_of("I") == ((1, 1), (1, 2))


def test_of_a_long_recording_ten_seconds_are_read_and_said():
    dataset = ecg([group(("I", "II", "V1"), rate=200.0, seconds=60.0)], AMBULATORY)
    assert "60.0 s recorded: 0 to 10 s are read" in read(dataset).remarks
    later = to_waveform([dataset], start_s=30.0)
    assert (later.start_s, later.seconds, later.recorded_s) == (30.0, 10.0, 60.0)
    assert np.allclose(later.signals[0], lead_at("I", 30.0 + np.arange(2000) / 200.0), atol=0.00051)


def test_of_hours_only_what_is_near_is_decoded():
    item = group(("I", "II", "V1"), rate=100.0, seconds=10.0)
    hours = 3
    item.WaveformData = item.WaveformData * (hours * 360)
    item.NumberOfWaveformSamples = 1000 * hours * 360
    late = to_waveform([ecg([item], AMBULATORY)], start_s=7200.0)
    assert late.recorded_s == hours * 3600.0
    assert np.allclose(late.signals[1], lead_at("II", np.arange(1000) / 100.0), atol=0.00051)
    assert "10800.0 s recorded: 7200 to 7210 s are read" in late.remarks


def test_a_short_recording_is_read_and_said():
    waveform = read(ecg([group(seconds=7.5)]))
    assert waveform.seconds == 7.5
    assert "7.50 s long: the model sees the rest of 10 s as zeros" in waveform.remarks


def test_padding_at_the_end_is_no_signal_and_within_it_is_refused():
    def padded(part: slice) -> pydicom.Dataset:
        item = group(seconds=12.0)
        stored = np.frombuffer(item.WaveformData, dtype="<i2").reshape(-1, 12).copy()
        stored[part] = -32768
        item.WaveformData, item.WaveformPaddingValue = stored.tobytes(), np.int16(-32768).tobytes()
        return ecg([item])

    waveform = read(padded(slice(5500, None)))
    assert waveform.recorded_s == 11.0
    assert "1.00 s without values at the ends of the recording left out" in waveform.remarks
    assert "samples of lead I are not numbers" in refusal(padded(slice(2000, 2010)))


def test_skew_between_channels_is_taken_out():
    item, times = group(("I", "II", "V1"), rate=500.0), np.arange(5000) / 500.0
    late = 3.0
    shifted = np.frombuffer(item.WaveformData, dtype="<i2").reshape(-1, 3).copy()
    shifted[:, 2] = np.round(1000 * lead_at("V1", times + late / 500.0))
    item.WaveformData = shifted.tobytes()
    item.ChannelDefinitionSequence[2].ChannelSampleSkew = late
    waveform = read(ecg([item], GENERAL))
    assert np.allclose(waveform.signals[2, 10:], lead_at("V1", times)[10:], atol=0.001)
    assert "channel skew of up to 6 ms taken out" in waveform.remarks


def test_filters_are_kept_as_remarks():
    item = group()
    for channel in item.ChannelDefinitionSequence:
        channel.FilterLowFrequency, channel.FilterHighFrequency, channel.NotchFilterFrequency = 0.05, 150.0, 50.0
    wanted = "recorded with a high-pass filter of 0.05 Hz, a low-pass filter of 150 Hz, a notch filter at 50 Hz"
    assert read(ecg([item])).remarks == (wanted,)


def test_limb_leads_that_break_einthovens_law_are_remarked_on():
    item = group()
    sources = [channel.ChannelSourceSequence for channel in item.ChannelDefinitionSequence]
    item.ChannelDefinitionSequence[0].ChannelSourceSequence = sources[1]
    item.ChannelDefinitionSequence[1].ChannelSourceSequence = sources[0]
    assert any("check the order of the leads" in remark for remark in read(ecg([item])).remarks)


def change(item: pydicom.Dataset, **values: object) -> pydicom.Dataset:
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def flat(lead: int) -> pydicom.Dataset:
    item = group()
    stored = np.frombuffer(item.WaveformData, dtype="<i2").reshape(-1, 12).copy()
    stored[:, lead] = 17
    return change(item, WaveformData=stored.tobytes())


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (change(group(), NumberOfWaveformChannels=11), "11 leads announced, 12 described"),
        (change(group(), WaveformData=group().WaveformData[:-100]), "truncated waveform: 119900 of 120000 bytes"),
        (change(group(), SamplingFrequency=3.0), "a sampling rate of 3 Hz"),
        (change(group(), SamplingFrequency=10_000_000.0), "a sampling rate of 1e+07 Hz"),
        (change(group(), NumberOfWaveformSamples=0), "NumberOfWaveformSamples"),
        (change(group(), WaveformSampleInterpretation="MB", WaveformBitsAllocated=8), "samples of type MB"),
        (group(seconds=3.0), "no rhythm of at least 5 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_one_line(item, words):
    assert words in refusal(ecg([item]))


def test_a_flat_lead_that_follows_from_others_is_left_out():
    waveform = read(ecg([flat(3)]))
    assert "flat line in lead aVR: left out" in waveform.remarks
    assert waveform.lead("aVR") is not None


def test_a_flat_chest_lead_is_a_missing_lead():
    waveform = read(ecg([flat(6)]))
    assert "flat line in lead V1: left out" in waveform.remarks
    assert "missing lead: V1" in waveform.remarks
    assert waveform.missing == ("V1",)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("ChannelSensitivity", None, "lead I has no sensitivity in volts"),
        ("ChannelSensitivityUnitsSequence", [code("mm[Hg]", "UCUM", "mmHg")], "lead I is not measured in volts"),
        ("ChannelSensitivity", 0.0, "lead I has a sensitivity of zero"),
        ("ChannelSourceSequence", [code("2:2", "MDC", "Lead II")], "two channels for lead II"),
        ("ChannelSourceSequence", [code("2:2", "MDC", "Lead V5")], "coded as lead II and called V5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_channel_that_says_nothing_sound_is_one_line(keyword, value, words):
    item = group()
    if value is None:
        delattr(item.ChannelDefinitionSequence[0], keyword)
    else:
        setattr(item.ChannelDefinitionSequence[0], keyword, value)
    assert words in refusal(ecg([item]))


def test_wrong_units_that_make_it_far_too_large_are_refused():
    assert "no ECG is so large" in refusal(ecg([change_units(group())]))


def change_units(item: pydicom.Dataset) -> pydicom.Dataset:
    for channel in item.ChannelDefinitionSequence:
        channel.ChannelSensitivityUnitsSequence = [code("mV", "UCUM", "millivolt")]
    return item


def test_an_instance_without_waveform_and_one_without_any_standard_lead():
    empty = ecg()
    del empty.WaveformSequence
    assert "no waveform data" in refusal(empty)
    item = group(("I", "II"))
    for channel in item.ChannelDefinitionSequence:
        channel.ChannelSourceSequence = [code("2:74", "MDC", "External pacing lead")]
    assert "none of 2 channels is a standard lead" in refusal(ecg([item], GENERAL))


def test_several_recordings_in_one_series_are_refused():
    second = ecg(name="ecg")
    second.SOPInstanceUID = second.SOPInstanceUID + ".1"
    with pytest.raises(RefusedInput, match="2 ECG recordings in one series"):
        to_sample([ecg(), second])


def test_callers_that_need_pictures_are_told():
    with pytest.raises(RefusedInput, match="an ECG where images are needed"):
        images(read(ecg()))


def test_the_real_recording_that_pydicom_installs(tmp_path):
    waveform = load_sample(get_testdata_file("waveform_ecg.dcm"))
    assert waveform.leads == STANDARD
    assert waveform.missing == ()
    assert (waveform.rate_hz, waveform.seconds) == (1000.0, 10.0)
    assert float(np.abs(waveform.signals).max()) < 5.0
    assert not any("check the order" in remark for remark in waveform.remarks)
    assert {place[0] for place in waveform.channels} == {1}


def test_a_saved_phantom_opens_as_a_series(tmp_path):
    path = save(ecg(), tmp_path / "ecg.dcm")
    assert len(open_series(path)) == 1
    assert load_sample(tmp_path).leads == STANDARD
    assert set(INDEPENDENT) <= set(STANDARD)
