"""DICOMweb of a PACS through the service, so that a viewer asks one origin alone: QIDO-RS and WADO-RS, read only.

The service asks with its own rights and hands the answer on as it comes, so who may ask is decided by the guard. The
path is rebuilt from checked UIDs and known words, the query from names and values, and an answer's addresses that
name the PACS are turned to this origin: a viewer that followed them would go to the PACS with the wrong token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from wetread.errors import RefusedInput
from wetread.service.dicomweb import DICOMWEB, base_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from wetread.archive.dicomweb import DicomwebArchive

_UID = r"[0-9][0-9.]{0,63}"
_PATH = re.compile(
    rf"(studies|series|instances"
    rf"|studies/{_UID}(/metadata|/series|/instances|/rendered|/thumbnail)?"
    rf"|studies/{_UID}/series/{_UID}(/metadata|/instances|/rendered|/thumbnail)?"
    rf"|studies/{_UID}/series/{_UID}/instances/{_UID}(/metadata|/rendered|/thumbnail|/bulkdata(/[0-9A-Za-z/_.-]{{1,200}})?"
    rf"|/frames/[0-9,]{{1,400}}(/rendered|/thumbnail)?)?)"
)
_JSON = "application/dicom+json"
_PASSED_ON = ("Accept", "Accept-Language")
_CHUNK = 1 << 16


def passage_router(archive: DicomwebArchive) -> APIRouter:
    """QIDO-RS and WADO-RS of `archive` below ``/dicom-web``."""
    router = APIRouter(prefix=DICOMWEB, tags=["DICOMweb"])

    @router.get("/{path:path}", include_in_schema=False)
    def passage(path: str, request: Request) -> Response:
        if _PATH.fullmatch(path) is None or ".." in path:
            raise RefusedInput("no such DICOMweb resource", path[:100], "see PS3.18 sections 10.4 and 10.6")
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        answer = archive.passed_on(path, request.query_params.multi_items(), headers)
        kind = answer.headers.get("Content-Type", "application/octet-stream")
        if kind.startswith((_JSON, "application/json")):
            with answer:
                text = answer.content.replace(archive.location.encode(), base_address(request).encode())
            return Response(text, answer.status_code, media_type=kind)
        return StreamingResponse(_chunks(answer), answer.status_code, media_type=kind)

    return router


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    with answer:
        yield from answer.iter_content(_CHUNK)
