"""The reading desk: verdicts into the ledger, and from the ledger back to what a person may sign.

All of a read's life is in the ledger: the read, every verdict on it, every signature. Nothing else is asked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wetread.errors import RefusedInput
from wetread.findings import Decision, Verdict
from wetread.records.times import moment, stamp
from wetread.review.memory import (
    finding_body,
    interval_body,
    mask_body,
    recalled_box,
    recalled_interval,
    recalled_mask,
    recalled_read,
    recalled_target,
    target_body,
)
from wetread.review.verdicts import Review, review

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from wetread.findings import Read
    from wetread.records.database import Database
    from wetread.review.ledger import Entry, Ledger
    from wetread.signed import Signed

READ, VERDICT, SIGNATURE = "read", "verdict", "signature"


@dataclass(frozen=True, slots=True)
class SignatureRecord:
    """A signature in the ledger: its UID, when, by whom, after which verdict, and the objects that went out."""

    uid: str
    login: str
    moment: str
    after: int
    objects: tuple[dict[str, str], ...]


class Desk:
    """Verdicts and signatures over a ledger; safe from any thread and any number of processes."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger

    def read(self, read_uid: str) -> tuple[Read, Entry]:
        """A read and its ledger entry.

        Raises:
            RefusedInput: the ledger has no such read, or its entry was damaged.
        """
        entry = next(self._ledger.entries(kind=READ, read_uid=read_uid), None)
        if entry is None:
            raise RefusedInput("no such read in the ledger", read_uid[:64], "decide on reads of this service")
        try:
            return recalled_read(entry.body, self._ledger.blob), entry
        except (ValueError, KeyError) as error:
            raise RefusedInput(f"the ledger's entry is damaged ({type(error).__name__})", read_uid,
                               "check the ledger: wetread ledger check") from error  # fmt: skip

    def verdicts(self, read_uid: str) -> list[Verdict]:
        """Every verdict on a read, oldest first."""
        return [self._verdict(entry) for entry in self._ledger.entries(kind=VERDICT, read_uid=read_uid)]

    def review(self, read_uid: str, login: str) -> Review:
        """A read in the light of one person's verdicts."""
        read, _ = self.read(read_uid)
        return review(read, self.verdicts(read_uid), login)

    def decide(self, verdicts: Sequence[Verdict]) -> Review:
        """Record verdicts of one person on one read, all or none; returns the state after them.

        Raises:
            RefusedInput: a verdict that cannot be meant; nothing was recorded.
        """
        if not verdicts or len({(v.read_uid, v.person) for v in verdicts}) != 1:
            raise RefusedInput("verdicts on several reads, or none", "verdicts", "send those on one read")
        read, entry = self.read(verdicts[0].read_uid)
        with self._database.writing(in_turn=True) as connection:
            earlier = self.verdicts(read.uid)
            after = review(read, [*earlier, *verdicts], verdicts[0].person)
            known = {finding.tracking_uid: finding for finding in read.findings}
            for verdict in verdicts:
                blobs: dict[str, bytes] = {}
                before = known.get(verdict.tracking_uid)
                body = _verdict_body(verdict, blobs) | {
                    "before": None if before is None else finding_body(before, blobs),
                    "model": {key: entry.body["provenance"][key]
                              for key in ("model", "model_version", "weights_sha256", "device_uid")},
                    "series": entry.body["series"], "modality": entry.body["modality"],
                    "patient": entry.body.get("patient", ""),
                }  # fmt: skip
                self._ledger.append_in(connection, VERDICT, verdict.person, body, study_uid=entry.study_uid,
                                       read_uid=read.uid, blobs=blobs)  # fmt: skip
        return after

    def signatures(self, read_uid: str) -> list[SignatureRecord]:
        """Every signature on a read, oldest first."""
        return [
            SignatureRecord(e.body["uid"], e.actor, e.body["moment"], e.body["after"], tuple(e.body["objects"]))
            for e in self._ledger.entries(kind=SIGNATURE, read_uid=read_uid)
        ]

    def last_verdict(self, read_uid: str, login: str) -> int:
        """Number of a person's last verdict on a read; 0 for none: a signature is about the state after it."""
        numbers = [e.number for e in self._ledger.entries(kind=VERDICT, read_uid=read_uid) if e.actor == login]
        return max(numbers, default=0)

    def sign_in(self, connection: Connection, signed: Signed, after: int, objects: Sequence[dict[str, str]]) -> None:
        """Record a signature in a transaction of the caller's, which must be `writing(in_turn=True)`."""
        body = {
            "uid": signed.uid, "moment": stamp(signed.moment), "after": after, "objects": list(objects),
            "signer": dataclasses.asdict(signed.signer),
            "findings": [{"tracking_uid": s.finding.tracking_uid, "origin": s.origin.value} for s in signed.findings],
        }  # fmt: skip
        _, entry = self.read(signed.read.uid)
        self._ledger.append_in(connection, SIGNATURE, signed.signer.login, body, study_uid=entry.study_uid,
                               read_uid=signed.read.uid)  # fmt: skip

    def _verdict(self, entry: Entry) -> Verdict:
        body = entry.body
        return Verdict(
            read_uid=entry.read_uid, tracking_uid=body["tracking_uid"], decision=Decision(body["decision"]),
            person=entry.actor, reason=body["reason"], box=recalled_box(body["box"]), plane=body["plane"],
            mask=recalled_mask(body["mask"], self._ledger.blob), interval=recalled_interval(body["interval"]),
            target=None if body["target"] is None else recalled_target(body["target"]),
            decided=moment(body["decided"]),
        )  # fmt: skip


def _verdict_body(verdict: Verdict, blobs: dict[str, bytes]) -> dict[str, Any]:
    return {
        "tracking_uid": verdict.tracking_uid, "decision": verdict.decision.value, "reason": verdict.reason,
        "box": None if verdict.box is None else list(verdict.box.corners), "plane": verdict.plane,
        "mask": mask_body(verdict.mask, blobs), "interval": interval_body(verdict.interval),
        "target": None if verdict.target is None else target_body(verdict.target),
        "decided": stamp(verdict.decided),
    }  # fmt: skip
