"""DICOMweb over a folder archive (PS3.18): QIDO-RS, WADO-RS and STOW-RS, so that a browser viewer needs nothing else.

A thin layer: the archive finds and keeps the files, `frames`, `metadata` and `multipart` turn them into answers.
Queries answer with every attribute of the index, so `includefield` adds nothing and takes nothing away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from wetread.archive.content import MAXIMUM_DECODED, decoded_bytes, encoded
from wetread.archive.query import Level, json_tag
from wetread.archive.query import Query as QidoQuery
from wetread.errors import RefusedInput
from wetread.imaging.soundness import panics_as_errors
from wetread.service.errors import NotAcceptable
from wetread.service.frames import InstanceFrames
from wetread.service.metadata import bulk_element, instance_metadata
from wetread.service.multipart import MediaType, accepted, multipart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wetread.archive.folder import FolderArchive

DICOMWEB = "/dicom-web"
DICOM_JSON = "application/dicom+json"
_ANY = ("*/*", "multipart/related")
_OCTETS = "application/octet-stream"
Accept = Annotated[str | None, Header()]


def dicomweb_router(archive: FolderArchive) -> APIRouter:
    """QIDO-RS and WADO-RS over `archive`; STOW-RS is `stow.stow_router`."""
    router = APIRouter(prefix=DICOMWEB, tags=["DICOMweb"])
    _add_search(router, archive)
    _add_metadata(router, archive)
    _add_retrieve(router, archive)
    _add_frames(router, archive)
    return router


def base_address(request: Request) -> str:
    """Where the service's own DICOMweb lies as the client sees it.

    Some clients leave the port out of the Host header; on loopback, where no proxy stands between, the port that
    answered is put back.
    """
    host = request.url.hostname or "127.0.0.1"
    server = request.scope.get("server")
    if request.url.port is None and host in ("127.0.0.1", "localhost") and server and server[1]:
        return f"{request.url.scheme}://{host}:{server[1]}{DICOMWEB}"
    return f"{request.url.scheme}://{request.url.netloc}{DICOMWEB}"


def _add_search(router: APIRouter, archive: FolderArchive) -> None:
    def search(request: Request, level: Level, study: str | None = None, series: str | None = None) -> Response:
        query = QidoQuery.parse(level, request.query_params.multi_items())
        base, answers = base_address(request), archive.query(query, study, series)
        for answer in answers:
            answer["00081190"] = {"vr": "UR", "Value": [_address(base, answer, level)]}
        return JSONResponse(answers, media_type=DICOM_JSON)

    @router.get("/studies")
    def studies(request: Request) -> Response:
        return search(request, Level.STUDY)

    @router.get("/series")
    def all_series(request: Request) -> Response:
        return search(request, Level.SERIES)

    @router.get("/instances")
    def all_instances(request: Request) -> Response:
        return search(request, Level.INSTANCE)

    @router.get("/studies/{study}/series")
    def series_of_study(request: Request, study: str) -> Response:
        return search(request, Level.SERIES, study)

    @router.get("/studies/{study}/instances")
    def instances_of_study(request: Request, study: str) -> Response:
        return search(request, Level.INSTANCE, study)

    @router.get("/studies/{study}/series/{series}/instances")
    def instances_of_series(request: Request, study: str, series: str) -> Response:
        return search(request, Level.INSTANCE, study, series)


def _address(base: str, answer: dict[str, Any], level: Level) -> str:
    names = (("studies", "StudyInstanceUID"), ("series", "SeriesInstanceUID"), ("instances", "SOPInstanceUID"))
    return "/".join(
        [base, *(f"{name}/{answer[json_tag(keyword)]['Value'][0]}" for name, keyword in names[: level + 1])]
    )


def _add_metadata(router: APIRouter, archive: FolderArchive) -> None:
    def metadata(request: Request, files: Iterable[Path]) -> Response:
        if not any(e.name in ("*/*", "application/*", DICOM_JSON, "application/json")
                   for e in accepted(request.headers.get("accept"))):  # fmt: skip
            raise NotAcceptable("metadata is JSON only", "Accept", f"accept {DICOM_JSON}")
        base = base_address(request)

        def address(path: Path) -> str:
            study, series = path.parent.parent.name, path.parent.name
            return f"{base}/studies/{study}/series/{series}/instances/{path.stem}"

        return JSONResponse([instance_metadata(path, address(path)) for path in files], media_type=DICOM_JSON)

    @router.get("/studies/{study}/metadata")
    def study_metadata(request: Request, study: str) -> Response:
        return metadata(request, archive.study_files(study))

    @router.get("/studies/{study}/series/{series}/metadata")
    def series_metadata(request: Request, study: str, series: str) -> Response:
        return metadata(request, archive.series_files(study, series))

    @router.get("/studies/{study}/series/{series}/instances/{sop}/metadata")
    def one_metadata(request: Request, study: str, series: str, sop: str) -> Response:
        return metadata(request, [archive.instance_file(study, series, sop)])

    @router.get("/studies/{study}/series/{series}/instances/{sop}/bulkdata/{steps:path}")
    def bulkdata(study: str, series: str, sop: str, steps: str, accept: Accept = None) -> Response:
        path = archive.instance_file(study, series, sop)
        if steps.upper() == json_tag("PixelData"):
            image = InstanceFrames(path)
            if image.is_encapsulated:
                return _frames_answer(image, list(range(1, image.count + 1)), accept)
        element = bulk_element(dcmread(path), steps)
        return _octets(bytes(element.value), accept)


def _add_retrieve(router: APIRouter, archive: FolderArchive) -> None:
    @router.get("/studies/{study}")
    def study(study: str, accept: Accept = None) -> Response:
        return _files_answer(archive.study_files(study), accept)

    @router.get("/studies/{study}/series/{series}")
    def series(study: str, series: str, accept: Accept = None) -> Response:
        return _files_answer(archive.series_files(study, series), accept)

    @router.get("/studies/{study}/series/{series}/instances/{sop}")
    def instance(study: str, series: str, sop: str, accept: Accept = None) -> Response:
        return _files_answer([archive.instance_file(study, series, sop)], accept)


def _files_answer(files: list[Path], accept: str | None) -> Response:
    for wanted in accepted(accept):
        if wanted.inner not in ("application/dicom", "application/*", "*/*"):
            continue
        syntax = wanted.transfer_syntax
        if wanted.name == "application/dicom" and len(files) == 1:
            content = next(_in_syntax(files, syntax))
            return Response(content, media_type="application/dicom")
        if wanted.name in (*_ANY, "application/dicom", "application/*"):
            # The first file is made before the answer begins, so that a refusal is still a 406.
            contents = _in_syntax(files, syntax)
            first = next(contents)
            return multipart("application/dicom", _as_parts(first, contents))
    raise NotAcceptable(
        "instances are application/dicom", "Accept", 'accept multipart/related; type="application/dicom"'
    )


def _as_parts(first: bytes, others: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    yield "application/dicom", first
    for content in others:
        yield "application/dicom", content


def _in_syntax(files: list[Path], syntax: str | None) -> Iterator[bytes]:
    """File contents as stored (``*``), or in Explicit VR Little Endian, the default of PS3.18 8.7.3.5.2."""
    if syntax not in (None, "*", ExplicitVRLittleEndian):
        held = {str(dcmread(path, specific_tags=[]).file_meta.TransferSyntaxUID) for path in files}
        if held != {syntax}:
            raise NotAcceptable("not held in this transfer syntax", "Accept", "accept transfer-syntax=*")
        syntax = "*"
    for path in files:
        if syntax == "*":
            yield path.read_bytes()
            continue
        dataset = dcmread(path)
        if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            yield path.read_bytes()
            continue
        try:
            if decoded_bytes(dataset) > MAXIMUM_DECODED:
                raise ValueError("more than this service decodes")
            with panics_as_errors():
                dataset.decompress(generate_instance_uid=False)
        except (RuntimeError, NotImplementedError, ValueError, AttributeError):
            if syntax is not None:
                raise NotAcceptable("cannot be decompressed", path.stem, "accept transfer-syntax=*") from None
            yield path.read_bytes()  # nothing was asked for: as stored is better than not at all
            continue
        yield encoded(dataset)


def _add_frames(router: APIRouter, archive: FolderArchive) -> None:
    @router.get("/studies/{study}/series/{series}/instances/{sop}/frames/{numbers}")
    def frames(study: str, series: str, sop: str, numbers: str, accept: Accept = None) -> Response:
        image = InstanceFrames(archive.instance_file(study, series, sop))
        return _frames_answer(image, _frame_numbers(numbers, image), accept)

    @router.get("/studies/{study}/series/{series}/instances/{sop}/frames/{numbers}/rendered")
    @router.get("/studies/{study}/series/{series}/instances/{sop}/frames/{numbers}/thumbnail")
    def frame_rendered(
        request: Request, study: str, series: str, sop: str, numbers: str,
        window: str | None = None, viewport: str | None = None, accept: Accept = None,
    ) -> Response:  # fmt: skip
        image = InstanceFrames(archive.instance_file(study, series, sop))
        return _rendered(image, _frame_numbers(numbers, image)[0], window, _size(request, viewport), accept)

    @router.get("/studies/{study}/series/{series}/instances/{sop}/rendered")
    @router.get("/studies/{study}/series/{series}/instances/{sop}/thumbnail")
    def instance_rendered(
        request: Request, study: str, series: str, sop: str,
        window: str | None = None, viewport: str | None = None, accept: Accept = None,
    ) -> Response:  # fmt: skip
        image = InstanceFrames(archive.instance_file(study, series, sop))
        return _rendered(image, (image.count + 1) // 2, window, _size(request, viewport), accept)

    @router.get("/studies/{study}/series/{series}/rendered")
    @router.get("/studies/{study}/series/{series}/thumbnail")
    def series_rendered(
        request: Request, study: str, series: str,
        window: str | None = None, viewport: str | None = None, accept: Accept = None,
    ) -> Response:  # fmt: skip
        entries = archive.query(QidoQuery(Level.INSTANCE), study, series)
        if not entries:
            archive.series_files(study, series)  # says what is wrong
            raise NotAcceptable("nothing to render", series, "ask for the instances")
        sop = entries[len(entries) // 2][json_tag("SOPInstanceUID")]["Value"][0]
        image = InstanceFrames(archive.instance_file(study, series, sop))
        return _rendered(image, (image.count + 1) // 2, window, _size(request, viewport), accept)


def _frame_numbers(text: str, image: InstanceFrames) -> list[int]:
    if not all(part.isascii() and part.isdigit() and len(part) < 8 for part in text.split(",")):
        raise RefusedInput("not a list of frame numbers", "frames", "give numbers from 1, separated by commas")
    return [image.check(int(part)) for part in text.split(",")]


def _frames_answer(image: InstanceFrames, numbers: list[int], accept: str | None) -> Response:
    for wanted in accepted(accept):
        chosen = _frame_encoding(image, wanted)
        if chosen is None:
            continue
        take = image.stored if chosen == "stored" else image.native
        first = take(numbers[0])
        if wanted.name == _OCTETS and len(numbers) == 1:
            return Response(first.content, media_type=first.content_type)
        others = (take(number) for number in numbers[1:])
        pairs = ((frame.content_type, frame.content) for group in ([first], others) for frame in group)
        return multipart(first.media_type, pairs)
    raise NotAcceptable(
        "frames cannot be given in what is accepted", "Accept",
        f"accept {_OCTETS}, or the stored transfer syntax {image.syntax}",
    )  # fmt: skip


def _frame_encoding(image: InstanceFrames, wanted: MediaType) -> str | None:
    """``stored`` or ``native`` for one acceptable media type; None where it does not fit (PS3.18 8.7.3.5)."""
    syntax = wanted.transfer_syntax
    if wanted.inner in ("*/*", *_ANY):
        return "stored" if syntax in (None, "*", str(image.syntax)) else None
    if wanted.inner == _OCTETS:
        if syntax in (None, str(ExplicitVRLittleEndian)):
            return "native"
        return "stored" if syntax in ("*", str(image.syntax)) else None
    stored = image.stored(1).media_type if image.is_encapsulated else _OCTETS
    fits = wanted.inner == stored or (wanted.inner == "image/*" and stored.startswith("image/"))
    return "stored" if fits and syntax in (None, "*", str(image.syntax)) else None


def _octets(content: bytes, accept: str | None) -> Response:
    for wanted in accepted(accept):
        if wanted.name == _OCTETS:
            return Response(content, media_type=_OCTETS)
        if wanted.inner in (_OCTETS, *_ANY, "application/*"):
            return multipart(_OCTETS, [(_OCTETS, content)])
    raise NotAcceptable("bulk data is octets", "Accept", f"accept {_OCTETS}")


def _rendered(image: InstanceFrames, number: int, window: str | None, size: int | None, accept: str | None) -> Response:
    for wanted in accepted(accept):
        kind = {"*/*": "image/png", "image/*": "image/png"}.get(wanted.name, wanted.name)
        if kind in ("image/png", "image/jpeg"):
            return Response(image.rendered(number, kind, _window(window), size), media_type=kind)
    raise NotAcceptable("pictures are PNG or JPEG", "Accept", "accept image/png or image/jpeg")


def _window(text: str | None) -> tuple[float, float] | None:
    """``window=centre,width[,function]`` (PS3.18 8.3.5.1.4)."""
    if text is None:
        return None
    try:
        centre, width = (float(part) for part in text.split(",")[:2])
    except ValueError:
        raise RefusedInput("not a window", "window", "give centre,width") from None
    return centre, max(width, 1e-6)


def _size(request: Request, viewport: str | None) -> int | None:
    if viewport is None:
        return 256 if request.url.path.endswith("/thumbnail") else None
    first = viewport.split(",")
    if len(first) < 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) <= 8192 for part in first[:2]):
        raise RefusedInput("not a viewport", "viewport", "give width,height in pixels")
    return max(int(part) for part in first[:2])
