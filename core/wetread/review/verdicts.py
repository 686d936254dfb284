"""What a person has decided on a read so far, and what can be signed.

Verdicts are added, never changed: the last one on a finding counts, and "withdraw" takes a finding back to undecided.
Two readers decide on their own; neither's verdicts touch the other's. What a person signs are the findings that he
accepted as they are (the algorithm's own), those that he corrected (begun by the algorithm, finished by a person) and
those that he added (his own); PS3.3 C.8.20.2 calls these AUTOMATIC, SEMIAUTOMATIC and MANUAL. A rejected finding is
signed by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.findings import Decision, Finding
from wetread.signed import Origin, SignedFinding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wetread.findings import Read, Verdict


@dataclass(frozen=True, slots=True)
class Review:
    """A read in the light of one person's verdicts.

    Args:
        read: what the model said.
        person: whose verdicts these are.
        signable: accepted, corrected and added findings, in the read's order, added ones last.
        rejected: findings the person threw out, as the model gave them.
        undecided: findings without a verdict.
    """

    read: Read
    person: str
    signable: tuple[SignedFinding, ...]
    rejected: tuple[Finding, ...]
    undecided: tuple[Finding, ...]

    @property
    def is_complete(self) -> bool:
        """True where nothing is undecided."""
        return not self.undecided


def review(read: Read, verdicts: Iterable[Verdict], person: str) -> Review:
    """The state of a read for one person.

    Args:
        read: what the model said.
        verdicts: on this read, oldest first; those of other people are passed over.
        person: whose.

    Raises:
        RefusedInput: a verdict on a finding that is not there, or one without what it needs.
    """
    latest: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.person == person and verdict.read_uid == read.uid:
            check_verdict(read, verdict, known=latest)
            latest[verdict.tracking_uid] = verdict
    signable, rejected, undecided = [], [], []
    for finding in read.findings:
        verdict_ = latest.pop(finding.tracking_uid, None)
        match None if verdict_ is None else verdict_.decision:
            case Decision.ACCEPT:
                signable.append(SignedFinding(finding, Origin.AUTOMATIC))
            case Decision.CORRECT:
                assert verdict_ is not None
                signable.append(SignedFinding(corrected(finding, verdict_), Origin.SEMIAUTOMATIC))
            case Decision.REJECT:
                rejected.append(finding)
            case _:
                undecided.append(finding)
    for verdict in latest.values():
        if verdict.decision in (Decision.ADD, Decision.CORRECT):
            signable.append(SignedFinding(added(verdict), Origin.MANUAL))
    return Review(read, person, tuple(signable), tuple(rejected), tuple(undecided))


def check_verdict(read: Read, verdict: Verdict, known: dict[str, Verdict] | None = None) -> None:
    """Refuse a verdict that cannot be meant.

    Args:
        read: what it is about.
        verdict: to be checked.
        known: earlier verdicts of this person: an added finding may be corrected or withdrawn.

    Raises:
        RefusedInput: what is wrong with it, and what to do.
    """
    own = {finding.tracking_uid for finding in read.findings}
    added_before = {uid for uid, v in (known or {}).items() if uid not in own}
    where = verdict.tracking_uid
    if verdict.decision is Decision.ADD:
        if where in own:
            raise RefusedInput("an added finding has the tracking UID of the read's own", where, "give it a new one")
        if verdict.target is None:
            raise RefusedInput("an added finding without a target", where, "say what it is")
    elif where not in own | added_before:
        raise RefusedInput("no such finding in this read", where, "take the tracking UIDs from the read")
    if verdict.decision is Decision.ACCEPT and where in added_before - own:
        raise RefusedInput("an added finding is signed as it is", where, "correct or withdraw it instead")
    drawn = verdict.box is not None or verdict.mask is not None or verdict.interval is not None
    if verdict.decision is Decision.ADD and not drawn:
        raise RefusedInput("an added finding without a place", where, "give a box, a mask or an interval")
    if verdict.decision is Decision.CORRECT and not (drawn or verdict.target is not None):
        raise RefusedInput("a correction that changes nothing", where, "give what is right, or accept the finding")
    if verdict.decision is Decision.REJECT and not verdict.reason.strip():
        raise RefusedInput("a rejection without a reason", where, "say why: it is what the model learns from")


def corrected(finding: Finding, verdict: Verdict) -> Finding:
    """The finding as the person wants it; its tracking UID stays for the life of the finding.

    A new mask brings its own box; a new box alone replaces the mask, which no longer belongs to it.
    """
    changed = finding if verdict.target is None else replace(finding, target=verdict.target)
    if verdict.mask is not None and not verdict.mask.is_empty:
        plane = verdict.mask.key_plane
        return replace(changed, mask=verdict.mask, plane=plane, box=verdict.mask.box(plane), instances=(),
                       text_box=None, description="", grounded=True)  # fmt: skip
    if verdict.box is not None:
        plane = finding.plane if verdict.plane is None else verdict.plane
        return replace(changed, mask=None, plane=plane, box=verdict.box, instances=(), text_box=None, description="",
                       grounded=True)  # fmt: skip
    if verdict.interval is not None:
        return replace(changed, interval=verdict.interval, description="")
    return changed


def added(verdict: Verdict) -> Finding:
    """The finding that a person added."""
    assert verdict.target is not None
    empty = Finding(verdict.target, verdict.tracking_uid, 1.0, verdict.plane or 0)
    return corrected(empty, verdict)
