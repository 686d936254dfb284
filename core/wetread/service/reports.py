"""Finished reads in other forms, made when they are asked for: FHIR, and the page as PDF."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from wetread.archive.content import decoded
from wetread.errors import RefusedInput
from wetread.service.errors import NotYet, Problem
from wetread.service.reads import PREFIX, finished
from wetread.service.sources import sample_of

if TYPE_CHECKING:
    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.imaging.waveform import Waveform
    from wetread.service.backing import Backing

FHIR_JSON = "application/fhir+json"


class Release(StrEnum):
    """Releases of FHIR."""

    R5 = "R5"
    R4 = "R4"


def reports_router(backing: Backing) -> APIRouter:
    """``reads/{uid}/report.fhir.json`` and ``report.pdf``."""
    problems: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (400, 404, 409, 503)}
    router = APIRouter(prefix=f"{PREFIX}/reads", tags=["reads"], responses=problems)

    @router.get("/{uid}/report.fhir.json", response_class=JSONResponse)
    def fhir(uid: str, release: Annotated[Release, Query(description="of FHIR")] = Release.R5) -> JSONResponse:
        """The unreviewed read as a Bundle: DiagnosticReport, Observations, Device, ImagingStudy."""
        from wetread.reporting import fhir_bundle

        read, sample = asked(uid)
        kept = {kind: backing.queue.file(uid, f"{kind.lower()}.dcm") for kind in ("SEG", "SR")}
        if kept["SR"] is None:
            raise NotYet("the read's report is gone", uid, "read the series again")
        objects = [(kind, decoded(content)) for kind, content in kept.items() if content is not None]
        return JSONResponse(fhir_bundle(read, sample, objects, release.value), media_type=FHIR_JSON)

    @router.get("/{uid}/report.pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}}})
    def pdf(uid: str) -> Response:
        """The unreviewed read on paper."""
        from wetread.reporting.pdf_page import pdf_page

        return Response(pdf_page(*asked(uid)), media_type="application/pdf")

    def asked(uid: str) -> tuple[Read, Sample | Waveform]:
        job = backing.queue.get(uid)
        read, _ = backing.desk.read(str(finished(job)["document"]["uid"]))
        if not job.request.get("series_uid"):
            raise RefusedInput("a job that is no read", uid, "ask for the report of a read")
        return read, sample_of(backing.archive, job.request)

    return router
