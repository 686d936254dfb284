"""Versions of a model: whole or not there, one of them reads, and a step back is one step."""

from __future__ import annotations

import json
import shutil
import threading

import pytest

from wetread.errors import RefusedInput
from wetread.model.location import SHIPPED
from wetread.model.versions import POINTER, ModelVersions, Pointer

STATEMENT = SHIPPED / "wetread-mini" / "wetread.json"


@pytest.fixture
def versions(tmp_path):
    return ModelVersions(tmp_path / "models", "wetread-mini")


def add(versions, *names):
    for name in names:
        with versions.adding(name) as folder:
            shutil.copy(STATEMENT, folder / "wetread.json")


def test_without_a_promoted_version_the_base_reads(versions):
    assert versions.names() == []
    assert versions.pointer() == Pointer()
    assert versions.location() == "wetread-mini"
    assert versions.info().name == "wetread-mini"


def test_versions_are_listed_by_number(versions):
    add(versions, "0.1.10", "0.1.9", "0.1.1")
    assert versions.names() == ["0.1.1", "0.1.9", "0.1.10"]


def test_what_was_promoted_reads_and_every_step_can_be_taken_back(versions):
    add(versions, "0.1.1", "0.1.2")
    versions.switch("0.1.1")
    versions.switch("0.1.2")
    versions.switch("0.1.2")
    assert versions.location() == str(versions.folder / "0.1.2")
    assert versions.step_back().current == "0.1.1"
    assert versions.step_back().current == ""
    assert versions.location() == "wetread-mini"
    with pytest.raises(RefusedInput, match="no version before"):
        versions.step_back()


def test_the_next_name_is_free(versions):
    add(versions, "0.1.1", "0.1.2")
    assert versions.next_name("0.1.0") == "0.1.3"
    assert versions.next_name("unstated") == "0.0.1"


def test_a_version_that_failed_leaves_nothing_behind(versions):
    def fail():
        with versions.adding("0.1.1") as folder:
            (folder / "model.safetensors").write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(versions.folder.iterdir()) == []


def test_a_version_is_never_overwritten(versions):
    add(versions, "0.1.1")
    with pytest.raises(RefusedInput, match="taken"), versions.adding("0.1.1"):
        pass


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "0.9.9", "x" * 65, "a\0b"])
def test_what_is_no_version_is_refused(versions, name):
    with pytest.raises(RefusedInput, match="no version"):
        versions.switch(name)


def test_a_broken_pointer_is_said_and_can_be_replaced(versions):
    add(versions, "0.1.1")
    (versions.folder / POINTER).write_text("{")
    with pytest.raises(RefusedInput, match="unreadable pointer"):
        versions.pointer()
    assert versions.switch("0.1.1").current == "0.1.1"


def test_who_looks_while_it_switches_sees_one_or_the_other(versions):
    add(versions, "0.1.1", "0.1.2")
    versions.switch("0.1.1")
    stop, seen = threading.Event(), set()

    def look():
        while not stop.is_set():
            seen.add(json.loads((versions.folder / POINTER).read_text())["current"])

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(25):
        versions.switch("0.1.2")
        versions.switch("0.1.1")
    stop.set()
    thread.join()
    assert seen <= {"0.1.1", "0.1.2"}
