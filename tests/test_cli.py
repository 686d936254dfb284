"""The command line: what it writes, what it says, and how it refuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

import dicom_phantoms as phantoms
from threshold_reader import NOT_COVERED, ThresholdReader
from wetread import cli
from wetread.archive import open_archive
from wetread.commands.present import UNREVIEWED
from wetread.pipeline import OUTCOME_FILES

HEAVY = {"torch", "transformers", "highdicom", "pydicom", "numpy", "SimpleITK", "skimage", "scipy", "fastapi"}


@pytest.fixture
def threshold(monkeypatch):
    """The command line with a reader that needs no weights."""
    monkeypatch.setattr("wetread.reading.Reader", ThresholdReader)


@pytest.fixture
def tissue(tmp_path):
    path = tmp_path / "tissue.png"
    Image.fromarray(phantoms.stained_tissue()).save(path)
    return path


def files_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class TestHelp:
    def test_help_is_printed_without_loading_anything_heavy(self):
        """Under 0.3 s of CPU; measured as what it imports, because seconds depend on the machine."""
        code = (
            "import sys\nfrom wetread.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as end:\n"
            "    assert end.code == 0\nprint(','.join(sys.modules))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "usage: wetread" in result.stdout
        loaded = {name.split(".")[0] for name in result.stdout.splitlines()[-1].split(",")}
        assert loaded & HEAVY == set()

    @pytest.mark.skipif(sys.platform == "win32", reason="the CPU time of children is not told on Windows")
    def test_help_costs_little_more_than_starting_python(self):
        def cpu_of(*arguments):
            before = os.times()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            after = os.times()
            return after.children_user + after.children_system - before.children_user - before.children_system

        bare = min(cpu_of("-c", "pass") for _ in range(3))
        assert min(cpu_of("-m", "wetread", "--help") for _ in range(3)) < 10 * bare + 0.05

    @pytest.mark.parametrize("command", ["read", "demo", "serve", "verify", "evaluate", "train", "train sft"])
    def test_every_command_explains_itself(self, command, capsys):
        with pytest.raises(SystemExit) as end:
            cli.main([*command.split(), "--help"])
        assert end.value.code == 0
        assert f"usage: wetread {command}" in capsys.readouterr().out

    def test_python_m_wetread_is_wetread(self):
        result = subprocess.run([sys.executable, "-m", "wetread", "--version"], capture_output=True, text=True)
        assert result.returncode == 0
        assert result.stdout.startswith("wetread 0.")

    @pytest.mark.parametrize("arguments", [[], ["read"], ["read", "x"], ["frobnicate"], ["read", "x", "--seed", "y"]])
    def test_wrong_usage_exits_with_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 2
        assert "usage: wetread" in capsys.readouterr().err


@pytest.fixture
def ordinary_interrupt():
    """Python's own Ctrl-C, which a shell's background job starts without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("threshold")
