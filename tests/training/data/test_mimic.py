"""MIMIC-IV: nothing after the cut, no code and no note in a text; outcomes at their boundaries; builds that resume."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mimic_phantoms import DEAD, HOSPICE, LONG, NAMES, SECOND, SECRET, lab, mimic_root, table
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.training.data.climb import open_climb
from wetread.training.data.item import Faults
from wetread.training.data.mimic import build as build_module
from wetread.training.data.mimic.build import build
from wetread.training.data.mimic.events import COLUMNS, build_index, events_by_admission
from wetread.training.data.mimic.qa import HOW_TO_ANSWER, QaLines, complete_question, open_qa, part_of
from wetread.training.data.mimic.stay import (
    STAY_CLASSES,
    Admission,
    MortalityRule,
    read_admissions,
    stay_class,
    survives,
    window_of,
)
from wetread.training.data.mimic.tables import find_places
from wetread.training.data.mimic.text import Names, estimated_tokens, read_names, record_text, shortened
from wetread.training.data.stream import FaultyItem, ItemStream

ADMITTED = datetime(2150, 1, 1, 12)
PLAIN = Admission(1, 2, ADMITTED, ADMITTED + timedelta(days=6), None, False, None, "F", 50, "", "", "")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mimic_root(tmp_path_factory.mktemp("mimic"))


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    build(root, out, progress=False)
    return out


def lines(path: Path) -> dict[int, dict]:
    return {line["hadm_id"]: line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def all_lines(out: Path, task: str) -> dict[int, dict]:
    found: dict[int, dict] = {}
    for part in ("train", "val", "test"):
        found |= lines(out / "temporal_splits" / task / f"{part}.jsonl")
    return found


def rows(*events: dict) -> pd.DataFrame:
    base = dict.fromkeys(COLUMNS) | {"kind": "lab", "item": "1", "value": 1.0, "abnormal": False}
    frame = pd.DataFrame([base | event for event in events], columns=list(COLUMNS))
    for column in ("charted", "stored", "ended"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[s]")
    return frame


class TestTheCut:
    def test_nothing_after_it_no_code_and_no_note_enters_any_question(self, built: Path) -> None:
        for path in built.rglob("*.jsonl"):
            assert SECRET not in path.read_text(encoding="utf-8"), path.name

    def test_no_diagnosis_stands_in_the_record(self, built: Path) -> None:
        for line in all_lines(built, "qa_type_1").values():
            assert not any(name in line["question"] for name in NAMES.values())
            assert not any(code in line["question"] for code in NAMES)

    def test_the_emergency_visit_counts_and_what_was_before_it_does_not(self, built: Path) -> None:
        question = all_lines(built, "qa_type_1")[HOSPICE]["question"]
        assert "- Creatinine (Blood): 1.5 mg/dL (-3 h), abnormal" in question
        assert "-4 h" not in question

    def test_an_infusion_that_ends_after_it_tells_its_rate_and_not_its_amount(self, built: Path) -> None:
        question = all_lines(built, "qa_type_1")[LONG]["question"]
        assert "- Norepinephrine, 0.1 mcg/kg/min, 4.5 mg (5 h)" in question
        assert "- Norepinephrine, 0.2 mcg/kg/min (47 h)" in question
        assert "777" not in question
        assert "9999" not in question

    @given(
        st.lists(st.tuples(st.integers(-6000, 6000), st.integers(-100, 6000)), max_size=30),
        st.sampled_from([6, 24, 48]),
    )
    def test_every_row_of_a_text_is_charted_and_stored_inside(self, minutes: list[tuple[int, int]], hours: int) -> None:
        one = replace(PLAIN, registered=ADMITTED - timedelta(hours=5))
        events = rows(*(
            {"item": f"i{n}", "value": float(n), "charted": ADMITTED + timedelta(minutes=charted),
             "stored": ADMITTED + timedelta(minutes=charted + late)}
            for n, (charted, late) in enumerate(minutes)
        ))  # fmt: skip
        window = window_of(one, hours)
        text = record_text(one, events, window, Names())
        for n, (charted, late) in enumerate(minutes):
            inside = -300 <= charted < hours * 60 and charted + late < hours * 60
            assert (f"item i{n}:" in text) == inside

    def test_its_two_ends_are_half_open(self) -> None:
        window = window_of(replace(PLAIN, registered=ADMITTED - timedelta(hours=2)))
        assert window.holds(ADMITTED - timedelta(hours=2))
        assert not window.holds(ADMITTED - timedelta(hours=2, seconds=1))
        assert window.holds(ADMITTED + timedelta(hours=48) - timedelta(seconds=1))
        assert not window.holds(ADMITTED + timedelta(hours=48))
        assert not window.holds(ADMITTED, ADMITTED + timedelta(hours=48))

    def test_an_emergency_visit_of_days_counts_for_one_day(self) -> None:
        assert window_of(replace(PLAIN, registered=ADMITTED - timedelta(days=9))).start == ADMITTED - timedelta(
            hours=24
        )

    def test_death_and_discharge_end_the_evidence(self) -> None:
        died = ADMITTED + timedelta(hours=30)
        assert window_of(replace(PLAIN, died=died)).cut == died
        assert window_of(replace(PLAIN, discharged=died)).cut == died


class TestOutcomes:
    @pytest.mark.parametrize(
        ("stay", "expected"),
        [
            (timedelta(0), 0), (timedelta(days=4, hours=23, minutes=59), 0), (timedelta(days=5), 1),
            (timedelta(days=8, hours=23), 1), (timedelta(days=9), 2), (timedelta(days=12, hours=23, minutes=59), 2),
            (timedelta(days=13), 3), (timedelta(days=90), 3),
        ],
    )  # fmt: skip
    def test_length_of_stay_in_whole_days(self, stay: timedelta, expected: int) -> None:
        assert stay_class(replace(PLAIN, discharged=ADMITTED + stay)) == STAY_CLASSES[expected]

    def test_a_stay_that_ends_before_it_begins_has_no_class(self) -> None:
        assert stay_class(replace(PLAIN, discharged=ADMITTED - timedelta(hours=1))) is None
        assert stay_class(replace(PLAIN, discharged=None)) is None

    @pytest.mark.parametrize("how", ["death", "hospice"])
    def test_survival_is_asked_for_less_than_48_hours(self, how: str) -> None:
        def lost_after(**span: float) -> Admission:
            end = ADMITTED + timedelta(**span)
            return replace(PLAIN, discharged=end, died=end if how == "death" else None, hospice=how == "hospice")

        assert survives(lost_after(hours=47, minutes=59)) is False
        assert survives(lost_after(hours=48)) is True
        assert survives(PLAIN) is True
        after = MortalityRule.AFTER_CUT
        assert survives(lost_after(hours=40), rule=after) is None
        assert survives(lost_after(hours=95), rule=after) is False
        assert survives(lost_after(hours=96), rule=after) is True

    def test_the_phantoms(self, built: Path) -> None:
        assert {h: line["correct_choice"] for h, line in all_lines(built, "qa_type_6").items()} == {
            HOSPICE: "B", DEAD: "B", LONG: "A", SECOND: "A",
        }  # fmt: skip
        assert {h: line["answer"] for h, line in all_lines(built, "qa_type_5").items()} == {
            HOSPICE: "0-4 days", DEAD: "0-4 days", LONG: "more than 12 days", SECOND: "0-4 days",
        }  # fmt: skip


class TestTheTables:
    def test_admissions_are_read_once_each_and_faults_are_counted(self, root: Path) -> None:
        faults = Faults()
        found = read_admissions(find_places(root), faults)
        assert [one.hadm for one in found] == [HOSPICE, DEAD, LONG, SECOND]
        assert [one.age for one in found] == [62, 72, 46, 63]
        assert [one.hospice for one in found] == [True, False, False, False]
        assert faults.counts == {"admission without patient or time": 2, "admission said twice": 1}

    def test_broken_rows_are_counted_and_survived(self, built: Path) -> None:
        left_out = " ".join(json.loads((built / "manifest.json").read_text())["left_out"])
        for part in ("1 x labevents: row with another number", "1 x chartevents: row with another number",
                     "1 x labevents: row of no admission", "1 x labevents: row without a time",
                     "1 x prescriptions: row without a time", "1 x missing X-ray"):  # fmt: skip
            assert part in left_out

    def test_an_index_is_built_once_and_goes_on_after_an_interruption(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from wetread.training.data.mimic import events

        places = find_places(root)
        whole = dict(events_by_admission(build_index(places, tmp_path / "a", Faults(), progress=False), [LONG, DEAD]))
        written = events._write_block
        calls = []

        def killed(source: object, *rest: object) -> None:
            calls.append(source.kind)
            if source.kind == "drug":
                raise KeyboardInterrupt
            written(source, *rest)

        monkeypatch.setattr(events, "_write_block", killed)
        with pytest.raises(KeyboardInterrupt):
            build_index(places, tmp_path / "b", Faults(), progress=False)
        assert calls == ["lab", "chart", "drug"]
        monkeypatch.setattr(
            events, "_write_block", lambda source, *rest: (calls.append(source.kind), written(source, *rest))
        )
        faults = Faults()
        again = dict(events_by_admission(build_index(places, tmp_path / "b", faults, progress=False), [LONG, DEAD]))
        assert calls[3:] == ["drug", "input", "procedure"]
        assert faults.counts["labevents: row of no admission"] == 1
        for hadm, found in whole.items():
            pd.testing.assert_frame_equal(found, again[hadm])

    def test_rows_in_another_order_give_the_same_text(self, root: Path, tmp_path: Path) -> None:
        def text(folder: Path) -> str:
            places, faults = find_places(folder), Faults()
            index = build_index(places, tmp_path / f"index-{folder.name}", faults, progress=False)
            ((_, events),) = events_by_admission(index, [LONG])
            one = next(a for a in read_admissions(places, faults) if a.hadm == LONG)
            return record_text(one, events, window_of(one), read_names(places, faults))

        other = mimic_root(tmp_path / "other")
        for name in ("hosp/labevents", "icu/chartevents", "hosp/prescriptions"):
            path = other / f"{name}.csv.gz"
            header, *body = gzip.decompress(path.read_bytes()).decode().splitlines()
            body = [row for row in body if '"torn' not in row]
            path.write_bytes(gzip.compress("\n".join([header, *reversed(body)]).encode()))
        assert text(other) == text(root)

    def test_a_torn_file_is_refused_in_one_line(self, tmp_path: Path) -> None:
        root = mimic_root(tmp_path / "in")
        path = root / "hosp" / "labevents.csv.gz"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(RefusedInput, match="cannot be read to its end"):
            build(root, tmp_path / "out", progress=False)
        with pytest.raises(RefusedInput, match="no hosp/admissions"):
            build(tmp_path / "none", tmp_path / "out", progress=False)


class TestTheText:
    def test_it_has_its_sections_in_order_with_units_and_flags(self, built: Path) -> None:
        text = all_lines(built, "qa_type_1")[LONG]["question"]
        places = [text.index(f"\n{title}:") for title in
                  ("Demographics", "Vitals", "Labs", "Other charted values", "Medication", "Procedures")]  # fmt: skip
        assert places == sorted(places)
        assert "- Heart rate: 80 bpm (1 h), last 120 (47 h), 80 to 120, n=3, abnormal before" in text
        assert "- Creatinine (Blood): 0.9 mg/dL (0 h), last 2.1 (22 h), 0.9 to 2.1, n=2, abnormal" in text
        assert "Medical Intensive Care Unit (MICU) (1 h)" in text

    @given(st.integers(1, 400), st.integers(1, 120))
    def test_it_keeps_its_budget_and_both_its_ends(self, budget: int, count: int) -> None:
        text = "\n".join(f"- value {i}: {i * 7}" for i in range(count))
        short = shortened(text, budget, estimated_tokens)
        assert estimated_tokens(short) <= budget
        if estimated_tokens(text) <= budget:
            assert short == text
        elif budget > 60:
            assert short.startswith("- value 0: 0\n")
            assert short.endswith(text.rsplit("\n", 1)[1])
            assert "\n...\n" in short

    def test_any_callable_may_count(self) -> None:
        assert shortened("a" * 100, 20, len) == "a" * 9 + "..." + "a" * 8


class TestTheQuestions:
    def test_they_are_read_as_published(self, built: Path) -> None:
        kinds = {item.dataset: item for source in open_qa(built) for item in [source[len(source) - 2]]}
        assert set(kinds) == {f"qa_type_{k}" for k in (1, 2, 3, 5, 6)}
        assert all(item.question.endswith(HOW_TO_ANSWER[int(k[-1])]) for k, item in kinds.items())
        assert kinds["qa_type_3"].label_set == ("A", "B", "C", "D")
        assert kinds["qa_type_5"].label_set == STAY_CLASSES
        assert kinds["qa_type_6"].label_set == ("A", "B")
        assert kinds["qa_type_1"].label_set == ()

    def test_pictures_and_ecgs_of_the_window_are_shown(self, built: Path) -> None:
        (item,) = [i for i in ItemStream(open_qa(built, "train", [1]), shuffle=False) if "/20000003/" in i.id]
        assert [Path(p).stem for p in item.images] == ["c", "b"]
        assert [p.shape for p in item.pictures()] == [(30, 40, 3)] * 2
        (ecg,) = item.load_waveforms()
        assert ecg.shape == (8, 2500)
        assert ecg.dtype == np.float32
        # Lead k of the phantom is a sine of amplitude (k + 1) / 10 mV; the leads kept are I, II and V1 to V6.
        assert np.abs(ecg).max(axis=1) == pytest.approx([0.1, 0.2, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2], abs=0.01)

    def test_a_long_question_keeps_its_two_ends(self) -> None:
        question = complete_question("x" * 4000 + "y" * 4000, 3)
        assert len(question) == 5005
        assert question == "x" * 2500 + " ... " + ("y" * 4000 + HOW_TO_ANSWER[3])[-2500:]

    def test_published_lines_with_their_faults_are_read(self, tmp_path: Path) -> None:
        folder = tmp_path / "temporal_splits" / "qa_type_3"
        folder.mkdir(parents=True)
        good = {"question": "Which?\nA. x\nB. y\n", "answer": "y", "correct_choice": "B", "choices": ["x", "y"],
                "images": None, "time-series": [], "hadm_id": 7}  # fmt: skip
        broken = [good | {"question": None}, good | {"correct_choice": None}, good | {"images": ["../../none.jpg"]},
                  good | {"images": ["../../../../etc/hostname"]}]  # fmt: skip
        (folder / "test.jsonl").write_text(
            "\n".join(json.dumps(line) for line in [good, *broken]) + "\n{", encoding="utf-8"
        )
        source = QaLines(folder / "test.jsonl")
        assert (source[0].answer, source[0].group) == ("B", "mimic:7")
        kinds = []
        for number in range(1, 6):
            with pytest.raises(FaultyItem) as caught:
                source[number]
            kinds.append(caught.value.kind)
        assert kinds == ["empty question", "empty answer", "missing image", "path leaves the folder", "broken line"]
        with pytest.raises(RefusedInput, match="question type"):
            QaLines(tmp_path / "other.jsonl")

    def test_the_two_tasks_are_written_in_the_consolidated_layout(self, built: Path) -> None:
        found = {i.group: i for i in ItemStream(open_climb(built / "length_of_stay_train.jsonl"), shuffle=False)}
        long = found["multimodal/length_of_stay:10000003"]
        assert long.label_set == STAY_CLASSES
        assert len(long.pictures()) == 2
        assert long.demographics == {"sex": "Male", "age": "46", "race": "WHITE"}
        alive = list(ItemStream(open_climb(built / "mortality_train.jsonl"), shuffle=False))
        assert {item.label_set for item in alive} == {("Yes", "No")}
        assert {item.answer for item in alive} == {"Yes", "No"}

    def test_a_patient_lies_in_one_part_and_stays_there(self) -> None:
        before = {subject: part_of(subject, 3) for subject in range(2000)}
        counts = {part: list(before.values()).count(part) for part in ("train", "val", "test")}
        assert counts["train"] == pytest.approx(1600, abs=80)
        assert counts["val"] == pytest.approx(200, abs=60)
        assert before == {subject: part_of(subject, 3) for subject in range(2000)}
        assert before != {subject: part_of(subject, 4) for subject in range(2000)}


class TestTheBuild:
    def test_interrupted_it_goes_on_to_the_same_result(
        self, root: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written, calls = build_module._write_lines, []

        def killed(path: Path, found: object) -> None:
            calls.append(path.name)
            if len(calls) == 3:
                raise KeyboardInterrupt
            written(path, found)

        monkeypatch.setattr(build_module, "_write_lines", killed)
        with pytest.raises(KeyboardInterrupt):
            build(root, tmp_path / "out", progress=False)
        build(root, tmp_path / "out", progress=False)
        assert calls[:4] == ["00.jsonl", "01.jsonl", "02.jsonl", "02.jsonl"]
        for path in built.rglob("t*.jsonl"):
            assert (tmp_path / "out" / path.relative_to(built)).read_bytes() == path.read_bytes()
        assert (tmp_path / "out" / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()

    def test_further_patients_move_nobody(self, root: Path, built: Path, tmp_path: Path) -> None:
        more = mimic_root(tmp_path / "more")
        path = more / "hosp" / "patients.csv.gz"
        body = gzip.decompress(path.read_bytes()).decode() + "10000009,F,30,2150,,\n"
        path.write_bytes(gzip.compress(body.encode()))
        build(more, tmp_path / "out", progress=False)
        for part in ("train", "test"):
            name = f"temporal_splits/qa_type_3/{part}.jsonl"
            assert (tmp_path / "out" / name).read_bytes() == (built / name).read_bytes()

    def test_it_is_a_command(self, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
        out = tmp_path / "out"
        assert main(["data", "mimic", str(root), "--out", str(out), "--quiet", "--limit", "2", "--hours", "24"]) == 0
        assert "temporal_splits/qa_type_6" in capsys.readouterr().out
        said = json.loads((out / "manifest.json").read_text())
        assert said["admissions"] == 2
        assert said["notes_present_and_not_used"] == ["discharge", "radiology"]
        assert main(["data", "mimic", str(tmp_path / "none"), "--out", str(out), "--quiet"]) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1

    def test_a_table_of_another_kind_is_refused(self, tmp_path: Path) -> None:
        root = mimic_root(tmp_path / "in")
        wrong = table(root, "hosp/labevents", [lab(LONG, 1, "2171-05-01 09:00:00", 1)])
        wrong.write_bytes(gzip.compress(b"a,b,c\n1,2,3\n"))
        with pytest.raises(RefusedInput, match="no column subject_id"):
            build(root, tmp_path / "out", progress=False)
