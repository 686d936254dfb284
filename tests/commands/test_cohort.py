"""`wetread read --cohort`: many studies in one run that goes on where it stopped and says what became of all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import dicom_phantoms as phantoms
from ecg_phantoms import ecg, save
from threshold_reader import ThresholdReader
from wetread.archive import open_archive
from wetread.cli import main
from wetread.commands import cohort
from wetread.commands.cohort_source import cohort_items
from wetread.errors import RefusedInput

pq = pytest.importorskip("pyarrow.parquet")
STUDIES = 4


@pytest.fixture
def quick(monkeypatch):
    """A reader without weights, and how often it read."""
    reads = []

    class Counting(ThresholdReader):
        def read(self, sample, *given, **named):
            reads.append(sample)
            return super().read(sample, *given, **named)

    monkeypatch.setattr(cohort, "make_reader", lambda *given, **named: Counting())
    return reads


def pictures(folder: Path, count: int = STUDIES) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = np.full((48, 64, 3), 30, np.uint8)
        pixels[8 + number : 24 + number, 10:40] = 220
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    return folder


def read(source, out, *more) -> int:
    return main(["read", "--cohort", str(source), "--out", str(out), "--modality", "microscopy", "--quiet", *more])


def studies(out):
    return pq.read_table(out / "studies.parquet").to_pylist()


def findings(out):
    return pq.read_table(out / "findings.parquet").to_pylist()


class TestOneRun:
    def test_every_study_has_its_folder_its_rows_and_its_picture(self, quick, tmp_path, capsys):
        assert read(pictures(tmp_path / "in"), tmp_path / "out") == 0
        assert f"{STUDIES} read (0 abstained), 0 failed, of {STUDIES}" in capsys.readouterr().out
        assert [row["outcome"] for row in studies(tmp_path / "out")] == ["read"] * STUDIES
        for row in studies(tmp_path / "out"):
            document = json.loads((tmp_path / "out" / "reads" / row["folder"] / "read.json").read_text())
            own = [f for f in findings(tmp_path / "out") if f["folder"] == row["folder"]]
            assert [f["tracking_uid"] for f in own] == [f["tracking_uid"] for f in document["findings"]]
            assert len(own) == row["findings"] > 0
            assert [own[0][c] for c in ("x_min", "y_min", "x_max", "y_max")] == (
                document["findings"][0]["box"]["image_pixels"]
            )
        page = (tmp_path / "out" / "index.html").read_text()
        assert page.count("data:image/jpeg;base64,") == STUDIES
        assert "http" not in page

    def test_one_bad_study_costs_one_line(self, quick, tmp_path, capsys):
        source = pictures(tmp_path / "in")
        (source / "p1.png").write_bytes(b"no picture")
        (source / "<b>.dcm").write_bytes(b"no DICOM")
        assert read(source, tmp_path / "out") == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed: ")]
        assert len(lines) == 2
        failed = [row for row in studies(tmp_path / "out") if row["outcome"] == "failed"]
        assert len(failed) == 2
        assert all(row["reason"] and "\n" not in row["reason"] and row["read_uid"] is None for row in failed)
        page = (tmp_path / "out" / "index.html").read_text()
        assert "&lt;b&gt;.dcm" in page
        assert "<b>.dcm" not in page

    def test_a_defect_costs_one_line_without_its_message(self, quick, tmp_path, capsys, monkeypatch):
        real = cohort.read_series

        def sometimes(datasets, *given, **named):
            if len(quick) == 1:
                quick.append(None)
                raise KeyError("PATIENT^NAME")
            return real(datasets, *given, **named)

        monkeypatch.setattr(cohort, "read_series", sometimes)
        assert read(pictures(tmp_path / "in"), tmp_path / "out") == 0
        shown = capsys.readouterr().out + (tmp_path / "out" / "index.html").read_text()
        assert "a defect in Wetread (KeyError)" in shown
        assert "PATIENT^NAME" not in shown

    def test_none_read_is_a_refusal(self, quick, tmp_path, capsys):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "x.dcm").write_bytes(b"no DICOM")
        assert read(tmp_path / "in", tmp_path / "out") == 1
        assert "none of 1 studies could be read" in capsys.readouterr().err

    def test_an_ecg_beside_pictures_is_read_as_one(self, tmp_path):
        source = pictures(tmp_path / "in", 1)
        save(ecg(), source / "ecg.dcm")
        assert read(source, tmp_path / "out") == 0
        kinds = {row["modality"]: row["kind"] for row in studies(tmp_path / "out")}
        assert kinds == {"ECG": "waveform", "microscopy": "image"}


class TestGoingOn:
    def test_what_was_read_is_not_read_again_and_what_failed_is_tried_again(self, quick, tmp_path):
        source = pictures(tmp_path / "in")
        good = (source / "p1.png").read_bytes()
        (source / "p1.png").write_bytes(b"no picture")
        assert read(source, tmp_path / "out") == 0
        assert len(quick) == STUDIES - 1
        (source / "p1.png").write_bytes(good)
        assert read(source, tmp_path / "out") == 0
        assert len(quick) == STUDIES
        assert {row["outcome"] for row in studies(tmp_path / "out")} == {"read"}

    def test_a_killed_process_leaves_whole_reads_and_the_next_reads_the_rest(self, tmp_path, quick):
        source, out = pictures(tmp_path / "in"), tmp_path / "out"
        script = (
            "import time\nfrom threshold_reader import ThresholdReader\nfrom wetread.commands import cohort\n"
            "class Slow(ThresholdReader):\n"
            "    def read(self, *given, **named):\n        time.sleep(0.5)\n"
            "        return super().read(*given, **named)\n"
            "cohort.make_reader = lambda *given, **named: Slow()\n"
            "from wetread.cli import main\n"
            f"main(['read', '--cohort', {str(source)!r}, '--out', {str(out)!r}, '--modality', 'microscopy'])\n"
        )
        paths = os.pathsep.join([str(Path(__file__).parents[1] / "support"), *sys.path])
        process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": paths},
                                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
        try:
            while process.poll() is None and not list(out.glob("reads/p*/read.json")):
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        held = {path: path.read_bytes() for path in out.glob("reads/p*/read.json")}
        (out / "reads" / ".wetread-half").mkdir()  # as when it is killed while it writes
        assert 0 < len(held) < STUDIES
        for path in held:
            assert {"read.json", "seg.dcm", "sr.dcm", "overlay.png"} <= {p.name for p in path.parent.iterdir()}
        assert read(source, out) == 0
        assert len(quick) == STUDIES - len(held)
        assert all(path.read_bytes() == before for path, before in held.items())
        assert [row["outcome"] for row in studies(out)] == ["read"] * STUDIES
        assert list((out / "reads").glob(".*")) == []

    def test_another_question_needs_another_folder(self, quick, tmp_path, capsys):
        source = pictures(tmp_path / "in")
        assert read(source, tmp_path / "out") == 0
        assert read(source, tmp_path / "out", "--question", "Where are the nuclei?") == 1
        assert "another question or model" in capsys.readouterr().err

    def test_a_folder_of_something_else_is_left_alone(self, quick, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("mine")
        assert read(pictures(tmp_path / "in"), tmp_path / "out") == 1
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


class TestWhatACohortNames:
    def test_tables_count_from_their_own_folder_and_may_say_the_modality(self, tmp_path):
        (tmp_path / "t.csv").write_text("id,path,modality\n1,a.png,pathology\n2,b/c.png,\n2,b/c.png,\n")
        (tmp_path / "t.jsonl").write_text('{"image": "a.png", "modality": "CT"}\n{"record": "r/1"}\n')
        (tmp_path / "t.txt").write_text("a.png\n\n1.2.3/4.5.6\n")
        csv, lines, text = (cohort_items(str(tmp_path / f"t.{kind}"), None) for kind in ("csv", "jsonl", "txt"))
        assert [(i.named, i.modality) for i in csv] == [
            (str(tmp_path / "a.png"), "pathology"), (str(tmp_path / "b/c.png"), None)
        ]  # fmt: skip
        assert [(i.named, i.modality) for i in lines] == [
            (str(tmp_path / "a.png"), "CT"), (str(tmp_path / "r/1.hea"), None)
        ]  # fmt: skip
        assert [i.named for i in text] == [str(tmp_path / "a.png"), "1.2.3/4.5.6"]

    def test_names_of_folders_are_plain_and_differ_where_inputs_do(self, tmp_path):
        (tmp_path / "t.txt").write_text("a/x y.png\nb/x y.png\n../../etc/..\n")
        names = [item.name for item in cohort_items(str(tmp_path / "t.txt"), None)]
        assert len(set(names)) == 3
        assert all("/" not in name and not name.startswith(".") and " " not in name for name in names)

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [("t.csv", "a,b\n1,2\n", "without one called path"), ("t.csv", "path,b\nx\n", "row 2"),
         ("t.jsonl", "[1]\n", "line 1"), ("t.txt", "\n", "a cohort of nothing")],
    )  # fmt: skip
    def test_a_table_that_cannot_be_meant_is_one_line(self, tmp_path, name, text, said):
        (tmp_path / name).write_text(text)
        with pytest.raises(RefusedInput, match=said):
            cohort_items(str(tmp_path / name), None)

    def test_a_query_reads_the_series_of_an_archive_and_stores_beside_them(self, quick, tmp_path):
        archive = open_archive(str(tmp_path / "archive"))
        image = phantoms.dx_image()
        archive.store(image).require_complete()
        wanted = str(image[0].StudyInstanceUID)
        where = ["--archive", str(tmp_path / "archive")]
        assert read(f"query:StudyInstanceUID={wanted}", tmp_path / "out", *where) == 0
        (row,) = studies(tmp_path / "out")
        assert row["study_instance_uid"] == wanted
        held = {str(series.Modality) for series in archive.search_series(wanted)}
        assert held >= {"SR"}
        assert read(f"query:StudyInstanceUID={wanted}", tmp_path / "out", *where) == 0
        assert len(quick) == 1, "SR and SEG of the first run are no studies of the second"

    def test_both_or_neither_is_wrong_usage(self, tmp_path):
        assert main(["read", "x.png", "--cohort", "y", "--out", str(tmp_path)]) == 2
        assert main(["read", "--out", str(tmp_path)]) == 2
