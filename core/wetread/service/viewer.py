"""An unmodified OHIF on the service's own origin, with Wetread's two modules beside it.

The viewer is a folder that `wetread viewer` fetched (`commands.viewer`). Its files are served as they are; only its
app-config.js is made here: the service's DICOMweb as data source, and the plugin's extension and mode by their
addresses. OHIF is built to lie at the root of its origin, so its files and its modes do; the service's own pages keep
``/`` and ``/admin``. Nothing but what lay in the folder when the service started is ever served.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGIN_VARIABLE = "WETREAD_OHIF_PLUGIN"
"""Folder with modules that take the place of the shipped ones, for who works on them."""
MODULES = ("wetread-extension.mjs", "wetread-mode.mjs")
MODES = ("wetread", "viewer", "segmentation")
"""Paths at which OHIF's own router takes over: its modes."""
_SHIPPED = Path(__file__).parent / "static" / "ohif"
_TYPES = {
    ".css": "text/css", ".html": "text/html", ".ico": "image/x-icon", ".js": "text/javascript",
    ".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml", ".wasm": "application/wasm",
    ".webapp": "application/json", ".woff2": "font/woff2", ".xml": "application/xml",
}  # fmt: skip
_ROOT = "the root of DICOMweb"
"""Stands for an expression: the roots must be whole addresses, which only the browser knows."""
_NAMED_BY_CONTENT = re.compile(r"(^|[./-])[0-9a-f]{16,20}\.")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def viewer_router(folder: Path, dicomweb: str) -> APIRouter:
    """The viewer's files, its configuration and the plugin's modules; to be included last.

    Args:
        folder: an unpacked OHIF (`index.html` and what it loads).
        dicomweb: path of the DICOMweb on this origin.

    Raises:
        RefusedInput: no viewer in the folder.
    """
    index = folder / "index.html"
    if not index.is_file():
        raise RefusedInput("no OHIF in this folder", folder, "fetch one with: wetread viewer fetch")
    plugin = plugin_folder()
    files = _files(folder)
    configuration = app_config(dicomweb)
    headers = _headers(index.read_text(encoding="utf-8"))
    fresh = headers | {"Cache-Control": "no-cache"}
    router = APIRouter(include_in_schema=False)

    @router.get("/app-config.js")
    def config() -> Response:
        return Response(configuration, media_type="text/javascript", headers=fresh)

    @router.get("/plugins/{name}")
    def module(name: str) -> Response:
        if name not in MODULES or not (plugin / name).is_file():
            return _missing(name)
        return FileResponse(plugin / name, media_type="text/javascript", headers=fresh)

    @router.get("/{path:path}")
    def file(path: str) -> Response:
        if path in MODES:
            return FileResponse(index, media_type="text/html", headers=fresh)
        found = files.get(path)
        if found is None:
            return _missing(path)
        kept = "public, max-age=31536000, immutable" if _NAMED_BY_CONTENT.search(path) else "no-cache"
        return FileResponse(found, media_type=_TYPES[found.suffix], headers=headers | {"Cache-Control": kept})

    return router


def plugin_folder() -> Path:
    """Where the plugin's modules are."""
    return Path(os.environ.get(PLUGIN_VARIABLE, _SHIPPED))


def viewer_address(study_uid: str) -> str:
    """Path and query at which the viewer opens a study in Wetread's mode."""
    return f"/wetread?StudyInstanceUIDs={study_uid}"


def app_config(dicomweb: str) -> str:
    """OHIF's app-config.js (its documented keys only; OHIF 3.11 to 3.14)."""
    source = {
        "friendlyName": "Wetread", "name": "wetread", "wadoUriRoot": _ROOT, "qidoRoot": _ROOT,
        "wadoRoot": _ROOT, "qidoSupportsIncludeField": False, "imageRendering": "wadors",
        "thumbnailRendering": "wadors", "enableStudyLazyLoad": True, "supportsFuzzyMatching": False,
        "supportsWildcard": True, "singlepart": "bulkdata,video", "bulkDataURI": {"enabled": True},
        "omitQuotationForMultipartRequest": True,
    }  # fmt: skip
    configuration: Mapping[str, object] = {
        "routerBasename": None,
        "extensions": [f"/plugins/{MODULES[0]}"],
        "modes": [f"/plugins/{MODULES[1]}"],
        "showStudyList": False,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": False,
        "strictZSpacingForVolumeViewport": True,
        "investigationalUseDialog": {"option": "never"},
        "defaultDataSourceName": "wetread",
        "dataSources": [{"namespace": "@ohif/extension-default.dataSourcesModule.dicomweb", "sourceName": "wetread",
                         "configuration": source}],
    }  # fmt: skip
    root = f"window.location.origin + {json.dumps(dicomweb)}"
    return f"window.config = {json.dumps(configuration, indent=2).replace(json.dumps(_ROOT), root)};\n"


def _files(folder: Path) -> dict[str, Path]:
    """Path below the root -> file, of the kinds a viewer is made of; no links, nothing that is made here."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.suffix in _TYPES and path.is_file() and not path.is_symlink() and name != "app-config.js":
            found[name] = path
    return found


def _headers(index: str) -> dict[str, str]:
    """What its pages may do: scripts of this origin and the inline ones of its own index.html, known by their hash."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in dict.fromkeys(_INLINE.findall(index)))
    policy = (
        f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval' {hashes}; worker-src 'self' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _missing(path: str) -> Response:
    return JSONResponse({"what": "no such page", "where": path[:200], "remedy": "start at /"}, status_code=404)
