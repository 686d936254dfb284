"""ECGs read by the rhythm network that ships: what is measured is true, what is named has a code, noise is not read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ecg_phantoms import STANDARD, ecg, group, save, signals
from validators import dciodvfy_errors
from wetread.cli import main
from wetread.imaging import load_sample, to_sample
from wetread.model.ecg_beats import FEATURES, features, find_beats
from wetread.model.ecg_input import encoder_input
from wetread.model.rhythm_network import Statement, rhythm_model
from wetread.reading import Reader
from wetread.reading.rhythms import read_rhythm

pytestmark = pytest.mark.skipif(rhythm_model("wetread-mini") is None, reason="the rhythm network is not installed")


@pytest.fixture(scope="module")
def network():
    return rhythm_model("wetread-mini")


def npz(tmp_path, values, leads=STANDARD, rate=500.0):
    np.savez(tmp_path / "ecg.npz", signals=values, rate_hz=rate, leads=np.array(leads))
    return tmp_path / "ecg.npz"


class TestBeats:
    def test_the_drawn_rhythm_has_the_rate_it_was_drawn_with(self):
        beats = find_beats(encoder_input(to_sample([ecg()]))[0])
        assert beats.rate == pytest.approx(75.0, abs=0.5)
        assert beats.rr_s == pytest.approx(np.full(len(beats.rr_s), 0.8), abs=0.012)

    @pytest.mark.parametrize("faster", [0.55, 1.0, 1.8])
    def test_another_rate_is_measured_as_such(self, tmp_path, faster):
        drawn = signals(rate=500.0, seconds=20.0)
        picked = np.arange(0, 5000) * faster
        kept = np.stack([np.interp(picked, np.arange(drawn.shape[1]), lead) for lead in drawn])
        beats = find_beats(encoder_input(load_sample(npz(tmp_path, kept)))[0])
        assert beats.rate == pytest.approx(75.0 * faster, rel=0.02)

    def test_gain_of_all_leads_moves_no_time(self):
        drawn = encoder_input(to_sample([ecg()]))[0]
        once, twice = (dict(zip(FEATURES, features(find_beats(drawn * gain)), strict=True)) for gain in (1.0, 2.0))
        assert once["rr_median"] == pytest.approx(twice["rr_median"])
        assert 2 * once["p_height"] == pytest.approx(twice["p_height"], rel=1e-3)

    def test_noise_alone_is_flat_or_unlike_beats(self, network, tmp_path):
        noise = np.random.default_rng(3).normal(0, 0.3, (12, 5000))
        read = read_rhythm(network, load_sample(npz(tmp_path, noise)))
        assert read.abstention is not None
        assert read.findings == ()


class TestTheShippedNetwork:
    def test_an_ecg_is_read_in_words_and_codes_and_the_report_is_valid(self, tmp_path, capsys):
        source = save(ecg(), tmp_path / "ecg.dcm")
        assert main(["read", str(source), "--out", str(tmp_path / "out"), "--quiet"]) == 0
        assert "75 a minute" in " ".join(capsys.readouterr().out.split())
        document = json.loads((tmp_path / "out" / "read.json").read_text())
        assert document["abstention"] is None
        assert document["model"]["name"] == "wetread-mini-ecg"
        assert dciodvfy_errors(tmp_path / "out" / "sr.dcm") == []
        assert main(["verify", str(tmp_path / "out" / "sr.dcm"), "--source", str(source)]) == 0

    def test_no_image_weight_is_loaded_for_that(self):
        reader = Reader()
        assert reader.read(to_sample([ecg()])).abstention is None
        assert not reader.engine.is_loaded

    def test_a_missing_lead_is_an_abstention_that_names_it(self, network):
        leads = tuple(lead for lead in STANDARD if lead != "V3")
        dataset = ecg(groups=[group(leads)])
        assert "missing: V3" in (read_rhythm(network, to_sample([dataset])).abstention or "")

    def test_every_statement_that_is_made_is_as_sure_as_its_threshold(self, network):
        least = {s.label: s.threshold for s in network.statements}
        found = read_rhythm(network, to_sample([ecg()])).findings
        assert all(finding.presence >= least[finding.label] for finding in found)

    def test_weights_and_thresholds_are_the_device(self, network, tmp_path):
        import shutil

        from wetread.model.rhythm_network import read_rhythm_model

        copy = shutil.copytree(network.folder, tmp_path / "copy")
        assert read_rhythm_model(copy).device_uid == network.device_uid
        text = (copy / "rhythm.json").read_text()
        (copy / "rhythm.json").write_text(text.replace('"threshold": 0.', '"threshold": 0.0', 1))
        assert read_rhythm_model(copy).device_uid != network.device_uid
        assert isinstance(read_rhythm_model(copy).statements[0], Statement)
