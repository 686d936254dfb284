"""What the service keeps: the queue, the ledger and the outbox of one archive, in one database."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.archive.folder import FolderArchive
from wetread.archive.outbox import Outbox, Prepared, prepare
from wetread.records.database import Database
from wetread.review.desk import Desk
from wetread.review.ledger import Ledger
from wetread.review.memory import remembered_read
from wetread.service.planes import plane_views
from wetread.service.queue import Queue, new_uid

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import Connection

    from wetread.archive import Archive
    from wetread.pipeline import Outcome
    from wetread.service.jobs import Job

FILE = ".wetread-records.sqlite"
READ = "read"


@dataclass(frozen=True, slots=True)
class Backing:
    """Everything of one service that outlives it."""

    archive: Archive
    database: Database
    queue: Queue
    ledger: Ledger
    outbox: Outbox

    @property
    def desk(self) -> Desk:
        """Verdicts and signatures."""
        return Desk(self.database, self.ledger)

    def keeping(self, outcome: Outcome, job: str = "") -> Callable[[Connection], None]:
        """What is kept in the moment in which a read becomes COMPLETED: its ledger entry, its objects in the outbox.

        Args:
            outcome: of the read.
            job: UID of its job.
        """
        read, kept = outcome.read, remembered_read(outcome.read, outcome.sample)
        prepared = [prepare(kind, dataset) for kind, dataset in outcome.objects]
        kept.body["objects"] = [
            {"kind": p.kind, "series_uid": p.uids[1], "sop_instance_uid": p.uids[2]} for p in prepared
        ]
        kept.body["job"] = job
        header = outcome.sample.headers[0]
        kept.body["patient"] = self.ledger.patient(
            str(header.get("PatientID") or ""), str(header.get("IssuerOfPatientID") or "")
        )

        def keep(connection: Connection) -> None:
            self.ledger.append_in(
                connection, "read", read.provenance.device_uid, kept.body,
                study_uid=str(outcome.sample.study_uid), read_uid=read.uid, blobs=kept.blobs,
            )  # fmt: skip
            self.outbox.put_in(connection, read.uid, prepared)

        return keep

    def keep_finished(self, outcome: Outcome, owner: str = "") -> Job:
        """Keep a read that was made elsewhere as a finished job of this service."""
        header = outcome.sample.headers[0]
        request = {"study_uid": str(header.StudyInstanceUID), "series_uid": str(header.SeriesInstanceUID),
                   "question": outcome.read.question}  # fmt: skip
        result, files = read_result(outcome)
        uid = new_uid()
        return self.queue.add_finished(READ, request, result, files, owner=owner, uid=uid,
                                       with_it=self.keeping(outcome, uid))  # fmt: skip

    def close(self) -> None:
        """Give back every connection."""
        self.database.close()


def open_backing(archive: Archive, database: Database | str | Path | None = None) -> Backing:
    """The backing of a service over an archive.

    Args:
        archive: objects go to it.
        database: open already, or a file or URL; `default_database` when None.

    Raises:
        RefusedInput: the database does not open.
    """
    opened = database if isinstance(database, Database) else Database(database or default_database(archive))
    return Backing(archive, opened, Queue(opened), Ledger(opened), Outbox(opened, archive))


def default_database(archive: Archive) -> Path:
    """Beside the files of a folder archive; for a PACS in the user's state folder, one file for each address."""
    if isinstance(archive, FolderArchive):
        return archive.root / FILE
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "wetread" / f"{hashlib.sha256(archive.location.encode()).hexdigest()[:16]}.sqlite"


def read_result(outcome: Outcome) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a finished read leaves with its job: the document and objects as JSON, and the files."""
    from io import BytesIO

    from PIL import Image

    from wetread.reporting import overlay_picture, read_document

    buffer = BytesIO()
    Image.fromarray(overlay_picture(outcome.read, outcome.sample)).save(buffer, "PNG")
    prepared = [prepare(kind, dataset) for kind, dataset in outcome.objects]
    files = {f"{one.kind.lower()}.dcm": one.content for one in prepared} | {"overlay.png": buffer.getvalue()}
    document = read_document(outcome.read, outcome.sample, outcome.beside)
    planes = [one.model_dump() for one in plane_views(outcome.sample)]
    return {"document": document, "objects": [_named(one) for one in prepared], "planes": planes}, files


def _named(one: Prepared) -> dict[str, str]:
    return {"kind": one.kind, "series_uid": one.uids[1], "sop_instance_uid": one.uids[2]}
