"""Worklist, history, accept rates and who one is, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from wetread.archive.protocol import checked_uid
from wetread.review.accept_rates import accept_rates
from wetread.review.standing import CaseState
from wetread.service.access.people import person_of
from wetread.service.errors import Problem
from wetread.service.reads import PREFIX
from wetread.service.worklist import OLDEST, Worklist

if TYPE_CHECKING:
    from wetread.review.ledger import Entry
    from wetread.service.backing import Backing
    from wetread.service.worker import ReadWorkers
    from wetread.service.worklist import Case

LARGEST_SEED = 2**32 - 1
MOST_PREPARED = 500
STRATEGY = "oldest, newest, random, uncertainty, disagreement, representative or mixed"


class CaseView(BaseModel):
    """A series on the worklist."""

    study_uid: str
    series_uid: str
    modality: str
    date: str
    state: CaseState
    job: str = Field(description="UID of the finished read, for its result and verdicts; empty for none")
    leased: bool = Field(description="somebody has it before him")
    mine: bool = Field(description="the asking person has it before him")


class NextRequest(BaseModel):
    """Which case one wants."""

    model_config = ConfigDict(extra="forbid")
    strategy: str = Field(OLDEST, max_length=40, description=STRATEGY)
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    another: bool = Field(False, description="give the present case back and take a different one")


class PrepareRequest(BaseModel):
    """Which cases shall be read ahead."""

    model_config = ConfigDict(extra="forbid")
    strategy: str = Field(OLDEST, max_length=40, description=STRATEGY)
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    limit: int = Field(50, ge=1, le=MOST_PREPARED)
    question: str | None = Field(None, max_length=2000)


class Prepared(BaseModel):
    """Jobs that read ahead."""

    jobs: list[str]


class HistoryEntry(BaseModel):
    """What happened to a study: a read, a verdict, a signature or another entry of the ledger."""

    number: int
    kind: str
    actor: str = Field(description="login of a person, or device UID of a model")
    recorded: str
    read_uid: str
    what: dict[str, Any] = Field(description="nothing of the patient")


class RateView(BaseModel):
    """How often people accept what one version of a model finds."""

    model: str
    version: str
    device_uid: str
    reads: int = Field(description="with a verdict")
    accepted: int
    corrected: int
    rejected: int
    added: int = Field(description="findings that people added to its reads")
    rate: float | None = Field(description="accepted / (accepted + corrected + rejected)")
    low: float | None = Field(description="end of its 95 % interval (Wilson)")
    high: float | None
    first: str
    last: str
    months: dict[str, list[int]] = Field(description="YYYY-MM -> [accepted, judged]")


class Me(BaseModel):
    """Who asks."""

    login: str
    name: str
    role: str


def cases_router(backing: Backing, workers: ReadWorkers, worklist: Worklist) -> APIRouter:
    """Routes below ``/wetread/v1``: worklist, history, accept-rates, me."""
    router = APIRouter(prefix=PREFIX, tags=["worklist"], responses={400: {"model": Problem}, 503: {"model": Problem}})

    @router.get("/worklist")
    def listed(
        request: Request,
        strategy: Annotated[str, Query(max_length=40, description=STRATEGY)] = OLDEST,
        seed: Annotated[int, Query(ge=0, le=LARGEST_SEED)] = 0,
        state: Annotated[list[CaseState] | None, Query(description="all but reviewed when left out")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[CaseView]:
        states = state or [one for one in CaseState if one is not CaseState.REVIEWED]
        login = person_of(request).login
        return [_case(case, login) for case in worklist.cases(strategy, seed, states)[:limit]]

    @router.post("/worklist/next", responses={204: {"description": "nothing is left", "model": None}})
    def following(body: NextRequest, request: Request) -> CaseView:
        login = person_of(request).login
        case = worklist.next(login, body.strategy, body.seed, another=body.another)
        if case is None:
            return Response(status_code=204)  # type: ignore[return-value] # FastAPI passes a Response through
        return _case(case, login, mine=True)

    @router.delete("/worklist/next", status_code=204)
    def give_back(request: Request) -> None:
        worklist.give_back(person_of(request).login)

    @router.post("/worklist/prepare", status_code=202)
    def prepare(body: PrepareRequest, request: Request) -> Prepared:
        question = (body.question or "").strip() or None
        jobs = worklist.prepare(person_of(request).login, body.strategy, body.seed, body.limit, question)
        workers.wake()
        return Prepared(jobs=[job.uid for job in jobs])

    @router.get("/history/{study}")
    def history(study: str) -> list[HistoryEntry]:
        entries = backing.ledger.entries(study_uid=checked_uid(study, "study"))
        return [_happened(entry) for entry in entries]

    @router.get("/accept-rates")
    def rates() -> list[RateView]:
        return [RateView(**rate.as_dict()) for rate in accept_rates(backing.ledger)]

    @router.get("/me")
    def me(request: Request) -> Me:
        person = person_of(request)
        return Me(login=person.login, name=person.name, role=person.role.name.lower())

    return router


def _case(case: Case, login: str, mine: bool = False) -> CaseView:
    shown = {key: value for key, value in asdict(case).items() if key != "leased_to"}
    return CaseView(**shown, leased=mine or bool(case.leased_to), mine=mine or case.leased_to == login)


_SAID = {
    "read": ("job", "question", "diagnoses", "abstention", "modality", "objects"),
    "verdict": ("tracking_uid", "decision", "reason", "box", "plane", "interval"),
    "signature": ("uid", "moment", "findings", "objects"),
}
"""What of a body is told; never the pseudonym of the patient, and of masks only that there is one."""


def _happened(entry: Entry) -> HistoryEntry:
    body = entry.body
    what = {key: body[key] for key in _SAID.get(entry.kind, ()) if key in body}
    if entry.kind == "read":
        model = body["provenance"]
        what |= {"model": model["model"], "version": model["model_version"], "device_uid": model["device_uid"]}
        what["findings"] = [{"label": f["label"], "tracking_uid": f["tracking_uid"],
                             "presence": round(f["presence"], 4)} for f in body["findings"]]  # fmt: skip
    if entry.kind == "verdict":
        target = body["target"] or (body["before"] or {}).get("target") or {}
        what |= {"label": target.get("label", ""), "has_mask": body["mask"] is not None}
    return HistoryEntry(number=entry.number, kind=entry.kind, actor=entry.actor, recorded=entry.recorded,
                        read_uid=entry.read_uid, what=what)  # fmt: skip
