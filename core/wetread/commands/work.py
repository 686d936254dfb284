"""``wetread work``: reads what a service was asked for, without HTTP; several such processes share one database."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, cast

from wetread.archive import open_archive
from wetread.commands.loading import make_switching_reader
from wetread.commands.serve import announce
from wetread.errors import RefusedInput

if TYPE_CHECKING:
    import argparse

    from wetread.archive import Archive
    from wetread.reading import Reader

_LOOK_SECONDS = 0.5


def run(options: argparse.Namespace) -> int:
    """Work until somebody says stop; with ``--once`` until nothing waits."""
    leave = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: leave.set())
    if options.replicas:
        from wetread.commands import replicas

        if options.once or not options.database:
            raise RefusedInput("replicas that cannot meet", "--replicas", "give --database, and leave out --once")
        replicas.run(options, leave)
        announce("stopped")
        return 0
    archive = open_archive(options.archive)
    work(archive, cast("Reader", make_switching_reader(options, archive)), options.database, options.workers, leave,
         time_limit=options.time_limit, once=options.once)  # fmt: skip
    announce("stopped")
    return 0


def work(
    archive: Archive, reader: Reader, database: str | None, workers: int, leave: threading.Event, *,
    time_limit: float | None = None, once: bool = False,
) -> None:  # fmt: skip
    """Workers and a courier over one database, until `leave` is set.

    Args:
        archive: where series come from and objects go to.
        reader: loads its weights at the first read.
        database: see `backing.open_backing`.
        workers: reads at once.
        leave: reads under way end at their next token and wait for another worker.
        time_limit: seconds that one read may take; None for any.
        once: leave when no read and no object is waiting.
    """
    from wetread.service.backing import READ, open_backing
    from wetread.service.courier import Courier
    from wetread.service.worker import ReadWorkers

    backing = open_backing(archive, database)
    courier = Courier(backing.outbox)
    readers = ReadWorkers(backing, reader, workers, lambda uid: courier.wake(), time_limit=time_limit)
    readers.start()
    courier.start()
    announce(f"{workers} worker(s) of {reader.info.name} {reader.info.version} on {backing.database.location}  "
             "(Ctrl-C stops)")  # fmt: skip
    try:
        while not leave.wait(_LOOK_SECONDS):
            if once and not backing.queue.waiting(READ) and not backing.outbox.counts()["waiting"]:
                break
    finally:
        readers.stop()
        courier.stop()
        backing.close()
