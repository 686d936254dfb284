"""Accept rates and the history of models, from hand-made ledgers."""

from __future__ import annotations

import pytest

from wetread.records.database import Database
from wetread.review.accept_rates import accept_rates, wilson
from wetread.review.ledger import Ledger

OLD = {"model": "wetread-mini", "model_version": "0.1.0", "weights_sha256": "a", "device_uid": "2.25.1"}
NEW = OLD | {"model_version": "0.1.1", "device_uid": "2.25.2"}


@pytest.fixture
def ledger(tmp_path):
    database = Database(tmp_path / "records.sqlite")
    yield Ledger(database)
    database.close()


def verdict(ledger, decision, uid, person="ada", model=OLD, read="2.25.100", before=True):
    body = {"decision": decision, "tracking_uid": uid, "model": model, "before": {"label": "liver"} if before else None}
    ledger.append("verdict", person, body, study_uid="1.2", read_uid=read)


def test_the_last_verdict_of_each_person_on_each_finding_counts(ledger):
    verdict(ledger, "reject", "1")
    verdict(ledger, "accept", "1")
    verdict(ledger, "correct", "1", person="bo")
    verdict(ledger, "accept", "2")
    verdict(ledger, "withdraw", "2")
    verdict(ledger, "add", "3", before=False)
    verdict(ledger, "correct", "3", before=False)
    (rate,) = accept_rates(ledger)
    assert (rate.reads, rate.accepted, rate.corrected, rate.rejected, rate.added) == (1, 1, 1, 0, 1)
    assert rate.rate == 0.5
    assert list(rate.months.values()) == [(1, 2)]
    assert rate.as_dict()["version"] == "0.1.0"


def test_versions_are_counted_apart_in_the_order_in_which_they_came(ledger):
    verdict(ledger, "reject", "1")
    verdict(ledger, "accept", "9", model=NEW, read="2.25.101")
    assert [(r.version, r.rate) for r in accept_rates(ledger)] == [("0.1.0", 0.0), ("0.1.1", 1.0)]


def test_an_empty_ledger_has_no_rates(ledger):
    assert accept_rates(ledger) == []


def test_wilsons_interval_is_the_published_one():
    # Newcombe, Statistics in Medicine 17:857 (1998), table I: 81 of 263 and 0 of 20, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (None, None)
