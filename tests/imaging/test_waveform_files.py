"""ECGs in WFDB, CSV and NumPy files: wrapped into DICOM that validators take, and never a file elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from ecg_phantoms import STANDARD, signals, write_wfdb
from validators import dciodvfy_errors
from wetread.errors import RefusedInput
from wetread.imaging import load_sample, open_series
from wetread.imaging.leads import INDEPENDENT
from wetread.imaging.waveform import Recording
from wetread.imaging.wrap_waveform import wrap_recording

UNTIMED = "time of recording not known, 1900-01-01 stands for it"


def refusal(path: Path, modality: str | None = None) -> str:
    with pytest.raises(RefusedInput) as caught:
        load_sample(path, modality)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def table(path: Path, heading: str | None, rows: np.ndarray, before: str = "") -> Path:
    lines = [before] if before else []
    lines += [heading] if heading else []
    path.write_text("\n".join([*lines, *(",".join(f"{v:.6g}" for v in row) for row in rows)]) + "\n", encoding="utf-8")
    return path


class TestWfdb:
    @pytest.mark.parametrize("given", ["header", "signals", "folder"])
    def test_a_record_by_its_header_its_signals_or_its_folder(self, tmp_path, given):
        header = write_wfdb(tmp_path)
        path = {"header": header, "signals": header.with_suffix(".dat"), "folder": tmp_path}[given]
        waveform = load_sample(path)
        assert waveform.leads == STANDARD
        assert np.allclose(waveform.signals, signals(), atol=0.0011)
        assert waveform.remarks == ("wrapped from a file that is not DICOM", UNTIMED)

    def test_wrapping_twice_gives_the_same_instance(self, tmp_path):
        first, second = open_series(write_wfdb(tmp_path / "a")), open_series(write_wfdb(tmp_path / "b"))
        assert first[0].SOPInstanceUID == second[0].SOPInstanceUID
        assert first[0] == second[0]

    def test_the_time_of_recording_is_kept_where_the_header_says_it(self, tmp_path):
        import datetime

        header = write_wfdb(tmp_path, base_date=datetime.date(2020, 5, 12), base_time=datetime.time(12, 33, 59))
        dataset = open_series(header)[0]
        assert dataset.AcquisitionDateTime == "20200512123359"
        assert UNTIMED not in load_sample(header).remarks

    @pytest.mark.parametrize("name", ["../secret.dat", "/etc/passwd", "http://127.0.0.1/x.dat", "..", "a/b.dat"])
    def test_a_header_that_names_a_file_elsewhere_is_refused_before_anything_is_opened(
        self, tmp_path, name, monkeypatch
    ):
        import wfdb

        monkeypatch.setattr(wfdb, "rdrecord", lambda *a, **k: pytest.fail("signals were opened"))
        header = write_wfdb(tmp_path / "in")
        (tmp_path / "secret.dat").write_bytes(b"\0" * 120000)
        header.write_text(header.read_text().replace("rec.dat", name))
        said = refusal(header)
        assert "outside its folder" in said or "not a whole WFDB record" in said

    def test_a_link_that_leads_out_of_the_folder_is_refused(self, tmp_path):
        header = write_wfdb(tmp_path / "in")
        os.replace(header.with_suffix(".dat"), tmp_path / "rec.dat")
        os.symlink(tmp_path / "rec.dat", header.with_suffix(".dat"))
        assert "outside its folder" in refusal(header)

    @pytest.mark.parametrize("end", [1000, 0])
    def test_a_signal_file_that_breaks_off_is_refused(self, tmp_path, end):
        header = write_wfdb(tmp_path)
        content = header.with_suffix(".dat").read_bytes()
        header.with_suffix(".dat").write_bytes(content[:end])
        assert "WFDB record" in refusal(header)

    def test_missing_files_are_named(self, tmp_path):
        header = write_wfdb(tmp_path)
        header.with_suffix(".dat").unlink()
        assert "the signal file of the WFDB header is not there" in refusal(header)
        (tmp_path / "alone.dat").write_bytes(b"x")
        assert "without its header" in refusal(tmp_path / "alone.dat")

    def test_a_sample_that_is_not_a_number_is_refused(self, tmp_path):
        header = write_wfdb(tmp_path)
        data = np.fromfile(header.with_suffix(".dat"), dtype="<i2").reshape(-1, 12)
        data[2000:2003, 6] = -32768  # WFDB's value for no value
        data.tofile(header.with_suffix(".dat"))
        assert "3 samples of lead V1 are not numbers" in refusal(header)

    def test_an_absurd_rate_and_garbage_are_refused(self, tmp_path):
        assert "a sampling rate of 4 Hz" in refusal(write_wfdb(tmp_path / "a", rate=4.0))
        (tmp_path / "x.hea").write_bytes(b"\xff\x00 nothing")
        assert "WFDB" in refusal(tmp_path / "x.hea")


class TestTable:
    def test_named_columns_with_time(self, tmp_path):
        times = np.arange(2500) / 250.0
        rows = np.column_stack([times, signals(("V2", "II", "I"), 250.0).T])
        waveform = load_sample(table(tmp_path / "e.csv", "time,V2,Lead II,i", rows))
        assert waveform.leads == ("I", "II", "V2")
        assert waveform.rate_hz == 250.0
        assert np.allclose(waveform.signals, signals(("I", "II", "V2"), 250.0), atol=0.0002)

    def test_units_in_the_heading_and_the_rate_in_a_line(self, tmp_path):
        rows = 1000.0 * signals(("I", "II"), 400.0).T
        waveform = load_sample(table(tmp_path / "e.csv", "I (uV),II [µV]", rows, "# rate_hz: 400"))
        assert waveform.rate_hz == 400.0
        assert np.allclose(waveform.signals, signals(("I", "II"), 400.0), atol=0.001)

    @pytest.mark.parametrize("leads", [STANDARD, INDEPENDENT], ids=["12", "8"])
    def test_columns_without_names_are_the_twelve_or_the_eight(self, tmp_path, leads):
        waveform = load_sample(table(tmp_path / "e.csv", None, signals(leads).T, "# rate_hz=500"))
        assert waveform.leads == leads

    @pytest.mark.parametrize(
        ("heading", "before", "rows", "words"),
        [
            (None, "# rate_hz: 500", signals(STANDARD[:7]).T, "7 leads without names"),
            ("I,II", "", signals(("I", "II")).T, "does not say its sampling rate"),
            ("I,II", "# rate_hz: 1e9", signals(("I", "II")).T, "a sampling rate of 1e+09 Hz"),
            ("I,II", "# rate_hz: nan", signals(("I", "II")).T, "a sampling rate of nan Hz"),
            ("I,I", "# rate_hz: 500", signals(("I", "II")).T, "lead I twice"),
            ("a,b", "# rate_hz: 500", signals(("I", "II")).T, "none of 2 columns is a standard lead"),
            ("I,II,V1", "# rate_hz: 500", signals(("I", "II")).T, "3 headings over 2 columns"),
            ("I (mmHg),II", "# rate_hz: 500", signals(("I", "II")).T, "lead I is not measured in volts"),
            ("I,II", "# rate_hz: 500", 1000 * signals(("I", "II")).T, "no ECG is so large"),
            ("time,II", "", np.column_stack([np.zeros(5000), signals(("II",))[0]]), "does not rise evenly"),
            ("I,II", "# rate_hz: 500", np.zeros((0, 2)), "without samples"),
            ("I,II", "# rate_hz: 500", np.zeros((5000, 2)), "flat line in lead I, II"),
        ],
        ids=lambda value: value if isinstance(value, str) and len(value) > 18 else "",
    )
    def test_what_cannot_be_read_is_one_line(self, tmp_path, heading, before, rows, words):
        assert words in refusal(table(tmp_path / "e.csv", heading, rows, before))

    def test_empty_cells_are_no_numbers_and_ragged_rows_no_table(self, tmp_path):
        path = table(tmp_path / "e.csv", "I,II", signals(("I", "II")).T, "# rate_hz: 500")
        lines = path.read_text().splitlines()
        lines[1000] = "0.1,"
        path.write_text("\n".join(lines))
        assert "1 samples of lead II are not numbers" in refusal(path)
        lines[1000] = "0.1,0.2,0.3"
        path.write_text("\n".join(lines))
        assert "rows of different length" in refusal(path)
        path.write_bytes(b"\xff\xfe\x00bad")
        assert "not a readable table" in refusal(path)


class TestNumpy:
    def test_npz_says_everything(self, tmp_path):
        np.savez(tmp_path / "e.npz", signals=signals(("II", "V1"), 360.0), rate_hz=360.0, leads=["II", "V1"])
        waveform = load_sample(tmp_path / "e.npz")
        assert (waveform.leads, waveform.rate_hz) == (("II", "V1"), 360.0)

    @pytest.mark.parametrize("turned", [False, True])
    def test_npy_of_eight_leads_is_ten_seconds_and_the_remark_says_so(self, tmp_path, turned):
        array = signals(INDEPENDENT, 250.0).astype(np.float32)
        np.save(tmp_path / "e.npy", array.T if turned else array)
        waveform = load_sample(tmp_path / "e.npy", "ECG")
        assert (waveform.leads, waveform.rate_hz) == (INDEPENDENT, 250.0)
        assert "sampling rate not given, ten seconds assumed" in waveform.remarks

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"signals": np.zeros((5, 5000))}, "5 leads without names"),
            ({"signals": signals(INDEPENDENT, 250.0)[:, :-3]}, "2497 samples and no sampling rate"),
            ({"signals": np.zeros((12, 4, 3))}, "signals of shape (12, 4, 3)"),
            ({"data": np.zeros((12, 5000))}, "no array 'signals'"),
            ({"signals": signals(("I", "II")), "leads": ["I"], "rate_hz": 500}, "1 lead names for 2 leads"),
            ({"signals": signals(), "rate_hz": [1, 2]}, "rate_hz is not one number"),
            ({"signals": signals() + 0 * np.where(np.arange(5000) == 7, np.nan, 0), "rate_hz": 500}, "not numbers"),
            ({"signals": np.full((12, 5000), np.inf), "rate_hz": 500}, "no lead that can be read"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_cannot_be_read_is_one_line(self, tmp_path, arrays, words):
        np.savez(tmp_path / "e.npz", **arrays)
        assert words in refusal(tmp_path / "e.npz")

    def test_a_lead_without_values_is_missing_and_empty_ends_are_cut(self, tmp_path):
        held = signals(("I", "II", "V1"))
        held[2], held[:, 4800:] = np.nan, np.nan
        np.savez(tmp_path / "e.npz", signals=held, rate_hz=500, leads=["I", "II", "V1"])
        waveform = load_sample(tmp_path / "e.npz")
        assert waveform.leads == ("I", "II")
        assert waveform.seconds == 9.6
        assert "V1" in waveform.missing

    def test_pickles_and_damaged_archives_are_refused(self, tmp_path):
        np.save(tmp_path / "e.npy", np.array([{"a": 1}], dtype=object))
        assert "without pickled objects" in refusal(tmp_path / "e.npy", "ECG")
        (tmp_path / "e.npz").write_bytes(b"PK\x03\x04" + b"\0" * 50)
        assert "NumPy file" in refusal(tmp_path / "e.npz")

    def test_an_ecg_file_is_no_picture(self, tmp_path):
        np.savez(tmp_path / "e.npz", signals=signals(), rate_hz=500)
        assert "an ECG file read as CT" in refusal(tmp_path / "e.npz", "CT")


@pytest.mark.parametrize(
    ("leads", "rate", "seconds", "sop_class"),
    [
        (STANDARD, 500.0, 10.0, "1.2.840.10008.5.1.4.1.1.9.1.1"),
        (INDEPENDENT, 250.0, 10.0, "1.2.840.10008.5.1.4.1.1.9.1.2"),
        (STANDARD, 500.0, 59.0, "1.2.840.10008.5.1.4.1.1.9.1.2"),
        (("I", "II", "V1"), 100.0, 10.0, "1.2.840.10008.5.1.4.1.1.9.1.3"),
        (STANDARD, 2000.0, 10.0, "1.2.840.10008.5.1.4.1.1.9.1.1"),
    ],
    ids=["12-lead", "general", "long", "ambulatory", "fast"],
)
def test_wrapped_recordings_are_valid_dicom(tmp_path, leads, rate, seconds, sop_class):
    recording = Recording(dict(zip(leads, signals(leads, rate, seconds), strict=True)), rate)
    dataset = wrap_recording(recording)
    assert dataset.SOPClassUID == sop_class
    dataset.save_as(tmp_path / "w.dcm", enforce_file_format=True)
    assert dciodvfy_errors(tmp_path / "w.dcm") == []
    waveform = load_sample(tmp_path / "w.dcm")
    assert waveform.leads == leads
    step = 0.002 if rate > 1000 else 0.00026
    assert np.allclose(waveform.signals, signals(leads, min(rate, 1000.0), 10.0), atol=step)


def test_more_than_a_minute_is_cut_and_said():
    recording = Recording({"II": signals(("II",), 250.0, 90.0)[0]}, 250.0)
    dataset = wrap_recording(recording)
    assert dataset.WaveformSequence[0].NumberOfWaveformSamples == 15000
    assert "Only the first minute kept" in dataset.DerivationDescription


SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_every_real_record_is_read_and_its_flat_leads_are_named():
    headers = sorted((SHARED / "ecg12_cinc" / "records").glob("*.hea"))[::8]
    for header in [*headers, SHARED / "ecg_dicom" / "00001_lr.hea"]:
        waveform = load_sample(header)
        assert set(waveform.leads) == set(STANDARD) or any("flat line" in remark for remark in waveform.remarks)
        assert not any("check the order" in remark for remark in waveform.remarks)
