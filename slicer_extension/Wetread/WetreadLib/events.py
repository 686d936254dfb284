"""Server-sent events of a read, followed through every break of the connection without losing or repeating one."""

import json
import threading

from .client import ServiceClient, ServiceError

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0


def follow(client: ServiceClient, job: str, tell, isBroken, stop: threading.Event) -> None:
    """Tell every event of a job until it is over or ``stop`` is set; runs in a thread of its own.

    :param tell: called with (kind, data) for each event, in order, once.
    :param isBroken: called with a ServiceError when the connection breaks, and with None when it is back.
    :raises ServiceError: the server says no for good.
    """
    last, pause = 0, FIRST_PAUSE
    while not stop.is_set():
        try:
            with client.events(job, last) as response:
                isBroken(None)
                for number, kind, data in parse(response.iter_lines(chunk_size=None)):
                    pause = FIRST_PAUSE
                    if stop.is_set():
                        return
                    last = number or last
                    tell(kind, data)
                    if kind == "state" and data.get("state") in ("COMPLETED", "CANCELED"):
                        return
            error = ServiceError("unreachable")  # the stream ended before the job
        except ServiceError as found:
            if not found.mayPass:
                raise
            error = found
        except OSError:  # requests' own errors while reading are OSErrors
            error = ServiceError("unreachable")
        if stop.is_set():
            return
        isBroken(error)
        stop.wait(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def parse(lines):
    """(number, kind, data) of each event of a stream of lines; number is 0 for events that have none.

    After the HTML standard, 9.2.6, as far as the server uses it: one line of data in each event.
    """
    number, kind, data = 0, "message", None
    for line in lines:
        text = line.decode("utf-8") if isinstance(line, bytes) else line
        if not text:
            if data is not None:
                yield number, kind, data
            number, kind, data = 0, "message", None
            continue
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if field == "id" and value.isdigit():
            number = int(value)
        elif field == "event":
            kind = value
        elif field == "data":
            data = json.loads(value)
