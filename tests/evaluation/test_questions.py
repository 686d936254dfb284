"""Answers from a file or from a reader, measured on CLIMB's layouts, and the report that comes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from climb_phantoms import climb_root, consolidated, picture, simple, write_lines
from wetread.cli import main
from wetread.errors import RefusedInput
from wetread.evaluation.demographics import group_of
from wetread.evaluation.evaluate import evaluate
from wetread.evaluation.published_tables import DOMAINS, TABLE_2, TABLE_4, TABLE_5
from wetread.evaluation.question_data import open_questions
from wetread.findings import Box, BoxFrame, Finding, Mask, Provenance, Read
from wetread.imaging.sample import Sample
from wetread.terminology import find_target
from wetread.training.data.climb import open_climb
from wetread.training.data.stream import ItemStream


@pytest.fixture
def set_of_four(tmp_path: Path) -> Path:
    """Four pictures, Benign and Malignant in turn, without masks."""
    question = "<image>\nWhat? Answer with one word from the following:\nBenign\nMalignant"
    simple(tmp_path, "derm", "isic2020", question, ("Benign", "Malignant"))
    return tmp_path


def answers(path: Path, *lines: dict | str) -> Path:
    return write_lines(path / "answers.jsonl", list(lines))


def ids(root: Path) -> list[str]:
    return [item.id for item in ItemStream(open_climb(root, "test"), shuffle=False)]


def test_figures_of_a_file_of_answers_follow_by_counting(set_of_four: Path) -> None:
    a, b, c, _ = ids(set_of_four)
    file = answers(
        set_of_four,
        {"id": a, "answer": "\\boxed{Benign}"},
        {"id": b, "answer": "\\boxed{Benign}"},
        {"id": c, "answer": "\\boxed{benign}"},
        "{broken",
        {"id": a, "answer": "again"},
        {"id": "nobody", "answer": "x"},
        {"id": "n", "answer": 7},
        {"id": "m", "answer": "x", "probabilities": {"Benign": 3}},
    )
    report = evaluate(data_dir=set_of_four, predictions=file, progress=False, show=False)
    one = report["sets"]["derm/isic2020"]
    assert (one["items"], one["unanswered"]) == (4, 1)
    # Letter by letter: Benign TP 1, FN 1, FP 1, TN 1; Malignant TP 0, FN 2, TN 2. "benign" is another label.
    assert one["published"]["accuracy"]["value"] == pytest.approx((2 / 4 + 2 / 4) / 2)
    assert one["published"]["macro_f1"]["value"] == pytest.approx((1 / 2 + 0) / 2)
    # Ignoring case: three of four said Benign, two rightly.
    assert one["exact_match"]["value"] == pytest.approx(2 / 4)
    assert one["usual"]["macro_f1"] == pytest.approx((2 * 2 / (2 * 2 + 1) + 0) / 2)
    assert report["domains"]["derm"]["macro_f1"]["value"] == report["overall"]["macro_f1"]["value"]
    assert report["faults"]["counts"] == {
        "broken line": 1, "answer said twice": 1, "answer that is no text": 1, "probability outside 0 to 1": 1,
        "answer to no item": 1,
    }  # fmt: skip
    assert [row["right"] for row in report["answers"]] == [True, False, True, False]


def test_pixels_and_probabilities_are_measured_where_they_are_said(tmp_path: Path) -> None:
    consolidated(tmp_path)
    source = open_climb(tmp_path / "geom_train.jsonl")[0]
    derm, box = source[0], source[1]
    mask = np.zeros((45, 60), np.uint8)
    mask[10:20, 5:15] = 255
    Image.fromarray(mask).save(tmp_path / "half.png")
    file = answers(
        tmp_path,
        {"id": derm.id, "answer": "\\boxed{Malignant}", "boxes": [[5, 10, 15, 20]], "mask": "half.png",
         "probabilities": {"Malignant": 0.8}, "probability": 0.7},
        {"location": box.location, "probabilities": {"Edema": 0.6},
         "answer": '```json\n[{"bbox_2d": [142.857, 100, 500, 800], "label": "x"}]\n``` \\boxed{Edema}'},
    )  # fmt: skip
    report = evaluate(data_dir=tmp_path / "geom_train.jsonl", predictions=file, progress=False, show=False)
    derm_figures, box_figures = report["sets"]["derm/ham10000"], report["sets"]["chest_xray/vindr"]
    # Truth 10 x 20, answer its left half; the second item of the set has a mask file that is missing.
    assert derm_figures["dice"]["value"] == pytest.approx(2 * 100 / 300, abs=1e-6)
    assert derm_figures["box_iou"]["value"] == pytest.approx(0.5)
    assert derm_figures["probabilities"]["Malignant"]["brier"]["value"] == pytest.approx(0.04)
    assert derm_figures["answer_calibration"]["brier"]["value"] == pytest.approx(0.09)
    # In 0 to 1000 of a picture of 70 x 50: (10, 5) to (35, 40), half of the truth's (10, 5) to (60, 40).
    assert box_figures["box_iou"]["value"] == pytest.approx(0.5, abs=1e-3)


def test_demographic_groups_and_their_gaps(tmp_path: Path) -> None:
    lines, said = [], []
    for number in range(20):
        picture(tmp_path / f"d/s/{number}.png")
        sex = "Male" if number % 2 else "F"
        lines.append({"problem": "What? Answer with one of the following:\nA\nB", "images": [f"d/s/{number}.png"],
                      "answer": "A" if number % 4 < 2 else "B", "demo": f"sex: {sex}, age: {number * 5}"})  # fmt: skip
        right = sex == "F" or number % 4 == 1
        said.append({"location": f"all.jsonl:{number + 1}", "answer": lines[-1]["answer"] if right else "A"})
    report = evaluate(data_dir=write_lines(tmp_path / "all.jsonl", lines),
                      predictions=answers(tmp_path, *said), progress=False, show=False)  # fmt: skip
    sex = report["sets"]["d/s"]["demographics"]["sex"]
    assert sex["groups"]["female"]["exact_match"]["value"] == 1.0
    assert sex["groups"]["male"]["exact_match"]["value"] == 0.5
    assert sex["gap"]["exact_match"] == 0.5
    assert list(report["sets"]["d/s"]["demographics"]["age"]["groups"]) == ["to 25", "26 to 50", "51 to 75", "over 75"]
    assert [group_of({"age": age}, "age") for age in ("25", "25.5", "75", "76Y", "", "old")] == [
        "to 25", "26 to 50", "51 to 75", "over 75", None, None,
    ]  # fmt: skip


class Says:
    """A reader that says Benign of everything and marks a corner."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def read(self, sample: Sample, question: str | None = None) -> Read:
        self.questions.append(question or "")
        target = find_target("lesion")
        assert target is not None
        mask = np.zeros(sample.shape, bool)
        mask[0, 5:15, 10:30] = True
        finding = Finding(target, "2.25.1", 0.9, 0, Box(10, 5, 30, 15, BoxFrame.IMAGE), Mask.from_dense(mask))
        made = Provenance("says", "1", "0" * 64, "2.25.2", "0", 0, 1, 1, 0.0)
        return Read("2.25.3", question or "", "", (finding,), ("Benign",), None, "\\boxed{Benign}", made)


