"""Wetread in a stock MONAI Label server.

MONAI Label takes the first class in this file that directly subclasses `MONAILabelApp`, so there is exactly one. The
server imports `lib` from this folder only while it loads this file. Stock routes keep working for stock clients; the
service's own routes are mounted beside them under /wetread/v1, where reads are jobs that do not block the server.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.interfaces.app import MONAILabelApp
from requests import RequestException

import wetread
from lib.admission import ForbiddenImage, admit
from lib.passage import Passage, keep_running
from lib.read_task import ReadTask
from wetread.archive import checked_uid, open_archive
from wetread.archive.protocol import NotInArchive
from wetread.errors import ArchiveRefused, RefusedInput
from wetread.reading import Reader

logger = logging.getLogger(__name__)


class WetreadApp(MONAILabelApp):
    """One model, `wetread`.

    Args:
        app_dir: this folder.
        studies: folder of images, or URL of a DICOMweb archive.
        conf: `--conf` pairs: `model` (name or folder), `modality` (of NIfTI files and pictures), `archive` (folder or
            URL of the jobs; the studies URL, or the folder `dicom` in the studies folder), `hosts` (names besides
            this machine's own by which clients may address the service, separated by commas).
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.reader = Reader(conf.get("model", wetread.DEFAULT_MODEL))
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="Wetread",
            description="Preliminary reads, grounded in pixels; not verified by a person",
            version=wetread.__version__,
        )

    def init_infers(self) -> dict[str, ReadTask]:
        """The one model; its weights load at the first read."""
        return {"wetread": ReadTask(self.reader, self.conf.get("modality", ""))}

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Refuse what a client may not read, and say refusals in words instead of a bare 500.

        Raises:
            HTTPException: 403 for a path outside the studies, 422 for an image that cannot be read honestly.
        """
        try:
            admit(request.get("image"), self._image_folders())
            self._fetch(request["image"])
            return super().infer(request, datastore)
        except ForbiddenImage as error:
            raise HTTPException(403, _public(error)) from error
        except RefusedInput as error:
            raise HTTPException(422, _public(error)) from error

    def on_init_complete(self) -> None:
        """Offer the service's routes, and say what an administrator must know."""
        super().on_init_complete()
        if settings.MONAI_LABEL_AUTH_ENABLE:
            logger.warning("MONAI Label's log-in does not cover /wetread/v1, so it is not offered here: wetread serve")
        else:
            self._offer_service()
        if not _listens_on_loopback(sys.argv):
            logger.warning("This server is not bound to 127.0.0.1 and asks nobody who they are: use --host 127.0.0.1")

    def _fetch(self, image: str) -> None:
        """Bring a series of a DICOMweb archive into MONAI Label's cache, where it takes any text for a folder's name.

        Raises:
            RefusedInput: not a UID, not in the archive, or not convertible to NIfTI, which stock clients show.
        """
        datastore = self.datastore()
        if not isinstance(datastore, DICOMWebDatastore) or Path(image).exists():
            return
        series = checked_uid(image, "image")
        try:
            datastore.get_image_uri(series)
        except IndexError as error:
            raise NotInArchive("no such series", series, "give an id from GET /datastore/") from error
        except RequestException as error:
            raise ArchiveRefused("the archive does not give the series", series, "look at its log") from error
        except RuntimeError as error:
            raise RefusedInput("MONAI Label cannot convert it", series, "read it by /wetread/v1/reads") from error

    def _offer_service(self) -> None:
        from monailabel.app import app as web

        from wetread.service.app import LOOPBACK, create_app

        is_url = self.studies.startswith(("http://", "https://"))
        location = self.conf.get("archive") or (self.studies if is_url else str(Path(self.studies) / "dicom"))
        archive = open_archive(
            location,
            user=settings.MONAI_LABEL_DICOMWEB_USERNAME or None,
            password=settings.MONAI_LABEL_DICOMWEB_PASSWORD or None,
        )
        hosts = [*LOOPBACK, *filter(None, self.conf.get("hosts", "").split(","))]
        service = create_app(archive, self.reader, allowed_hosts=hosts)
        web.router.routes.append(Passage(service, [str(origin) for origin in settings.MONAI_LABEL_CORS_ORIGINS]))
        self._service = asyncio.get_running_loop().create_task(keep_running(service))

    def _image_folders(self) -> list[str]:
        local = [] if self.studies.startswith(("http://", "https://")) else [self.studies]
        return local + ([self.sessions().store_path] if self.sessions() is not None else [])

    def _download_dcmqi_tools(self) -> None:
        """Stock MONAI Label fetches a program from GitHub here; dcmqi comes from PyPI, or not at all."""
        if shutil.which("itkimage2segimage") is None:
            logger.warning("itkimage2segimage is not on the PATH: output=dicom_seg will fail; pip install dcmqi")


def _public(error: RefusedInput) -> str:
    """A refusal for a client: without the folders of this machine."""
    return f"{error.what} ({Path(error.where).name}): {error.remedy}"


def _listens_on_loopback(arguments: list[str]) -> bool:
    """True where the command line binds the server to this machine only."""
    hosts = [value for name, value in pairwise(arguments) if name in {"-i", "--host"}]
    hosts += [argument.removeprefix("--host=") for argument in arguments if argument.startswith("--host=")]
    return bool(hosts) and hosts[-1] in {"127.0.0.1", "localhost", "::1"}
