"""Decisions on their way: on disk from the moment they are made until the server has them.

Each is a file of its own, written whole and renamed into place, so that neither a crash of Slicer nor one of the
server, nor two Slicers at once, lose one. A draft holds UIDs and drawings, nothing else of a patient. Drafts of a read
leave in their order, from one process at a time; an answer that was lost on the way is asked for again: the last
verdict on a finding counts, so that sending one twice changes nothing. What the server refuses stays, with its words,
until a person has seen it.
"""

import json
import os
import re
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

from slicer.i18n import tr as _

from .client import ServiceClient, ServiceError

STALE_SECONDS = 300  # a lock of a process that died
_UID = re.compile(r"[0-9.]{1,64}")


class BeingSent(Exception):
    """Another process sends the drafts of this read at this moment."""

    def __init__(self):
        super().__init__(_("Another Slicer sends decisions on this read at this moment. Try again."))


class Drafts:
    """The drafts of this computer's user.

    :param folder: made when first needed, readable for this user alone.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self._sending = threading.Lock()

    def add(self, address: str, job: str, study: str, series: str, verdicts: list) -> None:
        """Keep verdicts on one read; they are on disk when this returns.

        :raises OSError: the disk takes nothing.
        """
        draft = {"address": address, "job": job, "study": study, "series": series, "verdicts": verdicts}
        folder = self._folderOf(job)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(folder / f"{time.time_ns():020d}-{uuid.uuid4()}.json", draft)

    def waiting(self, address: str) -> list:
        """One draft of each read with verdicts that this server has not got yet, dicts as they were added."""
        found = {}
        for path in sorted(self.folder.glob("*/*.json")):
            draft = _read(path)
            if draft is not None and draft["address"] == address:
                found.setdefault(draft["job"], draft)
        return list(found.values())

    def isWaiting(self, job: str) -> bool:
        """True where verdicts on a read have not been sent."""
        return any(self._folderOf(job).glob("*.json"))

    def refusals(self, job: str) -> list:
        """What the server said to the verdicts on a read that it refused."""
        found = [_read(path) for path in sorted(self._folderOf(job).glob("*.refused"))]
        return [draft["refused"] for draft in found if draft is not None]

    def dismiss(self, job: str) -> None:
        """Forget what was refused: a person has seen it."""
        for path in self._folderOf(job).glob("*.refused"):
            path.unlink(missing_ok=True)

    def flush(self, client: ServiceClient, job: str):
        """Send what waits of a read, in order; in a thread.

        :return: the review that the server last answered with; None where nothing waited.
        :raises BeingSent: another process is at it.
        :raises ServiceError: something stands in the way; what waits still waits, but for what was refused.
        """
        if not self.isWaiting(job):
            return None
        review, refusal = None, None
        with self._sending, self._alone(job):
            while path := next(iter(sorted(self._folderOf(job).glob("*.json"))), None):
                draft = _read(path)
                if draft is None:
                    path.rename(path.with_suffix(".broken"))  # another program's file under our name
                    continue
                try:
                    review = client.post(f"/reads/{job}/verdicts", draft["verdicts"])
                except ServiceError as error:
                    if error.mayPass:
                        raise
                    refusal = error
                    _write(path.with_suffix(".refused"), draft | {"refused": error.said or str(error)})
                path.unlink(missing_ok=True)
        if refusal is not None:
            raise refusal
        return review

    def _folderOf(self, job: str) -> Path:
        if not _UID.fullmatch(job):
            raise ValueError("Not a UID.")  # it becomes the name of a folder
        return self.folder / job

    @contextmanager
    def _alone(self, job: str):
        lock = self._folderOf(job) / "sending"
        try:
            if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                lock.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise BeingSent from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _read(path: Path):
    try:
        draft = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return draft if isinstance(draft, dict) and {"address", "job", "verdicts"} <= set(draft) else None


def _write(path: Path, draft: dict) -> None:
    beside = path.with_suffix(".part")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(draft, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
