"""What the app shares with Wetread's service: ledger, queue, archive and versions, in every process of the app.

Reads that stock clients ask for are kept as those of the service are, so that verdicts, worklist and training see
them. What an image of MONAI Label's datastore is called in the archive stands in the image's info, under `wetread`.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from wetread import uids
from wetread.model.versions import ModelVersions
from wetread.records.tables import CASE_LEASES
from wetread.records.times import later, stamp
from wetread.service.backing import Backing, open_backing
from wetread.service.model_switch import default_models
from wetread.service.worklist import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monailabel.interfaces.datastore import Datastore
    from pydicom import Dataset

    from wetread.archive import Archive
    from wetread.pipeline import Outcome

INFO = "wetread"


class Shared:
    """One archive and its records.

    Args:
        archive: of the service.
        model: that reads where no version was promoted.
    """

    def __init__(self, archive: Archive, model: str) -> None:
        self.archive = archive
        self.versions = ModelVersions(default_models(archive), model)
        self._opening = threading.Lock()

    @cached_property
    def backing(self) -> Backing:
        """Opened when first asked for: MONAI Label builds the app again in processes that need none."""
        with self._opening:
            return open_backing(self.archive)

    def keep(self, outcome: Outcome, datasets: Sequence[Dataset], owner: str) -> dict[str, str]:
        """Keep a read as a job of the service's; an image that is no DICOM yet goes to the archive as what was read.

        Returns:
            what is put into the image's info.
        """
        study, series = str(datasets[0].StudyInstanceUID), str(datasets[0].SeriesInstanceUID)
        if not self.archive.search_instances(study, series, limit=1):
            self.archive.store(datasets).require_complete()
        job = self.backing.keep_finished(outcome, owner=owner)
        return {"study_uid": study, "series_uid": series, "read_uid": outcome.read.uid, "job": job.uid}

    def lease(self, images: Sequence[str], login: str) -> str | None:
        """The first of these images that nobody else has before him, leased to a person as the worklist does."""
        with self.backing.database.writing(in_turn=True) as connection:
            connection.execute(delete(CASE_LEASES).where(CASE_LEASES.c.until < stamp()))
            connection.execute(delete(CASE_LEASES).where(CASE_LEASES.c.login == login))
            taken = set(connection.execute(select(CASE_LEASES.c.series_uid)).scalars())
            for image in images:
                key = series_key(image)
                if key not in taken:
                    connection.execute(insert(CASE_LEASES).values(
                        series_uid=key, study_uid="", login=login, until=later(LEASE_SECONDS)))  # fmt: skip
                    return image
        return None


def series_key(image: str) -> str:
    """The Series Instance UID that an id of a DICOMweb datastore is; a UID made of any other id."""
    return image if uids.is_tolerated(image) else uids.derived(uids.WRAPPED_FILES, f"monailabel|{image}")


def known(datastore: Datastore, image: str) -> dict[str, Any]:
    """What the app noted of an image: study_uid, series_uid, read_uid, job; empty before its first read."""
    found = datastore.get_image_info(image).get(INFO)
    return found if isinstance(found, dict) else {}
