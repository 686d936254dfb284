"""What may be asked: a series, or some instances of it, with others beside it, in words; and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from wetread import uids
from wetread.archive.protocol import checked_uid
from wetread.errors import RefusedInput
from wetread.service.errors import Conflict
from wetread.service.jobs import Priority

if TYPE_CHECKING:
    from wetread.model.checkpoint import ModelInfo
    from wetread.service.jobs import Job

MOST_INSTANCES = 10_000
MOST_BESIDE = 8
MOST_PROMPTS = 100
PRIORITIES = {"person": Priority.PERSON, "ahead": Priority.AHEAD, "batch": Priority.BATCH}

Uid = Annotated[str, Field(max_length=64)]


class SeriesRequest(BaseModel):
    """A series, whole or in part."""

    model_config = ConfigDict(extra="forbid")
    study_uid: Uid = Field(description="Study Instance UID in the archive")
    series_uid: Uid = Field(description="Series Instance UID in the archive")
    instances: list[Uid] = Field([], max_length=MOST_INSTANCES, description="SOP Instance UIDs; all when left out")


class PromptsRequest(BaseModel):
    """Places that steer what is segmented. Wetread's models take words alone: see `prompts` of the capabilities."""

    model_config = ConfigDict(extra="forbid")
    boxes: list[Annotated[list[float], Field(min_length=4, max_length=4)]] = Field([], max_length=MOST_PROMPTS)
    points: list[Annotated[list[float], Field(min_length=2, max_length=3)]] = Field([], max_length=MOST_PROMPTS)
    mask: dict[int, str] | None = None


class ReadRequest(SeriesRequest):
    """A series to read, and what is asked about it."""

    question: str | None = Field(
        None, description="in words; everything the model covers when left out", max_length=2000
    )
    beside: list[SeriesRequest] = Field(
        [], max_length=MOST_BESIDE, description="further series of the same patient, shown beside it in order"
    )
    model: str | None = Field(
        None, max_length=200, description="`NAME` or `NAME VERSION`; refused where this service reads with another"
    )
    priority: str = Field("person", pattern="^(person|ahead|batch)$", description="who waits goes first")
    prompts: PromptsRequest | None = None
    uid: Uid | None = Field(None, description="of the job, made by the client: sent twice, it is one job")


class PromptsView(BaseModel):
    """By what else than words a read can be steered."""

    boxes: bool = False
    points: bool = False
    mask: bool = False


def checked_request(request: ReadRequest, info: ModelInfo) -> dict[str, Any]:
    """The request as the queue keeps it.

    Raises:
        RefusedInput: another model, prompts, or UIDs that are none; nothing is passed over in silence.
    """
    given = request.prompts
    if given is not None and (given.boxes or given.points or given.mask):
        raise RefusedInput(f"{info.name} takes no boxes, points or masks as prompts", "prompts",
                           "say in words what to look for, and correct the findings afterwards")  # fmt: skip
    if request.model is not None and not is_model(request.model, info):
        raise RefusedInput("this service reads with another model", "model",
                           f"leave it out, or ask for {info.name} {info.version}")  # fmt: skip
    if request.uid is not None and not uids.is_uid(request.uid):
        raise RefusedInput("not a DICOM UID", "uid", "give digits separated by dots, at most 64 characters")
    asked = _series(request) | {"question": (request.question or "").strip() or None}
    if request.beside:
        asked["beside"] = [_series(one) for one in request.beside]
    return asked if request.model is None else asked | {"model": request.model}


def is_model(name: str, info: ModelInfo) -> bool:
    """True where a name, alone or with a version, means this model."""
    return name in (info.name, f"{info.name} {info.version}")


def refuse_other(job: Job, asked: dict[str, Any], owner: str) -> None:
    """Refuse a client's UID that another request has already.

    Raises:
        Conflict: the job that has it is not this one.
    """
    if job.request != asked or job.owner != owner:
        raise Conflict("this UID names another job", "uid", "make a new UID for a new request")


def _series(request: SeriesRequest) -> dict[str, Any]:
    found: dict[str, Any] = {
        "study_uid": checked_uid(request.study_uid, "study_uid"),
        "series_uid": checked_uid(request.series_uid, "series_uid"),
    }
    if request.instances:
        found["instances"] = sorted({checked_uid(one, "instances") for one in request.instances})
    return found
