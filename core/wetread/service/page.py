"""The pages at ``/`` and ``/admin``: plain HTML, one style sheet, small scripts, all from this machine."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

_STATIC = Path(__file__).parent / "static"
_FILES = {
    "wetread.css": "text/css",
    "session.js": "text/javascript",
    "wetread.js": "text/javascript",
    "admin.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
}
# Nothing is loaded from elsewhere, and no text from DICOM can become a script.
_POLICY = "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def page_router() -> APIRouter:
    """The pages and their files."""
    router = APIRouter(include_in_schema=False)
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }

    @router.get("/")
    async def page() -> Response:
        return FileResponse(_STATIC / "index.html", media_type="text/html", headers=headers)

    @router.get("/admin")
    async def admin() -> Response:
        return FileResponse(_STATIC / "admin.html", media_type="text/html", headers=headers)

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in _FILES:
            return Response(status_code=404)
        return FileResponse(_STATIC / name, media_type=_FILES[name], headers=headers)

    return router
