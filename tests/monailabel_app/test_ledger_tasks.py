"""Strategies, scoring, saved labels and the gate of the app, without a server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from judged_cases import add_cases
from reporting_reads import finding, image_sample, read_of
from wetread.archive.folder import FolderArchive
from wetread.errors import RefusedInput
from wetread.findings import Decision, Mask

pytest.importorskip("monailabel", reason="MONAI Label is not installed: make install-app")

from lib.gate import CLOSED, STOCK_RULES, is_name
from lib.saved_labels import label_names, verdicts_of
from lib.scoring import LedgerScoring
from lib.shared import INFO, Shared, series_key
from lib.strategies import strategies
from wetread.service.access.guard import needed_role
from wetread.service.access.people import Role


class Images:
    """What the tasks use of MONAI Label's datastore."""

    def __init__(self, infos):
        self.infos = infos

    def list_images(self):
        return list(self.infos)

    def get_unlabeled_images(self, label_tag=None, labels=None):
        return list(self.infos)

    def get_image_info(self, image):
        return self.infos[image]

    def update_image_info(self, image, info):
        self.infos[image].update(info)


@pytest.fixture
def shared(tmp_path):
    found = Shared(FolderArchive(tmp_path / "archive"), "wetread-mini")
    yield found
    found.backing.close()


@pytest.fixture
def images(shared):
    cases = add_cases(shared.backing, range(3))
    return Images({f"image{case.number}": {INFO: {"series_uid": case.series_uid}} for case in cases} | {"unread": {}})


def test_scoring_writes_what_a_client_can_show(shared, images):
    answer = LedgerScoring(shared)({"method": "ledger"}, images)
    assert answer == {"images": 3, "accept_rates": []}
    assert images.infos["image0"][INFO]["uncertainty"] == pytest.approx(0.469, abs=1e-3)
    assert images.infos["unread"] == {}


def test_every_strategy_leases_what_it_gives(shared, images):
    for name, strategy in strategies(shared).items():
        given = [strategy({"client_id": f"{name} {n}", "strategy": name}, images)["id"] for n in range(4)]
        assert sorted(given) == sorted(images.infos)
        assert strategy({"client_id": "late"}, images) is None
        for number in range(4):
            # Whoever asks again gives his image back; the last one is freed by asking for nothing.
            shared.lease([], f"{name} {number}")


def test_what_was_read_comes_before_what_was_not(shared, images):
    assert strategies(shared)["uncertainty"]({"client_id": "ada"}, images)["id"] != "unread"


def test_an_id_that_is_a_uid_is_its_own_key():
    assert series_key("1.2.3") == "1.2.3"
    assert series_key("scan.png") != series_key("scan2.png")


@pytest.mark.parametrize("name", ["../up", "a/b", "a\\b", "", ".hidden", "x" * 201, "a\0b", "a\nb"])
def test_what_is_no_name(name):
    assert not is_name(name)


def test_names_and_roles():
    assert is_name("final")
    assert is_name("1.2.840.1")
    assert CLOSED.fullmatch("/reload")
    assert CLOSED.fullmatch("/infer/wsi/x")
    assert not CLOSED.fullmatch("/infer/wetread")
    assert needed_role("POST", "/train/head", STOCK_RULES) is Role.ADMIN
    assert needed_role("POST", "/infer/wetread", STOCK_RULES) is Role.READER
    assert needed_role("PUT", "/datastore/label", STOCK_RULES) is Role.REVIEWER
    assert needed_role("DELETE", "/datastore/label", STOCK_RULES) is Role.ADMIN
    assert needed_role("GET", "/logs/", STOCK_RULES) is Role.ADMIN


NAMES = {"red blood cells": 1, "platelets": 2}


class TestSavedLabels:
    @pytest.fixture
    def read(self):
        from dicom_phantoms import visible_light
        from wetread.terminology import Modality

        (dataset,) = visible_light(rows=24, columns=32)
        sample = image_sample(dataset, Modality.MICROSCOPY)
        mask = np.zeros((24, 32), bool)
        mask[3:9, 4:12] = True
        return read_of([finding(sample, "red blood cells", Mask.from_dense(mask))]), sample, mask

    def said(self, read, voxels, names=None):
        found = verdicts_of(read[0], read[1], sitk.GetImageFromArray(voxels[None].astype(np.uint8)), Path("x.dcm"),
                            names or NAMES, "ada")  # fmt: skip
        return {verdict.decision: verdict for verdict in found}

    def test_the_same_voxels_accept(self, read):
        assert set(self.said(read, read[2])) == {Decision.ACCEPT}

    def test_other_voxels_correct_pixel_for_pixel(self, read):
        drawn = read[2].copy()
        drawn[15:20, 20:31] = True
        found = self.said(read, drawn)
        assert np.array_equal(found[Decision.CORRECT].mask.dense()[0], drawn)

    def test_a_label_that_is_gone_rejects_and_a_new_one_adds(self, read):
        found = self.said(read, read[2] * 2)
        assert set(found) == {Decision.REJECT, Decision.ADD}
        assert found[Decision.ADD].target.label == "platelets"
        assert np.array_equal(found[Decision.ADD].mask.dense()[0], read[2])

    def test_another_grid_an_unnamed_value_and_a_label_without_a_code_are_refused(self, read):
        with pytest.raises(RefusedInput, match="voxels"):
            self.said(read, np.zeros((5, 5), bool))
        with pytest.raises(RefusedInput, match="without a name"):
            self.said(read, read[2] * 9)
        with pytest.raises(RefusedInput, match="without a code"):
            self.said(read, read[2] * 7, {"unicorn": 7, "red blood cells": 1})

    def test_a_client_says_what_its_values_mean(self):
        assert label_names({"label_info": [{"name": "liver", "idx": 3}, "junk", {"idx": 1}]}, {"a": 1}) == {"liver": 3}
        assert label_names({}, {"a": 1}) == {"a": 1}