class TestRead:
    def test_a_ct_series_gives_four_files_and_a_readable_read(self, tmp_path, capsys):
        phantoms.write(phantoms.ct_series(), tmp_path / "ct")
        assert cli.main(["read", str(tmp_path / "ct"), "--out", str(tmp_path / "out")]) == 0
        assert files_in(tmp_path / "out") == sorted(OUTCOME_FILES)
        said = capsys.readouterr().out
        for words in ("CT, ", "Some pixels are brighter", "liver", "0.75", "Bright.", UNREVIEWED[:30], "seg.dcm"):
            assert words in said

    @pytest.mark.parametrize("make", [phantoms.mr_series, phantoms.dx_image, phantoms.ultrasound_cine,
                                      phantoms.visible_light])  # fmt: skip
    def test_other_kinds_of_study_give_the_same_files(self, make, tmp_path):
        phantoms.write(make(), tmp_path / "study")
        assert cli.main(["read", str(tmp_path / "study"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
        assert files_in(tmp_path / "out") == sorted(OUTCOME_FILES)

    def test_further_outputs_are_written_and_the_page_is_stored_beside_the_report(self, tmp_path, capsys):
        phantoms.write(phantoms.ct_series(), tmp_path / "ct")
        arguments = ["read", str(tmp_path / "ct"), "--out", str(tmp_path / "out"), "--quiet"]
        assert cli.main([*arguments, "--also", "fhir,pdf", "--archive", str(tmp_path / "archive")]) == 0
        assert files_in(tmp_path / "out") == sorted([*OUTCOME_FILES, "fhir.json", "report.pdf", "pdf.dcm"])
        held = {str(d.SOPInstanceUID) for d in open_archive(tmp_path / "archive").search_instances()}
        assert str(dcmread(tmp_path / "out" / "pdf.dcm").SOPInstanceUID) in held
        assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
        assert cli.main(arguments) == 0
        assert files_in(tmp_path / "out") == sorted(OUTCOME_FILES), "those of the earlier read are gone"

    def test_a_further_output_that_is_none_is_wrong_usage(self, tmp_path, capsys):
        with pytest.raises(SystemExit) as end:
            cli.main(["read", "x", "--out", str(tmp_path / "out"), "--also", "fhir,docx"])
        assert end.value.code == 2

    def test_a_picture_is_wrapped_and_stored_before_its_seg_and_sr(self, tissue, tmp_path, capsys):
        place = tmp_path / "archive"
        arguments = ["read", str(tissue), "--modality", "pathology", "--out", str(tmp_path / "out")]
        assert cli.main([*arguments, "--archive", str(place)]) == 0
        study = str(dcmread(tmp_path / "out" / "sr.dcm").StudyInstanceUID)
        held = open_archive(place).search_series(study)
        assert sorted(series.Modality for series in held) == ["SEG", "SM", "SR"] or len(held) == 3
        said = capsys.readouterr().out
        assert said.index("image") < said.index("SEG") < said.rindex("SR")
        assert "does not hold the images" not in said

    def test_a_series_in_the_archive_is_named_by_its_uids(self, tmp_path, capsys):
        series = phantoms.ct_series()
        open_archive(tmp_path / "archive").store(series)
        named = f"{series[0].StudyInstanceUID}/{series[0].SeriesInstanceUID}"
        arguments = ["read", named, "--archive", str(tmp_path / "archive"), "--out", str(tmp_path / "out")]
        assert cli.main(arguments) == 0
        kinds = {
            found.Modality for found in open_archive(tmp_path / "archive").search_series(series[0].StudyInstanceUID)
        }
        assert kinds == {"CT", "SEG", "SR"}
        np.testing.assert_equal(dcmread(tmp_path / "out" / "seg.dcm").pixel_array.any(), True)

    def test_a_read_of_dicom_files_says_when_the_archive_lacks_the_images(self, tmp_path, capsys):
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        arguments = [
            "read",
            str(tmp_path / "dx"),
            "--archive",
            str(tmp_path / "archive"),
            "--out",
            str(tmp_path / "out"),
        ]
        assert cli.main(arguments) == 0
        assert "does not hold the images" in capsys.readouterr().out

    def test_question_and_seed_reach_the_reader(self, tmp_path, capsys):
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        arguments = ["read", str(tmp_path / "dx"), "--out", str(tmp_path / "out")]
        assert cli.main([*arguments, "--question", "Anything bright?", "--seed", "7"]) == 0
        said = capsys.readouterr().out
        assert "Anything bright?" in said
        assert "seed 7" in said

    def test_an_abstention_is_said_in_words_and_its_empty_seg_stays_out_of_the_archive(
        self, tmp_path, capsys, monkeypatch
    ):
        monkeypatch.setattr("wetread.reading.Reader", partial(ThresholdReader, abstain=True))
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        arguments = ["read", str(tmp_path / "dx"), "--out", str(tmp_path / "out")]
        assert cli.main([*arguments, "--archive", str(tmp_path / "archive")]) == 0
        said = capsys.readouterr().out
        assert NOT_COVERED in said
        assert "was not stored" in said
        assert [series.Modality for series in open_archive(tmp_path / "archive").search_series()] == ["SR"]

    def test_ctrl_c_cancels_cleanly(self, tmp_path, capsys, monkeypatch, ordinary_interrupt):
        class Interrupted(ThresholdReader):
            def read(self, *arguments, **options):
                signal.raise_signal(signal.SIGINT)
                return super().read(*arguments, **options)

        monkeypatch.setattr("wetread.reading.Reader", Interrupted)
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        assert cli.main(["read", str(tmp_path / "dx"), "--out", str(tmp_path / "out")]) == 130
        assert files_in(tmp_path / "out") == []
        assert capsys.readouterr().err == "wetread: The read was cancelled; nothing was written.\n"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _not_dicom(folder):
    (folder / "notes.dcm").write_text("these are notes, not images, and long enough to be looked at " * 10)
    return [str(folder / "notes.dcm")]


def _truncated(folder):
    path = phantoms.write(phantoms.dx_image(), folder)[0]
    path.write_bytes(path.read_bytes()[:-500])
    return [str(path)]


def _without_pixels(folder):
    dataset = phantoms.dx_image()[0]
    del dataset.PixelData
    return [str(phantoms.write([dataset], folder)[0])]


def _two_series(folder):
    phantoms.write(phantoms.ct_series(name="one"), folder / "study" / "one")
    phantoms.write(phantoms.ct_series(name="two"), folder / "study" / "two")
    return [str(folder / "study")]


def _empty_folder(folder):
    (folder / "empty").mkdir()
    return [str(folder / "empty")]


def _archive(folder, named):
    open_archive(folder / "archive").store(phantoms.dx_image())
    return [named, "--archive", str(folder / "archive")]


def _study_alone(folder):
    return _archive(folder, str(phantoms.dx_image()[0].StudyInstanceUID))


def _archive_that_is_a_file(folder):
    (folder / "archive").write_text("no folder")
    return ["1.2.3/4.5.6", "--archive", str(folder / "archive")]


def _unknown_modality(folder):
    Image.fromarray(phantoms.stained_tissue()).save(folder / "tissue.png")
    return [str(folder / "tissue.png"), "--modality", "tea leaves"]


REFUSED = {
    "a name too long": (lambda folder: ["x" * 5000], "no such file or folder"),
    "nothing at all": (lambda folder: [""], "no such file or folder"),
    "the home of nobody": (lambda folder: ["~nobody-of-this-name/ct"], "no such file or folder"),
    "no such file": (lambda folder: [str(folder / "nowhere")], "no such file or folder"),
    "not DICOM": (_not_dicom, "not a DICOM file"),
    "truncated": (_truncated, "notes|truncat|breaks off|shorter|incomplete|bytes"),
    "no pixel data": (_without_pixels, "no pixel data"),
    "two series mixed": (_two_series, "2 series"),
    "empty folder": (_empty_folder, "empty folder"),
    "UIDs without an archive": (lambda folder: ["1.2.3/4.5.6"], "without an archive"),
    "a UID nobody knows": (lambda folder: _archive(folder, "1.2.3/4.5.6"), "no such"),
    "a UID that is none": (lambda folder: _archive(folder, "1..2/4.5"), "not a DICOM UID"),
    "a study UID alone": (_study_alone, "name one of its series"),
    "an archive that is no folder": (_archive_that_is_a_file, "archive"),
    "an archive nobody answers for": (lambda folder: ["1.2/3.4", "--archive", "http://127.0.0.1:9/dicom-web"], "9"),
    "unknown modality": (_unknown_modality, "unknown modality"),
}


@pytest.mark.usefixtures("threshold")
class TestRefusals:
    @pytest.mark.parametrize("kind", REFUSED)
    def test_bad_input_is_refused_in_one_line_and_nothing_is_written(self, kind, tmp_path, capsys):
        make, words = REFUSED[kind]
        arguments = ["read", *make(tmp_path), "--out", str(tmp_path / "out"), "--quiet"]
        assert cli.main(arguments) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("wetread: ")
        assert re.search(words, err), err
        assert files_in(tmp_path / "out") == []
        assert phantoms.PATIENT_NAME not in err

    def test_an_output_folder_with_other_files_is_refused_before_anything_is_read(self, tmp_path, capsys):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine.txt").write_text("")
        assert cli.main(["read", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
        assert "mine.txt" in capsys.readouterr().err

    def test_an_output_folder_among_the_images_is_refused(self, tmp_path, capsys):
        phantoms.write(phantoms.ct_series(3), tmp_path / "ct")
        assert cli.main(["read", str(tmp_path / "ct"), "--out", str(tmp_path / "ct" / "result")]) == 1
        assert "lies in the input folder" in capsys.readouterr().err
        assert not (tmp_path / "ct" / "result").exists()

    @pytest.mark.parametrize("name", ["o" * 300, "~nobody-of-this-name/x"])
    def test_an_output_folder_that_cannot_be_is_refused(self, name, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        assert cli.main(["read", "dx", "--out", name]) == 1
        assert capsys.readouterr().err.startswith("wetread: no folder to write to")

    def test_a_folder_where_a_file_goes_is_a_stranger(self, tmp_path, capsys):
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        (tmp_path / "out" / "seg.dcm").mkdir(parents=True)
        assert cli.main(["read", str(tmp_path / "dx"), "--out", str(tmp_path / "out")]) == 1
        assert "'seg.dcm'" in capsys.readouterr().err
        assert files_in(tmp_path / "out") == ["seg.dcm"]

    def test_odd_values_of_the_patient_are_not_repeated_in_warnings(self, tmp_path):
        series = phantoms.ct_series(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for dataset in series:
                dataset.PatientName, dataset.PatientSex, dataset.StudyTime = "Secret^" + "A" * 70, "Male", "12:34:56"
                dataset.PatientBirthDate, dataset.StudyDate, dataset.PatientID = "born 1970", "2026.01.02", "S" * 70
            phantoms.write(series, tmp_path / "ct")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cli.main(["read", str(tmp_path / "ct"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
        for name in ("seg.dcm", "sr.dcm"):
            written = dcmread(tmp_path / "out" / name)
            assert (written.StudyDate, written.StudyTime) == ("20260102", "123456")
            assert (written.PatientBirthDate, written.PatientSex) == ("", "")

    def test_an_unknown_model_is_refused(self, tmp_path, capsys, monkeypatch):
        monkeypatch.undo()
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        arguments = ["read", str(tmp_path / "dx"), "--out", str(tmp_path / "out"), "--model", "no-such-model"]
        assert cli.main([*arguments, "--quiet"]) == 1
        assert "no such model (no-such-model)" in capsys.readouterr().err
        assert files_in(tmp_path / "out") == []

    def test_debug_shows_the_traceback(self, tmp_path, monkeypatch):
        arguments = ["read", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]
        with pytest.raises(cli.WetreadError):
            cli.main([*arguments, "--debug"])
        monkeypatch.setenv("WETREAD_DEBUG", "1")
        with pytest.raises(cli.WetreadError):
            cli.main(arguments)

    def test_an_unforeseen_error_is_one_line_without_its_message(self, tmp_path, capsys, monkeypatch):
        def fail(*_, **__):
            raise KeyError("Doe^Jane")

        monkeypatch.setattr("wetread.commands.read.read_series", fail)
        phantoms.write(phantoms.dx_image(), tmp_path / "dx")
        assert cli.main(["read", str(tmp_path / "dx"), "--out", str(tmp_path / "out"), "--quiet"]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "KeyError" in said
        assert "Doe" not in said


@pytest.mark.usefixtures("threshold")
class TestVerify:
    @pytest.fixture
    def read(self, tmp_path):
        phantoms.write(phantoms.ct_series(), tmp_path / "ct")
        assert cli.main(["read", str(tmp_path / "ct"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
        return tmp_path

    def test_what_read_wrote_has_no_defect(self, read, capsys):
        capsys.readouterr()
        files = [str(read / "out" / name) for name in ("seg.dcm", "sr.dcm")]
        assert cli.main(["verify", *files, "--source", str(read / "ct")]) == 0
        assert capsys.readouterr().out == "2 file(s), no defect found\n"

    def test_a_defect_is_a_line_and_exit_code_1(self, read, capsys):
        capsys.readouterr()
        report = dcmread(read / "out" / "sr.dcm")
        report.StudyInstanceUID = "1.2.3"
        report.save_as(read / "out" / "sr.dcm")
        files = [str(read / "out" / name) for name in ("seg.dcm", "sr.dcm")]
        assert cli.main(["verify", *files, "--source", str(read / "ct")]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines
        assert any("StudyInstanceUID" in line or "study" in line.lower() for line in lines)

    def test_what_cannot_be_read_is_refused(self, tmp_path, capsys):
        assert cli.main(["verify", str(tmp_path / "nowhere.dcm")]) == 1
        assert cli.main(["verify", __file__]) == 1
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err

    def test_a_source_that_is_not_there_is_refused(self, read, capsys):
        assert cli.main(["verify", str(read / "out" / "sr.dcm"), "--source", str(read / "nowhere")]) == 1
        assert "no source images" in capsys.readouterr().err


class TestServe:
    def test_it_listens_on_this_machine_unless_remote_access_is_allowed_in_so_many_words(self, tmp_path, capsys):
        assert cli.main(["serve", "--archive", str(tmp_path), "--host", "0.0.0.0", "--port", "0"]) == 1
        assert "other machines could reach this address" in capsys.readouterr().err

    def test_the_arguments_reach_the_service(self, tmp_path, monkeypatch, capsys):
        def serve(archive, host, port, *, reader, allow_remote, announce, database, workers, access, **more):
            assert access is None
            viewer = tmp_path / "ohif"
            assert more == {"time_limit": 9.0, "cors_origins": ["https://a.example"], "viewer": viewer}
            announce(f"{archive.location} {host} {port} {reader.follow().model} {allow_remote} {database} {workers}")

        monkeypatch.setattr("wetread.reading.Reader", ThresholdReader)
        monkeypatch.setattr("wetread.service.serve", serve)
        arguments = ["serve", "--archive", str(tmp_path), "--model", "m", "--host", "::1", "--port", "4"]
        assert cli.main([*arguments, "--allow-remote", "--database", "d", "--workers", "2", "--time-limit", "9",
                         "--cors-origin", "https://a.example", "--viewer", str(tmp_path / "ohif")]) == 0  # fmt: skip
        assert capsys.readouterr().out == f"{tmp_path} ::1 4 m True d 2\n"

    def test_ctrl_c_is_its_ordinary_end(self, tmp_path, monkeypatch, capsys):
        def serve(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("wetread.reading.Reader", ThresholdReader)
        monkeypatch.setattr("wetread.service.serve", serve)
        assert cli.main(["serve", "--archive", str(tmp_path)]) == 0
        assert capsys.readouterr() == ("stopped\n", "")


class TestMeasuringAndTraining:
    def test_a_folder_without_a_manifest_is_refused(self, tmp_path, capsys):
        assert cli.main(["evaluate", "--data", str(tmp_path), "--quiet"]) == 1
        assert "no manifest.jsonl" in capsys.readouterr().err

    def test_the_arguments_reach_the_evaluation(self, tmp_path, monkeypatch):
        seen = {}
        monkeypatch.setattr("wetread.evaluation.evaluate.evaluate", lambda **given: seen.update(given))
        arguments = ["evaluate", "--model", "m", "--data", str(tmp_path), "--json", "f.json", "--split", "holdout"]
        assert cli.main([*arguments, "--limit", "3", "--quiet"]) == 0
        expected = {"model": "m", "data_dir": tmp_path, "json_path": Path("f.json"), "split": "holdout", "limit": 3}
        assert seen == {**expected, "progress": False, "predictions": None, "report_dir": None}

    def test_a_recipe_that_is_not_there_is_refused(self, tmp_path, capsys):
        assert cli.main(["train", "sft", "--config", str(tmp_path / "recipe.yaml")]) == 1
        said = capsys.readouterr().err
        assert "recipe.yaml" in said
        assert said.count("\n") == 1
