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
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from requests import RequestException

import wetread
from lib.admission import ForbiddenImage, admit
from lib.gate import Gate, is_name
from lib.passage import Passage, keep_running
from lib.people import person_of
from lib.read_task import KEEP, ReadTask
from lib.saved_labels import label_names, record_label
from lib.scoring import LedgerScoring
from lib.shared import INFO, Shared, known
from lib.strategies import strategies
from lib.training import trainers
from wetread.archive import checked_uid, open_archive
from wetread.archive.protocol import NotInArchive
from wetread.errors import ArchiveRefused, RefusedInput, WetreadError
from wetread.reading import Reader
from wetread.service.access.people import Access
from wetread.service.model_switch import SwitchingReader

logger = logging.getLogger(__name__)
FINAL = "final"
"""MONAI Label's tag of a label that a person has finished."""


class WetreadApp(MONAILabelApp):
    """One model, `wetread`.

    Args:
        app_dir: this folder.
        studies: folder of images, or URL of a DICOMweb archive.
        conf: `--conf` pairs: `model` (name or folder), `modality` (of NIfTI files and pictures), `archive` (folder or
            URL of the jobs; the studies URL, or the folder `dicom` in the studies folder), `hosts` (names besides
            this machine's own by which clients may address the service, separated by commas), `tokens` (a token file)
            or `oidc_issuer` with `oidc_audience` (who may come in, for MONAI Label's routes too), `proxy` ("on" opens
            MONAI Label's DICOMweb proxy).
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        is_url = studies.startswith(("http://", "https://"))
        archive = open_archive(
            conf.get("archive") or (studies if is_url else str(Path(studies) / "dicom")),
            user=settings.MONAI_LABEL_DICOMWEB_USERNAME or None,
            password=settings.MONAI_LABEL_DICOMWEB_PASSWORD or None,
        )
        self.shared = Shared(archive, conf.get("model", wetread.DEFAULT_MODEL))
        self.reader = SwitchingReader(self.shared.versions, Reader)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="Wetread",
            description="Preliminary reads, grounded in pixels; not verified by a person",
            version=wetread.__version__,
        )
        # MONAI Label would start a process for every sample that it gives; scores are wanted when somebody asks.
        self._auto_update_scoring = False

    def init_infers(self) -> dict[str, ReadTask]:
        """The one model; its weights load at the first read."""
        return {"wetread": ReadTask(self.reader, self.shared, self.conf.get("modality", ""))}

    def init_trainers(self) -> dict[str, TrainTask]:
        """Training from the ledger: head, sft, drpo."""
        return trainers(self.shared)

    def init_strategies(self) -> dict[str, Strategy]:
        """Active learning over the ledger."""
        return strategies(self.shared)

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Scores of what was read."""
        return {"ledger": LedgerScoring(self.shared)}

    def init_datastore(self) -> Any:
        """MONAI Label's own datastore, which writes a label to wherever its tag leads; here a tag is a name."""
        datastore = super().init_datastore()
        save = datastore.save_label

        def save_label(image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
            if not is_name(str(label_tag)) or not is_name(image_id):
                raise HTTPException(400, "a tag and an image are names without folders")
            self._saved = (str(label_tag), dict(label_info or {}))
            return str(save(image_id, label_filename, label_tag, label_info))

        datastore.save_label = save_label
        return datastore

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """A label that a person saved becomes verdicts on the image's last read; the answer says how many, or why not.

        The label itself is kept by MONAI Label either way.
        """
        tag, info = self._saved
        noted = known(self.datastore(), image_id)
        if tag != FINAL or not noted.get("read_uid"):
            return {INFO: {"verdicts": 0, "remark": "not a final label" if tag != FINAL else "no read to decide on"}}
        names = label_names(info, self._infers["wetread"].labels)
        label, image = (Path(uri) for uri in (self.datastore().get_label_uri(label_id, tag),
                                              self.datastore().get_image_uri(image_id)))  # fmt: skip
        try:
            count = record_label(self.shared.backing, noted, label, image, names, person_of(info))
        except WetreadError as error:
            said = _public(error) if isinstance(error, RefusedInput) else str(error)
            return {INFO: {"verdicts": 0, "remark": said}}
        return {INFO: {"verdicts": count, "remark": ""}}

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Refuse what a client may not read, and say refusals in words instead of a bare 500.

        Raises:
            HTTPException: 403 for a path outside the studies, 422 for an image that cannot be read honestly.
        """
        try:
            admit(request.get("image"), self._image_folders())
            self._fetch(request["image"])
            request = {**request, KEEP: not Path(request["image"]).exists()}
            found: dict[str, Any] = super().infer(request, datastore)
            self._note(request["image"], request.get("model"))
            return found
        except ForbiddenImage as error:
            raise HTTPException(403, _public(error)) from error
        except RefusedInput as error:
            raise HTTPException(422, _public(error)) from error

    def on_init_complete(self) -> None:
        """Offer the service's routes, and say what an administrator must know."""
        super().on_init_complete()
        access = self._access()
        if settings.MONAI_LABEL_AUTH_ENABLE:
            logger.warning("MONAI Label's log-in does not cover /wetread/v1, so it is not offered here: wetread serve")
        else:
            self._offer_service(access)
        if access is None and not _listens_on_loopback(sys.argv):
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

    def _note(self, image: str, model: str | None) -> None:
        """Keep in an image's info which read was its last one; a path is no image of the datastore."""
        task = self._infers.get(model)
        if isinstance(task, ReadTask) and not Path(image).exists():
            noted = task.noted.pop(str(self.datastore().get_image_uri(image)), None)
            if noted is not None:
                self.datastore().update_image_info(image, {INFO: noted})

    def _access(self) -> Access | None:
        from wetread.service.access.oidc import Oidc
        from wetread.service.access.token_file import TokenFile

        if self.conf.get("tokens"):
            return TokenFile(Path(self.conf["tokens"]))
        if self.conf.get("oidc_issuer"):
            return Oidc(self.conf["oidc_issuer"], self.conf.get("oidc_audience", ""))
        return None

    def _offer_service(self, access: Access | None) -> None:
        from monailabel.app import app as web

        from wetread.service.app import LOOPBACK, create_app

        hosts = [*LOOPBACK, *filter(None, self.conf.get("hosts", "").split(","))]
        origins = [str(origin) for origin in settings.MONAI_LABEL_CORS_ORIGINS]
        service = create_app(self.shared.archive, self.reader, allowed_hosts=hosts if access is None else ["*"],
                             access=access)  # fmt: skip
        web.router.routes.append(Passage(service, origins))
        # Complete since the server started, and the only place before all of the stock routes.
        web.middleware_stack = Gate(web.middleware_stack, access, hosts, origins, self.conf.get("proxy") == "on")
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
