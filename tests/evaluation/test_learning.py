"""A turn of learning with the shipped model: a new device that is not worse reads on, a poisoned one never does."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from judged_cases import add_cases, backing_with, correct_all
from wetread.evaluation.gate import LEAST_PATIENTS, Ruling
from wetread.evaluation.learning import Turn, learn
from wetread.findings import Mask
from wetread.model.checkpoint import GROUNDING_FILE
from wetread.model.versions import ModelVersions
from wetread.review import model_history
from wetread.training.from_ledger import is_kept

pytestmark = pytest.mark.slow


def split_cases(folder, to_learn, to_keep):
    """So many pictures of patients on either side of the split; the salt of every ledger splits anew."""
    backing, cases = backing_with(folder, 4)
    while sum(is_kept(c.patient) for c in cases) < to_keep or sum(not is_kept(c.patient) for c in cases) < to_learn:
        cases += add_cases(backing, [len(cases)])
    kept = [case for case in cases if is_kept(case.patient)][:to_keep]
    return backing, [case for case in cases if not is_kept(case.patient)][:to_learn], kept


@pytest.fixture
def versions(tmp_path):
    return ModelVersions(tmp_path / "models", "wetread-mini")


def events(backing):
    return [(entry.body["event"], entry.actor) for entry in model_history.history(backing.ledger)]


def test_a_version_that_is_not_worse_is_promoted_and_can_be_taken_back(tmp_path, versions):
    backing, there, kept = split_cases(tmp_path, 2, LEAST_PATIENTS)
    correct_all(backing, [*there, *kept])
    told = []
    found = learn(backing.ledger, backing.archive, versions, Turn("head", 1, 1, 1e-7), "ada", told.append)
    assert found.judgement.ruling is Ruling.PROMOTE, found.judgement.reason
    assert versions.pointer().current == found.version == "0.1.1"
    base = versions.info("")
    assert found.info.device_uid != base.device_uid, "every fine-tune is a new device"
    old, new = (load_file(info.folder / GROUNDING_FILE) for info in (base, found.info))
    running = [name for name in old if "running_" in name]
    assert running
    assert all(torch.equal(old[name], new[name]) for name in running), "small batches do not move the statistics"
    assert found.info.training["ledger"]["ledger_hash"] in {entry.hash for entry in backing.ledger.entries()}
    assert found.info.training_data[:-1] == base.training_data
    assert (found.counts["reads"], found.counts["kept_patients"]) == (2, LEAST_PATIENTS)
    assert [p.stage for p in told][:2] == ["collecting", "training"]
    assert told[-1].stage == "done"
    assert model_history.roll_back(versions, backing.ledger, "bo", "looks odd").device_uid == base.device_uid
    assert events(backing) == [("trained", "ada"), ("promoted", "gate"), ("rolled back", "bo")]
    assert backing.ledger.breaks() == []
    backing.close()


def test_a_poisoned_batch_is_refused(tmp_path, versions):
    backing, there, kept = split_cases(tmp_path, 4, LEAST_PATIENTS + 1)
    correct_all(backing, kept)
    rng = np.random.default_rng(0)

    def shuffled(case):
        """The marked squares, in another order."""
        tiles = case.truth.dense()[0].reshape(8, 32, 8, 32).swapaxes(1, 2).reshape(64, 32, 32)
        mixed = ~tiles[rng.permutation(64)]
        return Mask.from_dense(mixed.reshape(8, 8, 32, 32).swapaxes(1, 2).reshape(256, 256))

    correct_all(backing, there, shuffled)
    found = learn(backing.ledger, backing.archive, versions, Turn("head", 4, 2, 1e-3), "mallory")
    assert found.judgement.ruling is Ruling.REFUSE, found.judgement.reason
    assert versions.location() == "wetread-mini", "the old one goes on reading"
    assert events(backing) == [("trained", "mallory"), ("refused", "gate")]
    shutil.rmtree(versions.folder)
    backing.close()