def test_a_reader_is_asked_each_question_on_its_picture(tmp_path: Path) -> None:
    climb_root(tmp_path)
    reader = Says()
    report = evaluate(
        data_dir=tmp_path / "ultrasound" / "busi", split="train", reader=reader, progress=False, show=False
    )
    one = report["sets"]["ultrasound/busi"]
    assert report["model"]["name"] == "says"
    assert one["exact_match"]["value"] == 1.0
    # Two truths are the marked rectangle itself; the first has a second mask of 25 pixels beside its 200.
    assert one["dice"]["value"] == pytest.approx((2 * 200 / 425 + 1 + 1) / 3, abs=1e-6)
    assert all("Answer with one word" in question for question in reader.questions)
    report = evaluate(data_dir=tmp_path, split="train", reader=Says(), limit=6, progress=False, show=False)
    assert report["items"] <= 6
    with pytest.raises(RefusedInput, match="no item that can be measured"):
        evaluate(data_dir=tmp_path / "ct" / "kits23", split="train", reader=Says(), progress=False, show=False)


def test_held_out_parts_are_measured_unless_train_is_asked_for(tmp_path: Path) -> None:
    climb_root(tmp_path)
    assert {s.name.rsplit("/", 1)[1] for s in open_questions(tmp_path)} == {
        "annotation_test.jsonl", "annotation_valid.jsonl",
    }  # fmt: skip
    assert {s.name.rsplit("/", 1)[1] for s in open_questions(tmp_path, "train")} == {"annotation_train.jsonl"}


