"""The ledger for others: whole, without the salt, and in the one form that both readers of training understand."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from bright_pixel_reader import BrightPixelReader
from dicom_phantoms import PATIENT_ID, PATIENT_NAME, ct_series
from wetread import cli
from wetread.archive import open_archive
from wetread.errors import RefusedInput
from wetread.imaging import to_sample
from wetread.pipeline import read_series
from wetread.reading.pictures import pictures
from wetread.service.app import create_app
from wetread.service.backing import open_backing
from wetread.service.ledger_export import ExportForm, export, figures
from wetread.training.data.readers import LedgerLines
from wetread.training.data.stream import ItemStream
from wetread.training.layouts import ledger as layout
from wetread.training.layouts.picture import Options

API = "/wetread/v1"


@pytest.fixture
def archive(tmp_path):
    opened = open_archive(tmp_path / "archive")
    opened.store(ct_series()).require_complete()
    return opened


@pytest.fixture
def decided(archive):
    """Four reads of one series: accepted, corrected by a box, rejected, undecided; on the second one was added."""
    from wetread.findings import Box, BoxFrame, Decision, Mask, Verdict
    from wetread.terminology import find_target

    backing, reader = open_backing(archive), BrightPixelReader()
    reads = [read_series(ct_series(), f"question {n}", reader=reader) for n in range(4)]
    for outcome in reads:
        backing.keep_finished(outcome)
    found = [outcome.read.findings[0].tracking_uid for outcome in reads]
    uids = [outcome.read.uid for outcome in reads]
    shape = reads[0].sample.shape
    marked = np.zeros(shape[1:], bool)
    marked[4:9, 5:12] = True
    backing.desk.decide([Verdict(uids[0], found[0], Decision.REJECT, "ada", "first thought")])
    backing.desk.decide([Verdict(uids[0], found[0], Decision.ACCEPT, "bo")])
    backing.desk.decide([
        Verdict(uids[1], found[1], Decision.CORRECT, "ada", box=Box(1, 2, 11, 9, BoxFrame.IMAGE), plane=3),
        Verdict(uids[1], "2.25.99", Decision.ADD, "ada", mask=Mask(shape, {3: marked, 5: marked}),
                target=find_target("spleen")),
    ])  # fmt: skip
    backing.desk.decide([Verdict(uids[2], found[2], Decision.REJECT, "ada", "vessel")])
    yield backing
    backing.close()


def test_every_entry_is_in_the_lines_without_the_salt_and_with_its_blobs(decided, tmp_path):
    done = export(decided.ledger, tmp_path / "out", ExportForm.JSONL, actor="ada")
    lines = [json.loads(line) for line in (tmp_path / "out" / "entries.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, done.lines + 1))
    assert lines[0]["body"] == {"salt": "withheld"}
    entries = list(decided.ledger.entries())
    assert [line["hash"] for line in lines] == [entry.hash for entry in entries[:-1]]
    assert (entries[-1].kind, entries[-1].actor) == ("export", "ada")
    assert len(list((tmp_path / "out" / "blobs").iterdir())) == done.files > 0
    text = (tmp_path / "out" / "entries.jsonl").read_text()
    assert PATIENT_NAME not in text
    assert PATIENT_ID not in text


def test_parquet_holds_the_same(decided, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    done = export(decided.ledger, tmp_path / "out", ExportForm.PARQUET)
    rows = pq.read_table(tmp_path / "out" / "entries.parquet").to_pylist()
    assert len(rows) == done.lines
    assert json.loads(rows[1]["body"])["question"] == "question 0"


def test_training_gets_what_stands_on_the_picture_that_the_model_saw(decided, archive, tmp_path):
    done = export(decided.ledger, tmp_path / "out", ExportForm.TRAINING, archive)
    lines = [json.loads(line) for line in (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()]
    assert done.lines == len(lines) == 4
    verdicts = [[(f["label"], f["verdict"], "mask" in f) for f in line["findings"]] for line in lines]
    assert verdicts == [
        [("liver", "accept", True)],
        [("liver", "correct", False), ("spleen", "add", True)],
        [("spleen", "add", True)],
        [("liver", "reject", True)],
    ]
    assert len({line["group"] for line in lines}) == 1
    shown = pictures(to_sample(ct_series()))
    for line in lines:
        plane = int(line["id"].split("#")[1])
        assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / line["image"])), shown(plane))
    assert lines[1]["findings"][0]["box"] == [1, 2, 11, 9]
    assert np.asarray(Image.open(tmp_path / "out" / lines[2]["findings"][0]["mask"])).astype(bool).sum() == 35


def test_both_readers_of_training_understand_it(decided, archive, tmp_path):
    export(decided.ledger, tmp_path / "out", ExportForm.TRAINING, archive)
    found = layout.index(tmp_path / "out", Options())
    assert (found.bad, found.unmarked, len(found.entries)) == ([], 1, 3)
    labels = [picture.labels for entry in found.entries for picture in entry.load()]
    assert labels == [("liver",), ("spleen",), ("spleen",)]
    items = LedgerLines(tmp_path / "out" / "ledger.jsonl")
    stream = ItemStream([items], load=True)
    assert sorted((item.answer, item.mask is not None) for item in (items[n] for n in range(4))) == [
        ("liver", False), ("liver", True), ("spleen", True), ("spleen", True)]  # fmt: skip
    list(stream)
    assert stream.faults.total == 1, "the rejected one"


def test_a_series_that_is_gone_is_counted_and_left_out(decided, tmp_path):
    empty = open_archive(tmp_path / "another")
    empty.root.mkdir()
    done = export(decided.ledger, tmp_path / "out", ExportForm.TRAINING, empty)
    assert done.lines == 0
    assert done.left_out == {"the series is no longer in the archive": 3}


def test_nothing_is_written_over(decided, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(RefusedInput, match="holds something"):
        export(decided.ledger, tmp_path / "out", ExportForm.JSONL)
    with pytest.raises(RefusedInput, match="no archive"):
        export(decided.ledger, tmp_path / "new", ExportForm.TRAINING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "out"]


def test_figures_count_kinds_and_people(decided):
    said = figures(decided.ledger)
    assert (said["entries"]["read"], said["entries"]["verdict"], said["people"]) == (4, 5, 2)
    assert said["accept_rates"][0]["model"] == "test-double"


class TestCommand:
    def test_a_sound_ledger_and_a_changed_one(self, decided, archive, capsys, tmp_path):
        import sqlite3

        at = ["--archive", str(archive.root)]
        assert cli.main(["ledger", "check", *at]) == 0
        end = capsys.readouterr().out.split()[-1]
        assert cli.main(["ledger", "check", *at, "--head", end]) == 0
        decided.close()
        with sqlite3.connect(archive.root / ".wetread-records.sqlite") as file:
            file.execute("DROP TRIGGER ledger_no_update")
            file.execute("UPDATE ledger SET actor = 'eve' WHERE number = 3")
        assert cli.main(["ledger", "check", *at]) == 1
        assert "entry 3: its content is not what was recorded" in capsys.readouterr().out

    def test_stats_and_export(self, decided, archive, capsys, tmp_path):
        at = ["--archive", str(archive.root)]
        assert cli.main(["ledger", "stats", *at]) == 0
        assert "test-double 0: 1 of 4 accepted" in capsys.readouterr().out
        assert cli.main(["ledger", "export", *at, "--out", str(tmp_path / "x"), "--format", "training"]) == 0
        assert (tmp_path / "x" / "ledger.jsonl").is_file()

    def test_a_database_that_is_not_there_is_not_made(self, tmp_path, capsys):
        assert cli.main(["ledger", "check", "--database", str(tmp_path / "none.sqlite")]) == 1
        assert "no such database" in capsys.readouterr().err
        assert not (tmp_path / "none.sqlite").exists()


class TestOverHttp:
    @pytest.fixture
    def client(self, decided, archive):
        decided.close()
        with TestClient(create_app(archive, BrightPixelReader(), workers=0, allowed_hosts=["*"])) as running:
            yield running

    @pytest.mark.parametrize(("form", "name"), [("jsonl", "entries.jsonl"), ("training", "ledger.jsonl")])
    def test_exports_come_as_zip_and_are_audited(self, client, form, name):
        answer = client.get(f"{API}/ledger/export", params={"format": form})
        assert answer.status_code == 200, answer.text
        assert name in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
        assert "exported" in [entry["action"] for entry in client.get(f"{API}/audit").json()]

    def test_queue_outbox_check_and_figures(self, client):
        assert client.get(f"{API}/ledger/check").json()["sound"]
        assert client.get(f"{API}/ledger/stats").json()["entries"]["read"] == 4
        assert client.get(f"{API}/queue").json()["counts"] == {"COMPLETED": 4}
        outbox = client.get(f"{API}/outbox").json()
        assert len(outbox["items"]) == sum(outbox["counts"].values()) == 8
        assert client.post(f"{API}/outbox/retry", json={}).status_code == 200

    def test_metrics_tell_numbers_and_no_names(self, client):
        text = client.get("/metrics").text
        assert 'wetread_jobs{kind="read",state="COMPLETED"} 4.0' in text
        assert "wetread_read_seconds_count 4.0" in text
        assert "wetread_outbox_objects" in text
        assert PATIENT_ID not in text
