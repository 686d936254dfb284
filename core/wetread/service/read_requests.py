"""What may be asked: a series, or some instances of it, with others beside it, in words; and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from wetread import uids
from wetread.archive.protocol import checked_uid
from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.pointing import Point, Pointing
from wetread.service.drawings import drawn_plane
from wetread.service.errors import Conflict
from wetread.service.jobs import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class BoxPrompt(BaseModel):
    """A box on a plane."""

    model_config = ConfigDict(extra="forbid")
    plane: int = Field(0, ge=0, description="index of the plane, in the order of the read")
    box: Annotated[list[float], Field(min_length=4, max_length=4)] = Field(
        description="x_min, y_min, x_max, y_max in image pixels, measured on pixel edges"
    )


class PointPrompt(BaseModel):
    """A point on a plane."""

    model_config = ConfigDict(extra="forbid")
    plane: int = Field(0, ge=0)
    x: float = Field(ge=0, allow_inf_nan=False)
    y: float = Field(ge=0, allow_inf_nan=False)
    wanted: bool = Field(True, description="false: not the object here")


class PromptsRequest(BaseModel):
    """Places that are meant: findings are held to them, and the first of their planes is looked at first."""

    model_config = ConfigDict(extra="forbid")
    boxes: list[BoxPrompt] = Field([], max_length=MOST_PROMPTS)
    points: list[PointPrompt] = Field([], max_length=MOST_PROMPTS)
    mask: dict[int, str] | None = Field(None, description="plane index -> PNG in base64, as large as the image")


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
    """By what else than words a read can be steered: findings are held to it, see `ReadRequest.prompts`."""

    boxes: bool = True
    points: bool = True
    mask: bool = True


def checked_request(request: ReadRequest, info: ModelInfo) -> dict[str, Any]:
    """The request as the queue keeps it.

    Raises:
        RefusedInput: another model, prompts that are none, or UIDs that are none; nothing is passed over in silence.
    """
    if request.model is not None and not is_model(request.model, info):
        raise RefusedInput("this service reads with another model", "model",
                           f"leave it out, or ask for {info.name} {info.version}")  # fmt: skip
    if request.uid is not None and not uids.is_uid(request.uid):
        raise RefusedInput("not a DICOM UID", "uid", "give digits separated by dots, at most 64 characters")
    asked = _series(request) | {"question": (request.question or "").strip() or None}
    if request.beside:
        asked["beside"] = [_series(one) for one in request.beside]
    given = request.prompts
    if given is not None and (given.boxes or given.points or given.mask):
        asked["prompts"] = given.model_dump(mode="json")
        pointing_of(asked["prompts"])
    return asked if request.model is None else asked | {"model": request.model}


def pointing_of(prompts: Mapping[str, Any]) -> Pointing:
    """What a kept request points at.

    Raises:
        RefusedInput: boxes or pictures that are none.
    """
    boxes = []
    for one in prompts["boxes"]:
        x_min, y_min, x_max, y_max = one["box"]
        try:
            boxes.append((int(one["plane"]), Box(x_min, y_min, x_max, y_max, BoxFrame.IMAGE)))
        except ValueError:
            raise RefusedInput("a box that is none", "prompts", "give x_min, y_min, x_max, y_max") from None
    points = tuple(Point(int(p["plane"]), p["x"], p["y"], p["wanted"]) for p in prompts["points"])
    drawn = {int(plane): drawn_plane(text) for plane, text in (prompts["mask"] or {}).items()}
    return Pointing(tuple(boxes), points, drawn)


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