def test_the_command_writes_a_report_that_stands_alone(
    set_of_four: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    said = [{"id": name, "answer": "\\boxed{<script>alert(1)</script>}", "probabilities": {"Benign": 0.1 * n}}
            for n, name in enumerate(ids(set_of_four))]  # fmt: skip
    out = tmp_path / "report"
    command = ["evaluate", "--data", str(set_of_four), "--predictions", str(answers(set_of_four, *said)), "--quiet"]
    assert main([*command, "--report", str(out), "--json", str(tmp_path / "r.json")]) == 0
    printed = capsys.readouterr().out
    assert "Published figures of QoQ-Med" in printed
    assert (
        "| DRPO | 0.115 | 0.253 | 0.407 | 0.309 | 0.093 | 0.223 | 0.625 | 0.265 | 0.295 | 0.666 | Table 2 |" in printed
    )
    assert "README claim" in printed
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.findall(r"(?:src|href)='(?!data:)", page)
    assert page.count("data:image/png;base64,") >= 5
    assert json.loads((out / "report.json").read_text()) == json.loads((tmp_path / "r.json").read_text())
    assert (out / "report.md").read_text(encoding="utf-8").strip() == printed.strip()


def test_what_cannot_be_evaluated_is_refused_in_one_line(set_of_four: Path, capsys: pytest.CaptureFixture) -> None:
    stranger = answers(set_of_four, {"id": "nobody", "answer": "x"})
    for more in (["--predictions", str(stranger)], ["--predictions", str(set_of_four / "none.jsonl")],
                 ["--predictions", str(write_lines(set_of_four / "x.jsonl", ["{"]))],
                 ["--report", str(stranger)]):  # fmt: skip
        assert main(["evaluate", "--data", str(set_of_four), "--quiet", *more]) == 1
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_published_tables_are_those_of_the_paper() -> None:
    assert len(DOMAINS) == 8
    assert all(len(row.f1) == 8 for row in TABLE_2)
    by_name = {row.method: row for row in (*TABLE_2, *TABLE_5)}
    assert by_name["DRPO"].overall_f1 == 0.295
    assert (by_name["QoQ-Med-32B"].overall_accuracy, by_name["QoQ-Med-32B"].overall_f1) == (0.707, 0.316)
    assert TABLE_4["DRPO, all"] == ((0.663, 0.283), (0.642, 0.597))
    # The paper's overall figure is the mean over domains, to the rounding of its table.
    for row in TABLE_2:
        assert np.mean(row.f1) == pytest.approx(row.overall_f1, abs=0.012)


def test_electrocardiograms_are_asked_for_their_diagnoses(tmp_path: Path) -> None:
    import wfdb

    lines = []
    for number, diagnosis in enumerate(("atrial fibrillation", "atrial fibrillation; left bundle branch block")):
        seconds = np.arange(5000) / 500
        signal = np.stack([np.sin(2 * np.pi * seconds * (1 + lead / 9)) for lead in range(12)], axis=1)
        leads = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()
        wfdb.wrsamp(f"r{number}", 500, ["mV"] * 12, leads, signal, fmt=["16"] * 12, write_dir=str(tmp_path))
        lines.append({"id": f"r{number}", "modality": "ECG", "record": f"r{number}", "diagnosis": diagnosis,
                      "group": f"p{number}", "attrs": {"sex": "Male", "age": "70"}})  # fmt: skip
    lines.append({"id": "gone", "modality": "ECG", "record": "gone", "diagnosis": "flutter"})
    write_lines(tmp_path / "manifest.jsonl", lines)
    said = [{"id": f"{tmp_path.name}/r{n}", "answer": "\\boxed{Atrial fibrillation}"} for n in range(2)]
    report = evaluate(data_dir=tmp_path, predictions=answers(tmp_path, *said), progress=False, show=False)
    one = report["sets"][f"ECG/{tmp_path.name}"]
    assert one["items"] == 2
    assert one["exact_match"]["value"] == 0.5
    assert one["usual"]["macro_f1"] == pytest.approx(0.5)
    (item, _) = open_questions(tmp_path)[0].items
    assert item.load_waveforms()[0].shape == (12, 5000)

    class Abstains(Says):
        def read(self, sample: object, question: str | None = None) -> Read:
            assert type(sample).__name__ == "Waveform"
            made = Provenance("says", "1", "0" * 64, "2.25.2", "0", 0, 1, 1, 0.0)
            return Read("2.25.3", question or "", "", (), (), "not trained on ECG", "", made)

    report = evaluate(data_dir=tmp_path, reader=Abstains(), progress=False, show=False)
    assert report["model"]["abstentions"] == {"not trained on ECG": 2}
    assert report["overall"]["macro_f1"]["value"] == 0.0
