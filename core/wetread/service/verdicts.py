"""Verdicts over HTTP: what a person decided on the findings of a read, and his signature, which goes to the archive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from pydicom import Dataset

from wetread import uids
from wetread.archive.content import decoded
from wetread.archive.outbox import prepare
from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame, Decision, Interval, Mask, Verdict
from wetread.service.access.people import Person, person_of
from wetread.service.drawings import drawn_plane
from wetread.service.errors import NotYet, Problem
from wetread.service.reads import PREFIX, StoredObject
from wetread.service.sources import sample_of
from wetread.signed import Signed, Signer
from wetread.terminology import Laterality, find_sided

if TYPE_CHECKING:
    from wetread.archive.outbox import Item
    from wetread.review.desk import SignatureRecord
    from wetread.review.verdicts import Review
    from wetread.service.backing import Backing
    from wetread.service.courier import Courier
    from wetread.service.jobs import Job
    from wetread.terminology import Target

MOST_VERDICTS = 500
MOST_PLANES = 2000


class IntervalBody(BaseModel):
    """A stretch of time on leads of an ECG."""

    model_config = ConfigDict(extra="forbid")
    start: float = Field(ge=0, allow_inf_nan=False, description="seconds from the start of the recording")
    end: float = Field(gt=0, allow_inf_nan=False)
    leads: list[str] = Field(min_length=1, max_length=12)


class VerdictBody(BaseModel):
    """A decision on one finding; box and mask are those that are right."""

    model_config = ConfigDict(extra="forbid")
    tracking_uid: str = Field(max_length=64, description="of the finding; a new UID for one that is added")
    decision: Decision
    reason: str = Field("", max_length=2000, description="in words; needed for a rejection")
    target: str | None = Field(None, max_length=100, description="what it is, where that was wrong or it is added")
    box: Annotated[list[float], Field(min_length=4, max_length=4)] | None = Field(
        None, description="x_min, y_min, x_max, y_max in image pixels, measured on pixel edges"
    )
    plane: int | None = Field(None, ge=0, description="index of the plane of `box`; the finding's own when left out")
    mask: dict[int, str] | None = Field(
        None, description="plane index -> PNG in base64, as large as the image; what is not 0 is marked"
    )
    interval: IntervalBody | None = None


class FindingState(BaseModel):
    """Where a finding stands for the person who asks."""

    tracking_uid: str
    label: str
    state: str = Field(description="undecided, accepted, corrected, added or rejected")
    plane: int
    box: list[float] | None = Field(description="image pixels, as decided")
    has_mask: bool


class SignatureView(BaseModel):
    """A signature on a read, and where its objects are on their way."""

    uid: str
    login: str
    moment: datetime
    stored: list[StoredObject]


class ReviewView(BaseModel):
    """A read in the light of the asking person's verdicts, and everybody's signatures."""

    read_uid: str
    person: str
    findings: list[FindingState]
    is_complete: bool = Field(description="nothing is undecided")
    is_signed: bool = Field(description="the asking person has signed this very state")
    signatures: list[SignatureView]
    others: list[str] = Field(description="logins of other people with verdicts on this read")


def verdicts_router(backing: Backing, courier: Courier) -> APIRouter:
    """Routes below ``/wetread/v1/reads/{uid}``: verdicts and signature."""
    router = APIRouter(prefix=PREFIX, tags=["verdicts"], responses={400: {"model": Problem}, 404: {"model": Problem},
                                                                    409: {"model": Problem}})  # fmt: skip
    desk = backing.desk

    @router.get("/reads/{uid}/verdicts")
    def state(uid: str, request: Request) -> ReviewView:
        return _view(backing, read_uid_of(backing.queue.get(uid)), person_of(request).login)

    @router.post("/reads/{uid}/verdicts")
    def decide(uid: str, request: Request, verdicts: Annotated[list[VerdictBody], Field(max_length=MOST_VERDICTS)]
               ) -> ReviewView:  # fmt: skip
        job, login = backing.queue.get(uid), person_of(request).login
        document = _document(job)
        desk.decide([_verdict(body, document, login) for body in verdicts])
        return _view(backing, document["uid"], login)

    @router.post("/reads/{uid}/signature")
    def sign(uid: str, request: Request) -> SignatureView:
        job, person = backing.queue.get(uid), person_of(request)
        record = _sign(backing, job, person)
        courier.wake()
        return _signature(record, backing)

    return router


def _document(job: Job) -> dict[str, Any]:
    if job.result is None:
        raise NotYet(f"no findings to decide on: {job.state}", job.uid, "decide once the read is COMPLETED")
    document: dict[str, Any] = job.result["document"]
    return document


def read_uid_of(job: Job) -> str:
    """UID of a job's read; `NotYet` before it is COMPLETED."""
    return str(_document(job)["uid"])


