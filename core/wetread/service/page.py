"""The page at ``/``: one HTML file, one style sheet, one small script, all from this machine."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "wetread.css": "text/css",
    "wetread.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
}
# Nothing is loaded from elsewhere, and no text from DICOM can become a script.
_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def page_router() -> APIRouter:
    """The page and its three files."""
    router = APIRouter(include_in_schema=False)
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

    @router.get("/")
    async def page() -> Response:
        return FileResponse(_STATIC / "index.html", media_type="text/html", headers=headers)

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in _FILES:
            return Response(status_code=404)
        return FileResponse(_STATIC / name, media_type=_FILES[name], headers=headers)

    return router
