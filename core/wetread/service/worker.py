"""The one thread that reads: series from the archive, read, SEG and SR back into the archive.

One read at a time, because a model uses all the cores it is given; everything else of the service stays responsive
meanwhile. A job that fails ends as CANCELED with the reason in words; the log gets the place in the code and no
text that could hold patient data.
"""

from __future__ import annotations

import logging
import queue
import threading
from io import BytesIO
from typing import TYPE_CHECKING

from wetread.errors import ReadCancelled, WetreadError
from wetread.service.errors import describe
from wetread.service.jobs import Job, JobResult, StoredObject

if TYPE_CHECKING:
    from wetread.archive import Archive, StoreReport
    from wetread.pipeline import Outcome
    from wetread.reading import Reader, ReadEvent

logger = logging.getLogger("wetread.service")
_READ_SHARE = 0.9


class ReadWorker:
    """Works on jobs, first come first served, until it is stopped.

    Args:
        archive: where series come from and objects go to.
        reader: loads its weights at the first job, in the working thread.
    """

    def __init__(self, archive: Archive, reader: Reader) -> None:
        self._archive = archive
        self._reader = reader
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._current: Job | None = None
        self._thread = threading.Thread(target=self._work, name="wetread-reads", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop after the read under way, which is asked to stop at its next token."""
        self._queue.put(None)
        if (current := self._current) is not None:
            current.give_up("the service stopped")
        self._thread.join(seconds)

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.put(job)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.start():
                self._current = job
                self._try(job)
                self._current = None

    def _try(self, job: Job) -> None:
        try:
            job.complete(self._read(job))
        except ReadCancelled:
            job.give_up("cancelled")
        except WetreadError as error:
            job.give_up(str(error))
        except Exception as error:
            # A job's failure must not end the thread; the text of a foreign error may hold patient data.
            logger.error("read %s failed: %s", job.uid, describe(error))
            job.give_up(f"internal error ({type(error).__name__}); the service's log names the place")

    def _read(self, job: Job) -> JobResult:
        from wetread.pipeline import read_series, store_outcome

        job.advance("fetching", 0.0)
        datasets = self._archive.retrieve_series(job.study_uid, job.series_uid)

        def on_event(event: ReadEvent) -> None:
            job.advance(event.stage, _READ_SHARE * event.progress, event.text)

        outcome = read_series(datasets, job.question, reader=self._reader, on_event=on_event, cancel=job.cancel)
        if job.cancel.is_set():
            raise ReadCancelled("cancelled before anything was stored")
        job.advance("storing", _READ_SHARE)
        report = store_outcome(outcome, self._archive)
        job.advance("drawing", 0.98)
        return job_result(outcome, report)


def job_result(outcome: Outcome, report: StoreReport) -> JobResult:
    """What a client gets of a read that is stored."""
    from PIL import Image

    from wetread.reporting import overlay_picture, read_document

    buffer = BytesIO()
    Image.fromarray(overlay_picture(outcome.read, outcome.sample)).save(buffer, "PNG")
    kinds = {str(outcome.seg.SOPInstanceUID): "SEG", str(outcome.sr.SOPInstanceUID): "SR"}
    stored = tuple(
        StoredObject(kinds[i.sop_instance_uid], i.series_uid, i.sop_instance_uid, i.state.value)
        for i in report.instances
        if i.sop_instance_uid in kinds
    )
    return JobResult(read_document(outcome.read, outcome.sample), buffer.getvalue(), stored)
