"""A file from the network is parsed in a process with little memory and time: it may die, the next file is taken."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid

from wetread.archive.content import encoded
from wetread.archive.quarantine import Quarantine
from wetread.errors import RefusedInput

needs_limits = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no memory limits on this system")


def ct() -> Dataset:
    found = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(found, str)
    return dcmread(found)


def many_items(count: int) -> bytes:
    """A file of a few bytes an item, which as Python objects take many times as much."""
    dataset = ct()
    dataset.SOPInstanceUID = generate_uid()
    whole = encoded(dataset)
    start = whole.index(b"\x08\x00\x05\x00CS")
    item = b"\xfe\xff\x00\xe0" + (16).to_bytes(4, "little") + b"\x08\x00\x50\x11UI\x08\x001.2.3.4\0"
    items = item * count
    return whole[:start] + b"\x08\x00\x15\x11SQ\0\0" + len(items).to_bytes(4, "little") + items + whole[start:]


def test_a_good_file_passes_again_and_again() -> None:
    with Quarantine() as quarantine:
        for _ in range(3):
            quarantine.check(encoded(ct()))
        quarantine.check(many_items(1000))


def test_what_the_parser_refuses_is_refused_in_its_words() -> None:
    with Quarantine() as quarantine, pytest.raises(RefusedInput, match=r"ends too early|not readable"):
        quarantine.check(encoded(ct())[:2000])


@needs_limits
def test_a_file_that_would_fill_the_memory_is_refused_and_the_next_one_taken() -> None:
    content = many_items(400_000)
    with Quarantine(memory=48 << 20) as quarantine:
        with pytest.raises(RefusedInput, match=r"memory|MemoryError"):
            quarantine.check(content)
        quarantine.check(encoded(ct()))


def test_a_file_that_takes_too_long_is_refused_and_the_next_one_taken(monkeypatch) -> None:
    monkeypatch.setattr("wetread.archive.quarantine.BYTES_A_SECOND", 1 << 40)
    with Quarantine(seconds=0.05) as quarantine, pytest.raises(RefusedInput, match="too much memory or time"):
        quarantine.check(many_items(400_000))
    with Quarantine() as quarantine:
        quarantine.check(encoded(ct()))


def test_a_reader_that_crashed_is_replaced() -> None:
    with Quarantine() as quarantine:
        quarantine.check(encoded(ct()))
        assert quarantine._process is not None
        quarantine._process.kill()
        quarantine._process.wait()
        quarantine.check(encoded(ct()))


def test_no_secret_of_the_service_goes_along(monkeypatch) -> None:
    monkeypatch.setenv("WETREAD_ARCHIVE_TOKEN", "secret-token")
    with Quarantine() as quarantine:
        quarantine.check(encoded(ct()))
        assert quarantine._process is not None
        environment = f"/proc/{quarantine._process.pid}/environ"
        if os.path.exists(environment):
            with open(environment, "rb") as file:
                assert b"secret-token" not in file.read()


def test_it_ends_with_its_service() -> None:
    """Nothing is left behind by a service that was killed."""
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_quarantine import ct, encoded, Quarantine\n"
        "q = Quarantine(); q.check(encoded(ct())); print(q._process.pid, flush=True)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", script, os.path.dirname(__file__), *sys.path], capture_output=True)
    child = int(ended.stdout)
    for _ in range(200):
        try:
            with open(f"/proc/{child}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.02)
    pytest.fail("the process goes on")
