"""An ECG through the Reader: from file to files, with a tiny model that can and the shipped one that cannot."""

from __future__ import annotations

import json
import threading

import pytest
import torch

from ecg_phantoms import ecg, save, write_wfdb
from tiny_ecg_models import build_ecg_model
from validators import dciodvfy_errors
from wetread.cli import main
from wetread.errors import ReadCancelled
from wetread.imaging import load_sample, to_sample
from wetread.model.ecg import soft_tokens, token_id
from wetread.pipeline import read_series, write_outcome
from wetread.reading import Reader
from wetread.reading import waveforms as module
from wetread.reading.waveforms import EcgWords, interpret, write
from wetread.reporting import verify_files


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def reader(request, tmp_path_factory):
    return Reader(build_ecg_model(request.param, tmp_path_factory.mktemp("ecg")))


@pytest.fixture(scope="module")
def waveform():
    return to_sample([ecg()])


def silent(piece: str) -> None:
    """Nobody listens."""


@pytest.fixture
def without_network(monkeypatch):
    """As for a model for which no rhythm network ships."""
    monkeypatch.setattr(module, "rhythm_model", lambda name: None)


@pytest.mark.usefixtures("without_network")
class TestAModelWithoutEncoderAndNetwork:
    @pytest.mark.parametrize("kind", ["dicom", "wfdb"])
    def test_it_abstains_in_words_and_the_report_is_valid(self, tmp_path, capsys, kind):
        source = save(ecg(), tmp_path / "ecg.dcm") if kind == "dicom" else write_wfdb(tmp_path / "w")
        assert main(["read", str(source), "--out", str(tmp_path / "out"), "--quiet"]) == 0
        assert "has no ECG encoder" in capsys.readouterr().out
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["overlay.png", "read.json", "sr.dcm"]
        document = json.loads((tmp_path / "out" / "read.json").read_text())
        assert document["abstention"] == "wetread-mini has no ECG encoder and was not trained on ECG."
        assert document["findings"] == []
        assert dciodvfy_errors(tmp_path / "out" / "sr.dcm") == []
        assert verify_files([tmp_path / "out" / "sr.dcm"], [source] if kind == "dicom" else []) == []

    def test_no_weight_is_loaded_for_that(self, waveform):
        reader = Reader()
        assert reader.read(waveform).abstention
        assert not reader.engine.is_loaded

    def test_files_of_an_earlier_read_of_an_image_do_not_stay(self, tmp_path):
        outcome = read_series([ecg()], reader=Reader())
        (tmp_path / "seg.dcm").write_bytes(b"old")
        write_outcome(outcome, tmp_path)
        assert not (tmp_path / "seg.dcm").exists()

    def test_a_recording_that_cannot_be_read_is_one_line_and_no_file(self, tmp_path, capsys):
        broken = ecg()
        broken.WaveformSequence[0].WaveformData = broken.WaveformSequence[0].WaveformData[:1000]
        source = save(broken, tmp_path / "ecg.dcm")
        assert main(["read", str(source), "--out", str(tmp_path / "out"), "--quiet"]) == 1
        said = capsys.readouterr().err.strip()
        assert said.startswith("wetread: truncated waveform: 1000 of 120000 bytes")
        assert "\n" not in said
        assert not (tmp_path / "out").exists()


class TestWriting:
    def test_an_answer_is_what_generate_gives(self, reader, waveform):
        loaded = reader.engine.model()
        words = write(loaded, waveform, "What is it?", silent, None, longest=12)
        ids = torch.tensor([loaded.prompt("What is it?", loaded.encode([]), waveforms=1)])
        marker = token_id(loaded.tokenizer)
        with torch.inference_mode(), soft_tokens(loaded.backbone, marker, loaded.ecg.embed(waveform)):
            inputs = loaded.forward_inputs(ids, loaded.encode([]))
            out = loaded.backbone.generate(**inputs, max_new_tokens=12, do_sample=False, return_dict_in_generate=True,
                                           output_scores=True, suppress_tokens=[marker])  # fmt: skip
        wanted = [token for token in out.sequences[0, ids.shape[1] :].tolist() if token not in loaded.ends]
        assert list(words.seen) == wanted
        likely = [float(step[0].softmax(-1).max()) for step in out.scores][: len(wanted)]
        assert words.probabilities == pytest.approx(likely, abs=1e-4)
        assert words.ends[-1] == len(words.text)

    def test_text_comes_in_pieces_that_make_the_answer(self, reader, waveform):
        pieces: list[str] = []
        words = write(reader.engine.model(), waveform, "What is it?", pieces.append, None, longest=12)
        assert "".join(pieces) == words.text

    def test_a_blank_ecg_is_weighed_by_the_same_words(self, reader, waveform):
        loaded = reader.engine.model()
        words = write(loaded, waveform, "What is it?", silent, None, longest=6)
        ids = torch.tensor([[*loaded.prompt("What is it?", loaded.encode([]), waveforms=1), *words.seen]])
        marker = token_id(loaded.tokenizer)
        with torch.inference_mode(), soft_tokens(loaded.backbone, marker, loaded.ecg.blank(waveform)):
            logits = loaded.backbone(**loaded.forward_inputs(ids, loaded.encode([]))).logits[0]
        likely = logits.softmax(-1)[torch.arange(-7, -1), torch.tensor(words.seen)]
        assert words.blanked == pytest.approx(likely.tolist(), abs=1e-4)

    def test_it_stops_when_it_is_cancelled(self, reader, waveform):
        cancel = threading.Event()
        cancel.set()
        with pytest.raises(ReadCancelled):
            reader.read(waveform, cancel=cancel)


