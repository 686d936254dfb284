"""A target that no model of ours covers: a site's corrections make a read find it, and nothing else is forgotten."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from taught_cases import LESION, add_spots, drawn_spot, spoilt, teach_all
from wetread.archive.folder import FolderArchive
from wetread.evaluation.gate import LEAST_PATIENTS, Ruling
from wetread.evaluation.learning import Turn, learn
from wetread.evaluation.metrics import dice
from wetread.imaging import to_sample
from wetread.imaging.wrap_picture import wrap_picture
from wetread.model.checkpoint import GROUNDING_FILE, TAUGHT_FILE
from wetread.model.versions import ModelVersions
from wetread.reading import Reader
from wetread.service.backing import open_backing
from wetread.terminology import Modality
from wetread.training.from_ledger import is_kept
from wetread.training.taught import LEAST_TAUGHT

pytestmark = pytest.mark.slow
QUESTION = "Please segment skin lesion in the given image."


@pytest.fixture
def versions(tmp_path):
    return ModelVersions(tmp_path / "models", "wetread-mini")


@pytest.fixture
def backing(tmp_path):
    opened = open_backing(FolderArchive(tmp_path / "archive"), tmp_path / "records.sqlite")
    yield opened
    opened.close()


def spots(backing, to_learn, to_keep):
    """So many patients on either side of the split; the salt of every ledger splits anew."""
    cases = add_spots(backing, 0, 4)
    while sum(is_kept(c.patient) for c in cases) < to_keep or sum(not is_kept(c.patient) for c in cases) < to_learn:
        cases += add_spots(backing, len(cases), 1)
    kept = [case for case in cases if is_kept(case.patient)][:to_keep]
    return [case for case in cases if not is_kept(case.patient)][:to_learn], kept


def unseen(number):
    picture, mask = drawn_spot(np.random.default_rng(10_000 + number))
    return to_sample([wrap_picture(picture, Modality.DERMOSCOPY)]), mask


def test_what_a_site_teaches_is_found_and_nothing_is_forgotten(backing, versions):
    there, kept = spots(backing, 8, LEAST_PATIENTS)
    teach_all(backing, [*there, *kept])
    base = Reader("wetread-mini")
    assert base.read(unseen(0)[0], QUESTION).abstention
    found = learn(backing.ledger, backing.archive, versions, Turn("head", 60, 2), "ada")
    assert found.judgement.ruling is Ruling.PROMOTE, found.judgement.reason
    assert found.judgement.figures["labels"]["skin lesion"]["best_square"] > 0

    new = versions.info(found.version)
    assert (new.taught, Modality.DERMOSCOPY in new.modalities) == ({"skin lesion": 8}, True)
    assert new.labels == (*base.info.labels, "skin lesion")
    for name in ("model.safetensors", GROUNDING_FILE):
        old_weights, new_weights = (load_file(folder / name) for folder in (base.info.folder, new.folder))
        assert all(torch.equal(old_weights[key], new_weights[key]) for key in old_weights), f"{name} is as it was"

    reader = Reader(versions.location())
    for number in range(3):
        sample, mask = unseen(number)
        for question in (QUESTION, None):
            read = reader.read(sample, question)
            (finding,) = read.findings
            assert finding.target == LESION
            assert dice(finding.mask.dense()[0], mask) > 0.6
            assert finding.description in read.reasoning
            assert any("learned here from the corrections on 8 patients" in remark for remark in read.remarks)
    reader.close()

    teach_all(backing, add_spots(backing, 500, 6))
    again = learn(backing.ledger, backing.archive, versions, Turn("head", 1, 1), "ada")
    assert again.info.taught["skin lesion"] > 8, "what was taught before is taught on"
    base.close()


def test_a_poisoned_new_target_is_refused(backing, versions):
    there, kept = spots(backing, 6, LEAST_PATIENTS)
    teach_all(backing, kept)
    teach_all(backing, there, spoilt)
    found = learn(backing.ledger, backing.archive, versions, Turn("head", 40, 2), "mallory")
    assert found.judgement.ruling is Ruling.REFUSE, found.judgement.reason
    assert "skin lesion is new" in found.judgement.reason
    assert versions.location() == "wetread-mini"


def test_too_few_patients_teach_no_new_target(backing, versions):
    there, _ = spots(backing, LEAST_TAUGHT - 1, 0)
    teach_all(backing, there)
    from wetread.errors import RefusedInput

    with pytest.raises(RefusedInput, match="nothing new"):
        learn(backing.ledger, backing.archive, versions, Turn("head", 1, 1), "ada")
    assert versions.names() == []
    assert not list(versions.folder.glob(f"**/{TAUGHT_FILE}"))