def _verdict(body: VerdictBody, document: dict[str, Any], login: str) -> Verdict:
    """The vocabulary's verdict, held against the image it is about."""
    if not uids.is_uid(body.tracking_uid):
        raise RefusedInput("not a DICOM UID", "tracking_uid", "give digits separated by dots, at most 64 characters")
    source = document["source"]
    shape = tuple(source.get(name) or 0 for name in ("planes", "rows", "columns"))
    if body.plane is not None and body.plane >= shape[0]:
        raise RefusedInput(f"no plane {body.plane} in {shape[0]} planes", "plane", "count from 0")
    return Verdict(
        read_uid=document["uid"], tracking_uid=body.tracking_uid, decision=body.decision, person=login,
        reason=body.reason, box=_box(body.box, shape), plane=body.plane, mask=_mask(body.mask, shape),
        target=None if body.target is None else _target(body.target),
        interval=None if body.interval is None else _interval(body.interval),
    )  # fmt: skip


def _box(corners: list[float] | None, shape: tuple[int, ...]) -> Box | None:
    if corners is None:
        return None
    x_min, y_min, x_max, y_max = corners
    try:
        box = Box(x_min, y_min, x_max, y_max, BoxFrame.IMAGE)
    except ValueError:
        raise RefusedInput("a box that is none", "box", "give x_min, y_min, x_max, y_max") from None
    if not (0 <= x_min < x_max <= shape[2] and 0 <= y_min < y_max <= shape[1]):
        raise RefusedInput("a box outside the image", "box", f"stay within {shape[2]} x {shape[1]} pixels")
    return box


def _mask(planes: dict[int, str] | None, shape: tuple[int, ...]) -> Mask | None:
    if planes is None:
        return None
    if len(planes) > MOST_PLANES:
        raise RefusedInput(f"a mask of {len(planes)} planes", "mask", f"give at most {MOST_PLANES}")
    marked = {}
    for index, text in planes.items():
        if not 0 <= index < shape[0]:
            raise RefusedInput(f"no plane {index} in {shape[0]} planes", "mask", "count from 0")
        marked[index] = drawn_plane(text, (shape[1], shape[2]))
    mask = Mask((shape[0], shape[1], shape[2]), marked)
    if mask.is_empty:
        raise RefusedInput("a mask that marks nothing", "mask", "reject the finding instead")
    return mask


def _interval(body: IntervalBody) -> Interval:
    try:
        return Interval(body.start, body.end, tuple(body.leads))
    except ValueError:
        raise RefusedInput("an interval that ends before it starts", "interval", "give start and end") from None


def _target(name: str) -> Target:
    from wetread.rhythms import find_rhythm

    rhythm = find_rhythm(name)
    if rhythm is not None:
        return rhythm
    found = find_sided(name)
    if found is None:
        raise RefusedInput("a target without a code", "target", "take a label of the catalogue, see docs/targets.md")
    target, side = found
    return target.on(side) if target.laterality is Laterality.PAIRED and side is not Laterality.PAIRED else target


def _view(backing: Backing, read_uid: str, login: str) -> ReviewView:
    desk = backing.desk
    state = desk.review(read_uid, login)
    signatures = desk.signatures(read_uid)
    after = desk.last_verdict(read_uid, login)
    return ReviewView(
        read_uid=read_uid, person=login, findings=_states(state), is_complete=state.is_complete,
        is_signed=any(s.login == login and s.after == after for s in signatures),
        signatures=[_signature(s, backing) for s in signatures],
        others=sorted({v.person for v in desk.verdicts(read_uid)} - {login}),
    )  # fmt: skip


_STATES = {"AUTOMATIC": "accepted", "SEMIAUTOMATIC": "corrected", "MANUAL": "added"}


