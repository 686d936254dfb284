"""The rhythm network's training: drawn rhythms are what they are called, folds are honest, a recipe gives a folder."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ecg_phantoms import STANDARD, signals
from wetread.errors import RefusedInput
from wetread.evaluation.evaluate import evaluate
from wetread.evaluation.rhythms import measured
from wetread.model.ecg_beats import FEATURES, features, find_beats
from wetread.model.rhythm_network import read_rhythm_model
from wetread.training.drawn_rhythms import DRAWN, draw
from wetread.training.rhythm import _folds, train_rhythm
from wetread.training.rhythm_fit import calibrated
from wetread.training.rhythm_records import Record

CODES = {"sinus rhythm": "426783006", "sinus tachycardia": "427084000"}


@pytest.fixture(scope="module")
def beats():
    rows = [STANDARD.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
    return find_beats(signals(rate=250.0)[rows])


def measured_of(beats, label, count=12):
    random = np.random.default_rng(0)
    drawn = [find_beats(draw(beats, label, random)[0]) for _ in range(count)]
    return [dict(zip(FEATURES, features(one), strict=True)) for one in drawn if one is not None]


class TestDrawnRhythms:
    def test_every_rhythm_has_beats_and_is_called_by_its_name(self, beats):
        random = np.random.default_rng(0)
        for label in DRAWN:
            tracing, labels = draw(beats, label, random)
            assert tracing.shape == (8, 2500)
            assert label in labels
            assert find_beats(tracing) is not None

    def test_rates_are_those_of_the_definitions(self, beats):
        assert all(one["rate"] < 60 for one in measured_of(beats, "sinus bradycardia"))
        assert all(one["rate"] > 100 for one in measured_of(beats, "sinus tachycardia"))

    def test_fibrillation_is_irregular_and_sinus_rhythm_is_not(self, beats):
        sinus = np.median([one["rr_successive"] for one in measured_of(beats, "sinus rhythm")])
        fibrillation = np.median([one["rr_successive"] for one in measured_of(beats, "atrial fibrillation")])
        assert fibrillation > 4 * sinus

    def test_ventricular_beats_are_unlike_the_others_and_atrial_ones_are_not(self, beats):
        ventricular, atrial = (
            np.median([one["early_shape"] for one in measured_of(beats, f"premature {kind}")])
            for kind in ("ventricular contractions", "atrial contraction")
        )
        assert atrial > 0.85 > ventricular


class TestCalibration:
    def test_presence_agrees_with_frequency_whatever_the_logits_scale(self):
        random = np.random.default_rng(0)
        true = (random.random(2000) < 0.3).astype(float)
        logits = (6 * (true - 0.5) + random.normal(0, 3, 2000))[None, :, None]
        (found,) = calibrated(["sinus rhythm"], logits, true[:, None])
        presence = 1 / (1 + np.exp(-(found.slope * logits.ravel() + found.offset)))
        for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
            inside = (presence >= low) & (presence < high)
            assert presence[inside].mean() == pytest.approx(true[inside].mean(), abs=0.08)

    def test_folds_share_no_patient_and_hold_everyone(self):
        groups = [f"p{n // 2}" for n in range(30)]
        folds = _folds(groups, 5, 0)
        assert sorted(np.concatenate(folds)) == list(range(30))
        assert all(not {groups[i] for i in a} & {groups[i] for i in b} for a in folds for b in folds if a is not b)

    def test_a_class_of_seven_records_is_no_part_of_the_mean(self, beats):
        often, rarely = frozenset({"sinus rhythm"}), frozenset({"atrial flutter"})
        records = [Record(str(n), str(n), often if n < 8 else rarely, np.zeros((8, 1)), beats) for n in range(15)]
        figures = measured(records, ("sinus rhythm", "atrial flutter"), [often] * 8 + [frozenset()] * 7)
        assert figures["classes"] == 1
        assert figures["macro_f1"]["value"] == 1.0
        assert figures["f1"]["atrial flutter"]["value"] == 0.0


def folder_of_records(folder):
    """Twenty drawn records, half of them fast."""
    folder.mkdir()
    lines = []
    for number in range(20):
        label = "sinus tachycardia" if number % 2 else "sinus rhythm"
        drawn = signals(rate=500.0, seconds=20.0)
        picked = np.arange(5000) * ((1.6 if number % 2 else 1.0) + 0.01 * number)
        kept = np.stack([np.interp(picked, np.arange(drawn.shape[1]), lead) for lead in drawn])
        kept += np.random.default_rng(number).normal(0, 0.01, kept.shape)
        np.savez(folder / f"r{number}.npz", signals=kept, rate_hz=500.0, leads=np.array(STANDARD))
        lines.append({"id": f"r{number}", "modality": "ECG", "image": f"r{number}.npz", "group": f"r{number}",
                      "diagnosis": label, "attrs": {"snomed": [CODES[label]]}})  # fmt: skip
    lines.append({"id": "none", "modality": "ECG", "image": "r0.npz", "diagnosis": "", "attrs": {}})
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of_records(tmp_path_factory.mktemp("rhythm") / "data")


def recipe(tmp_path, data, **changes):
    said = {"data": data, "out": tmp_path / "model", "part": "all", "copies": 1, "drawn": 2, "members": 2, "hidden": 4,
            "steps": 40, "folds": 3} | changes  # fmt: skip
    (tmp_path / "run.yaml").write_text("".join(f"{key}: {value}\n" for key, value in said.items()))
    return tmp_path / "run.yaml"


class TestARun:
    def test_it_learns_what_can_be_told_apart_and_says_how_well(self, data, tmp_path):
        said: list[str] = []
        model = read_rhythm_model(train_rhythm(recipe(tmp_path, data), measured, said.append))
        assert {s.label for s in model.statements} == set(DRAWN)
        assert model.metrics["macro_f1"]["value"] > 0.9
        assert any("no ECG with SNOMED CT codes" in line for line in said)

    def test_the_same_seed_gives_the_same_device(self, data, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        one = read_rhythm_model(train_rhythm(recipe(tmp_path / "a", data, steps=5), measured, lambda _: None))
        two = read_rhythm_model(train_rhythm(recipe(tmp_path / "b", data, steps=5), measured, lambda _: None))
        assert one.device_uid == two.device_uid

    def test_too_few_patients_are_refused(self, data, tmp_path):
        with pytest.raises(RefusedInput, match="patients for 40 folds"):
            train_rhythm(recipe(tmp_path, data, folds=40), measured, lambda _: None)


class TestEvaluation:
    def test_the_folder_is_measured_through_the_reader_with_every_label(self, data, capsys):
        report = evaluate(data_dir=data, progress=False)
        assert report["data"]["records"] == 20
        assert set(report["labels"]) == set(CODES)  # of what it can name, the labels that are true of some record
        assert report["classes"] == sorted(CODES)
        assert report["labels"]["sinus tachycardia"]["f1"]["value"] > 0.9
        assert "Macro-F1 over 2 classes" in capsys.readouterr().out
