"""STOW-RS (PS3.18 10.5): each instance is taken or refused on its own, and the answer says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from wetread.archive.intake import taken_in
from wetread.archive.protocol import StoredInstance, StoreState, checked_uid
from wetread.archive.quarantine import Quarantine
from wetread.archive.query import json_tag
from wetread.errors import RefusedInput
from wetread.service.dicomweb import DICOM_JSON, DICOMWEB, base_address
from wetread.service.errors import TooLarge, Unsupported
from wetread.service.multipart import media_type, parts

if TYPE_CHECKING:
    from wetread.archive.folder import FolderArchive

MAXIMUM_BYTES = 2 * 1024**3
_DUPLICATE, _MISMATCH, _CANNOT_UNDERSTAND = 0x0111, 0xA900, 0xC000


def stow_router(archive: FolderArchive, maximum_bytes: int = MAXIMUM_BYTES) -> APIRouter:
    """STOW-RS into `archive`.

    Args:
        archive: where to.
        maximum_bytes: larger requests are refused with 413.
    """
    router, quarantine = APIRouter(prefix=DICOMWEB, tags=["DICOMweb"]), Quarantine()

    @router.post("/studies")
    async def store(request: Request) -> Response:
        return await answer(request, None)

    @router.post("/studies/{study}")
    async def store_in_study(request: Request, study: str) -> Response:
        return await answer(request, checked_uid(study, "StudyInstanceUID"))

    async def answer(request: Request, study: str | None) -> Response:
        kind = request.headers.get("content-type", "")
        if media_type(kind).inner not in ("application/dicom", "*/*"):
            raise Unsupported("only application/dicom is stored", "Content-Type", "send DICOM files")
        body = await _body(request, maximum_bytes)
        base = base_address(request)
        return await run_in_threadpool(_stored, archive, quarantine, base, kind, body, study)

    return router


async def _body(request: Request, maximum: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > maximum:
            raise TooLarge("request too large", "body", f"send at most {maximum // 1024**2} MiB at once")
    return bytes(body)


def _stored(
    archive: FolderArchive, quarantine: Quarantine, base: str, kind: str, body: bytes, study: str | None
) -> Response:
    taken: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    unnamed: list[dict[str, Any]] = []
    studies: set[str] = set()
    for _, content in parts(kind, body):
        try:
            quarantine.check(content)
            dataset = taken_in(content)
        except RefusedInput:
            unnamed.append(_element("FailureReason", "US", _CANNOT_UNDERSTAND))
            continue
        if study is not None and str(dataset.get("StudyInstanceUID")) != study:
            failed.append(_reference(dataset.get("SOPClassUID"), dataset.get("SOPInstanceUID"), _MISMATCH))
            continue
        outcome = archive.store_file(content)
        if outcome.is_held:
            studies.add(outcome.study_uid)
            taken.append(_taken(outcome, base))
        elif outcome.sop_instance_uid:
            reason = _DUPLICATE if outcome.state is StoreState.CONFLICT else _CANNOT_UNDERSTAND
            failed.append(_reference(outcome.sop_class_uid, outcome.sop_instance_uid, reason))
        else:
            unnamed.append(_element("FailureReason", "US", _CANNOT_UNDERSTAND))
    if not (taken or failed or unnamed):
        raise RefusedInput("no part in the request", "body", "send at least one DICOM file")
    response = _sequence("ReferencedSOPSequence", taken)
    response |= _sequence("FailedSOPSequence", failed) | _sequence("OtherFailuresSequence", unnamed)
    if len(studies) == 1:
        response |= _element("RetrieveURL", "UR", f"{base}/studies/{studies.pop()}")
    status = 200 if not (failed or unnamed) else (202 if taken else 409)
    return JSONResponse(response, status_code=status, media_type=DICOM_JSON)


def _taken(outcome: StoredInstance, base: str) -> dict[str, Any]:
    address = f"{base}/studies/{outcome.study_uid}/series/{outcome.series_uid}/instances/{outcome.sop_instance_uid}"
    return _reference(outcome.sop_class_uid, outcome.sop_instance_uid) | _element("RetrieveURL", "UR", address)


def _reference(sop_class: object, sop_instance: object, reason: int | None = None) -> dict[str, Any]:
    item = _element("ReferencedSOPClassUID", "UI", str(sop_class or ""))
    item |= _element("ReferencedSOPInstanceUID", "UI", str(sop_instance or ""))
    return item if reason is None else item | _element("FailureReason", "US", reason)


def _element(keyword: str, vr: str, value: object) -> dict[str, Any]:
    return {json_tag(keyword): {"vr": vr, "Value": [value]}}


def _sequence(keyword: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {json_tag(keyword): {"vr": "SQ", "Value": items}} if items else {}
