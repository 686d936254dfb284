"""A process of its own, with little memory and little time, that parses what came over the network before we do.

A parser that is led to fill the memory, to run for ever or to crash takes this process with it and not the service;
the file is then refused, and the next one finds a new process. It is started once and kept: a check costs a pipe and
one more parse. Where the system has no limits for processes (Windows) it still keeps crashes and endless loops away.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from types import TracebackType

MEMORY_BYTES, SECONDS, BYTES_A_SECOND = 1 << 30, 20.0, 20 << 20
"""What one file may take to be parsed: memory on top of twice its own size, and time, more for large ones."""
_FILES = 500
"""So many files, then a new process: what one leaves behind in memory does not add up."""
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Nothing else of the service's environment goes along: it holds tokens."""
_GOOD = b"good"
_LENGTH = struct.Struct("<Q")


class Quarantine:
    """Parses files in a process of its own; safe from any thread, one file at a time.

    Args:
        memory: bytes that parsing may take beyond twice the file.
        seconds: that one file may take.
    """

    def __init__(self, memory: int = MEMORY_BYTES, seconds: float = SECONDS) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._checked = 0
        self._lock = threading.Lock()

    def check(self, content: bytes, where: str = "a part of the request") -> None:
        """Return where the file can be parsed within bounds.

        Raises:
            RefusedInput: it is no whole DICOM file, or parsing it takes too much memory or time, or crashes.
        """
        if content[128:132] != b"DICM":
            return  # not parsed at all: `taken_in` refuses it by these bytes
        with self._lock:
            process = self._running()
            timer = threading.Timer(self._seconds + len(content) / BYTES_A_SECOND, process.kill)
            timer.start()
            try:
                answer = _asked(process, content)
            finally:
                timer.cancel()
            if not answer:
                self._end()
                raise RefusedInput("a file that takes too much memory or time to read, or breaks the reader", where,
                                   "send a whole file from its source")  # fmt: skip
        if answer != _GOOD:
            what, _, remedy = answer.decode().partition("\n")
            raise RefusedInput(what, where, remedy)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        self._checked += 1
        if self._checked % _FILES == 0 or (self._process is not None and self._process.poll() is not None):
            self._end()
        if self._process is None:
            kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            # One thread each: their stacks would count against the memory.
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            paths = os.pathsep.join(path for path in sys.path if path)
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self._memory)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=kept | threads | {"PYTHONPATH": paths},
            )  # fmt: skip
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _asked(process: subprocess.Popen[bytes], content: bytes) -> bytes:
    """The process's answer; empty where it died."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(_LENGTH.pack(len(content)))
        process.stdin.write(content)
        process.stdin.flush()
    except OSError:
        return b""
    return _received(process.stdout.fileno())


def _received(descriptor: int) -> bytes:
    """One message of a length and as many bytes; empty at the end of the pipe."""
    head = _exactly(descriptor, _LENGTH.size)
    return _exactly(descriptor, _LENGTH.unpack(head)[0]) if head else b""


def _exactly(descriptor: int, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        piece = os.read(descriptor, min(1 << 20, count - len(received)))
        if not piece:
            return b""
        received += piece
    return bytes(received)


def _serve(memory: int) -> None:
    """The other side: parse what comes, answer in one message, until the pipe ends."""
    from wetread.archive.intake import taken_in

    source, answers = sys.stdin.fileno(), sys.stdout.fileno()
    while content := _received(source):
        _limit(memory + 2 * len(content))
        try:
            taken_in(content)
            answer = _GOOD
        except RefusedInput as refusal:
            answer = f"{refusal.what}\n{refusal.remedy}".encode()
        except MemoryError:
            return
        os.write(answers, _LENGTH.pack(len(answer)) + answer)


def _limit(more: int) -> None:
    """Let this process grow by so many bytes from what it has now; does nothing where the system cannot tell."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + more
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
