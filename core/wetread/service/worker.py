"""Workers: series from the archive, read, and everything about it kept in one transaction.

A worker is a thread that claims reads from the queue. One is the default, because a model uses all the cores it is
given; more of them share the engine's micro-batches on a GPU, and `wetread work` runs them in another process or on
another machine over the same database. A read that fails ends as CANCELED with the reason in words; the log gets the
place in the code and no text that could hold patient data.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from wetread.archive.protocol import NotInArchive, NotUid
from wetread.errors import ArchiveRefused, ReadCancelled, RefusedInput, WetreadError
from wetread.records.database import NotRecorded
from wetread.service.backing import READ, read_result
from wetread.service.errors import describe
from wetread.service.read_requests import is_model, pointing_of
from wetread.service.sources import series_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wetread.pipeline import Outcome
    from wetread.reading import Reader, ReadEvent
    from wetread.service.backing import Backing
    from wetread.service.jobs import Job

logger = logging.getLogger("wetread.service")
_READ_SHARE = 0.95
_TELL_SECONDS = 0.1
_LOOK_SECONDS = 0.5


class ReadWorkers:
    """Threads that work on reads until they are stopped.

    Args:
        backing: where jobs come from and results go to.
        reader: loads its weights at the first read.
        count: how many at once; 0 leaves the work to other processes.
        on_change: called with a job's UID, from a worker's thread, after every change.
        time_limit: seconds that one read may take; None for any.
    """

    def __init__(
        self, backing: Backing, reader: Reader, count: int = 1, on_change: Callable[[str], None] = lambda uid: None,
        *, time_limit: float | None = None,
    ) -> None:  # fmt: skip
        self._backing, self._reader, self._on_change = backing, reader, on_change
        self._time_limit = time_limit
        self._wake, self._leaving = threading.Condition(), threading.Event()
        self._under_way: dict[str, threading.Event] = {}
        here = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._threads = [
            threading.Thread(target=self._work, args=(f"{here}:{n}",), name=f"wetread-reads-{n}", daemon=True)
            for n in range(count)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop; reads under way end at their next token and wait for the next start."""
        self._leaving.set()
        for cancel in list(self._under_way.values()):
            cancel.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(seconds)

    def wake(self) -> None:
        """There is something to do."""
        with self._wake:
            self._wake.notify_all()

    def cancel(self, uid: str) -> None:
        """Ask a read that is under way here to stop at its next token."""
        if (cancel := self._under_way.get(uid)) is not None:
            cancel.set()

    def _work(self, name: str) -> None:
        while not self._leaving.is_set():
            try:
                job = self._backing.queue.claim(name, (READ,))
            except Exception as error:
                # The database may be away for a while; the thread must outlive that.
                logger.error("no job could be claimed: %s", describe(error))
                job = None
            if job is None:
                with self._wake:
                    self._wake.wait(_LOOK_SECONDS)
            else:
                try:
                    self._try(job, name)
                except NotRecorded as error:
                    # Neither result nor failure could be kept; the job is tried again when its lease has run out.
                    logger.error("read %s: %s", job.uid, error.what)

    def _try(self, job: Job, name: str) -> None:
        cancel = self._under_way.setdefault(job.uid, threading.Event())
        finished = threading.Event()
        keeper = threading.Thread(target=self._keep_lease, args=(job, name, cancel, finished), daemon=True)
        keeper.start()
        queue = self._backing.queue
        try:
            self._on_change(job.uid)
            self._complete(job, name, self._read(job, name, cancel))
        except NotRecorded:
            raise
        except ReadCancelled:
            queue.release(job.uid, name) if self._leaving.is_set() else queue.fail(job.uid, name, "cancelled")
        except ArchiveRefused as error:
            queue.fail(job.uid, name, str(error), again=not isinstance(error, (NotInArchive, NotUid)))
        except WetreadError as error:
            queue.fail(job.uid, name, str(error))
        except Exception as error:
            # A job's failure must not end the thread; the text of a foreign error may hold patient data.
            logger.error("read %s failed: %s", job.uid, describe(error))
            queue.fail(job.uid, name, f"internal error ({type(error).__name__}); the service's log names the place")
        finally:
            finished.set()
            del self._under_way[job.uid]
            self._on_change(job.uid)

    def _read(self, job: Job, name: str, cancel: threading.Event) -> Outcome:
        from wetread.pipeline import read_series, refuse_defects

        progress = _Progress(self._backing, job.uid, name, cancel, self._on_change)
        progress.tell("fetching", 0.0)
        request, info, archive = job.request, self._reader.info, self._backing.archive
        if not is_model(request.get("model") or info.name, info):
            raise RefusedInput("another model was asked for", job.uid, f"this worker reads with {info.name}")
        datasets = series_of(archive, request)
        beside = [series_of(archive, other) for other in request.get("beside") or ()]

        def on_event(event: ReadEvent) -> None:
            progress.tell(event.stage, _READ_SHARE * event.progress, event.text)

        pointing = pointing_of(request["prompts"]) if request.get("prompts") else None
        outcome = read_series(datasets, request.get("question"), beside=beside, pointing=pointing, reader=self._reader,
                              on_event=on_event, cancel=cancel)  # fmt: skip
        self._backing.queue.tell(job.uid, name, "finding", findings_told(outcome))
        progress.tell("keeping", _READ_SHARE)
        refuse_defects(outcome)
        return outcome

    def _complete(self, job: Job, name: str, outcome: Outcome) -> None:
        """Result, files, ledger entry and outbox, all or none; a lease that was lost keeps nothing."""
        result, files = read_result(outcome)
        self._backing.queue.complete(job.uid, name, result, files, self._backing.keeping(outcome, job.uid))

    def _keep_lease(self, job: Job, name: str, cancel: threading.Event, finished: threading.Event) -> None:
        """Renew while the work lasts; a lease that is lost, a cancelled job, or the time limit stops the work.

        At the time limit the job ends at once, though its thread may need a while to notice.
        """
        queue, began = self._backing.queue, time.monotonic()
        ends = None if self._time_limit is None else began + self._time_limit
        while True:
            left = queue.lease_seconds / 3
            left = left if ends is None else max(0.0, min(left, ends - time.monotonic()))
            if finished.wait(left):
                return
            try:
                if ends is not None and time.monotonic() >= ends:
                    queue.fail(job.uid, name, f"it took longer than the time limit of {self._time_limit:g} s")
                elif queue.renew(job.uid, name):
                    continue
            except NotRecorded as error:
                logger.error("lease of read %s not renewed: %s", job.uid, error.what)
                if finished.wait(_LOOK_SECONDS):
                    return
                continue
            cancel.set()
            self._on_change(job.uid)
            return


def findings_told(outcome: Outcome) -> list[dict[str, Any]]:
    """Each finding for the event ``finding``: the result's own words, without the mask's measures."""
    from wetread.reporting import read_document

    document = read_document(outcome.read, outcome.sample, outcome.beside)
    return [{key: finding[key] for key in _TOLD if key in finding} for finding in document["findings"]]


_TOLD = ("label", "tracking_uid", "presence", "grounded", "description", "plane", "box", "interval")


class _Progress:
    """Writes what a read tells into the database, several words at a time."""

    def __init__(
        self, backing: Backing, uid: str, worker: str, cancel: threading.Event, on_change: Callable[[str], None]
    ) -> None:
        self._backing, self._uid, self._worker = backing, uid, worker
        self._cancel, self._on_change = cancel, on_change
        self._text, self._stage, self._told = "", "", 0.0

    def tell(self, stage: str, progress: float, text: str = "") -> None:
        self._text += text
        now = time.monotonic()
        if stage == self._stage and now - self._told < _TELL_SECONDS:
            return
        said, self._text, self._stage, self._told = self._text, "", stage, now
        if not self._backing.queue.advance(self._uid, self._worker, stage, progress, said):
            self._cancel.set()
        self._on_change(self._uid)