ANSWER = (
    "<think>\nIrregular, no P waves.\n</think>\n```json\n"
    '[{"label": "atrial fibrillation", "interval_s": [0.5, 99], "leads": ["II", "V1"]}, '
    '{"label": "ventricular ectopics", "interval_s": [40, 50]}, {"label": "gremlins"}]\n```\n'
    "\\boxed{atrial fibrillation, LBBB, normal ECG}"
)


def spoken(text: str, seen: float = 0.8, blank: float = 0.2) -> EcgWords:
    count = len(text)
    return EcgWords(text, 9, tuple(range(count)), (seen,) * count, (blank,) * count, tuple(range(1, count + 1)), True)


class TestWhatIsMadeOfAnAnswer:
    def read(self, monkeypatch, waveform, words):
        monkeypatch.setattr(module, "write", lambda *a, **k: words)
        return interpret(None, waveform, "What is it?", silent, None)

    def test_findings_with_codes_intervals_leads_and_the_diagnoses(self, monkeypatch, waveform):
        made = self.read(monkeypatch, waveform, spoken(ANSWER))
        first, second, third = made.findings
        assert first.target.type.code == "164889003"
        assert (first.interval.start, first.interval.end, first.interval.leads) == (0.5, 10.0, ("II", "V1"))
        assert second.label == "ventricular ectopics"
        assert second.interval is None
        assert third.label == "left bundle branch block"
        assert made.diagnoses == ("atrial fibrillation", "LBBB", "normal ECG")
        assert made.reasoning == "Irregular, no P waves."
        said = " ".join(made.remarks)
        assert "40 to 50 s lies outside what was read" in said
        assert "'gremlins', which has no code here" in said
        assert "'normal ECG', which has no code here" in said

    def test_presence_is_how_surely_it_was_written_and_grounded_what_the_ecg_changes(self, monkeypatch, waveform):
        made = self.read(monkeypatch, waveform, spoken(ANSWER, 0.8, 0.2))
        assert all(f.grounded and f.presence == pytest.approx(0.8) for f in made.findings)
        made = self.read(monkeypatch, waveform, spoken(ANSWER, 0.8, 0.79))
        assert not any(f.grounded for f in made.findings)
        assert any("as likely without the ECG (0.79) as with it (0.80)" in remark for remark in made.remarks)

    def test_an_abstention_of_the_models_own(self, monkeypatch, waveform):
        made = self.read(monkeypatch, waveform, spoken("<think>Too noisy.</think>\\boxed{not covered}"))
        assert made.abstention == "Too noisy."
        assert made.findings == ()

    def test_words_without_any_form(self, monkeypatch, waveform):
        made = self.read(monkeypatch, waveform, spoken("I do not know"))
        assert made.findings == ()
        assert "no \\boxed{} diagnosis was written" in made.remarks


def test_from_command_to_files_with_a_model_that_can(reader, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "write", lambda *a, **k: spoken(ANSWER))
    source = save(ecg(), tmp_path / "ecg.dcm")
    folder = str(reader.info.folder)
    assert main(["read", str(source), "--out", str(tmp_path / "out"), "--model", folder, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "0.50 to 10.00 s" in out
    assert verify_files([tmp_path / "out" / "sr.dcm"], [source]) == []
    assert dciodvfy_errors(tmp_path / "out" / "sr.dcm") == []
    document = json.loads((tmp_path / "out" / "read.json").read_text())
    assert document["findings"][0]["interval"] == {"start_s": 0.5, "end_s": 10.0, "leads": ["II", "V1"]}


def test_a_random_model_gives_a_whole_read_whatever_it_writes(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_ANSWER", 24)
    stages = []
    source = save(ecg(), tmp_path / "ecg.dcm")
    outcome = read_series([ecg()], reader=reader, on_event=lambda event: stages.append(event.stage))
    assert outcome.seg is None
    assert outcome.read.abstention is None
    assert {"loading", "looking", "writing", "done"} <= set(stages)
    write_outcome(outcome, tmp_path / "out")
    assert verify_files([tmp_path / "out" / "sr.dcm"], [source]) == []
    again = reader.read(load_sample(source))
    assert again.answer == outcome.read.answer