def _states(state: Review) -> list[FindingState]:
    listed = [(s.finding, _STATES[s.origin.value]) for s in state.signable]
    listed += [(f, "rejected") for f in state.rejected] + [(f, "undecided") for f in state.undecided]
    order = {finding.tracking_uid: number for number, finding in enumerate(state.read.findings)}
    listed.sort(key=lambda one: order.get(one[0].tracking_uid, len(order)))
    return [
        FindingState(
            tracking_uid=finding.tracking_uid, label=finding.label, state=said, plane=finding.plane,
            box=None if finding.box is None else list(finding.box.corners), has_mask=finding.mask is not None,
        )
        for finding, said in listed
    ]  # fmt: skip


def _signature(record: SignatureRecord, backing: Backing) -> SignatureView:
    items = {item.sop_instance_uid: item for item in backing.outbox.items(bundle=record.uid)}
    stored = [_on_its_way(one, items[one["sop_instance_uid"]]) for one in record.objects]
    when = datetime.fromisoformat(record.moment)
    return SignatureView(uid=record.uid, login=record.login, moment=when, stored=stored)


def _on_its_way(one: dict[str, str], item: Item) -> StoredObject:
    return StoredObject(**one, state=item.state, reason=item.reason)


def _sign(backing: Backing, job: Job, person: Person) -> SignatureRecord:
    """Build, verify, and keep in one transaction what a person signs; signing the same state again changes nothing.

    Raises:
        RefusedInput: something is undecided, or nothing is left to sign.
    """
    desk, read_uid = backing.desk, read_uid_of(job)
    state, after = desk.review(read_uid, person.login), desk.last_verdict(read_uid, person.login)
    mine = [record for record in desk.signatures(read_uid) if record.login == person.login]
    done = next((record for record in mine if record.after == after), None)
    if done is not None:
        return done
    if state.undecided:
        labels = ", ".join(finding.label for finding in state.undecided[:5])
        raise RefusedInput(f"{len(state.undecided)} findings are undecided ({labels})", read_uid,
                           "accept, correct or reject each of them first")  # fmt: skip
    if not state.signable:
        raise RefusedInput("every finding was rejected", read_uid,
                           "nothing goes to the archive; the rejections are recorded")  # fmt: skip
    uid = uids.derived(uids.READS, f"{read_uid}|signed|{person.login}|{after}")
    signer = Signer(person.login, person.name or person.login, person.organisation)
    signed = Signed(uid, state.read, state.signable, signer, datetime.now(UTC))
    prepared = [prepare(kind, dataset) for kind, dataset in _objects(backing, job, signed, mine)]
    objects = [{"kind": p.kind, "series_uid": p.uids[1], "sop_instance_uid": p.uids[2]} for p in prepared]
    with backing.database.writing(in_turn=True) as connection:
        again = [r for r in desk.signatures(read_uid) if r.login == person.login and r.after == after]
        if not again:
            desk.sign_in(connection, signed, after, objects)
            backing.outbox.put_in(connection, uid, prepared)
    return next(r for r in desk.signatures(read_uid) if r.login == person.login and r.after == after)


def _objects(backing: Backing, job: Job, signed: Signed, earlier: list[SignatureRecord]) -> list[tuple[str, Dataset]]:
    """SEG and SR of a signature, verified against the images they are about."""
    from wetread.imaging.soundness import quiet_pydicom
    from wetread.pipeline import refuse_defects_of
    from wetread.reporting import build_signed

    sample = sample_of(backing.archive, job.request)
    report, seg = (backing.queue.file(job.uid, name) for name in ("sr.dcm", "seg.dcm"))
    if report is None:
        raise NotYet("the read's report is gone", job.uid, "read the series again")
    old_seg = None if seg is None else decoded(seg)
    predecessor = decoded(report)
    if earlier:
        predecessor = _named(predecessor, next(o for o in earlier[-1].objects if o["kind"] == "SR"))
    with quiet_pydicom():
        new_seg, sr = build_signed(signed, sample, predecessor, old_seg)
        objects = [("SR", sr)] if new_seg is None else [("SEG", new_seg), ("SR", sr)]
        checked = objects if new_seg is not None or old_seg is None else [("SEG", old_seg), *objects]
        refuse_defects_of(checked, sample)
    return objects


def _named(report: Dataset, signed: dict[str, str]) -> Dataset:
    """A reference to an earlier signature's report: its class and study are the unreviewed one's."""
    named = Dataset()
    named.SOPClassUID, named.StudyInstanceUID = report.SOPClassUID, report.StudyInstanceUID
    named.SeriesInstanceUID, named.SOPInstanceUID = signed["series_uid"], signed["sop_instance_uid"]
    return named
