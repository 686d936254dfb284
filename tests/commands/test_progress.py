"""What is shown while something takes long: nothing at first, then one tidy line."""

from __future__ import annotations

import io
import re
import time

import pytest

from wetread.commands import progress as progress_module
from wetread.commands.progress import Progress
from wetread.reading import ReadEvent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def impatient(monkeypatch):
    """Two seconds pass at once."""
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    monkeypatch.setattr(progress_module, "_TICK", 0.01)


def wait_for(stream, words, seconds=10.0):
    end = time.monotonic() + seconds
    while words not in stream.getvalue():
        assert time.monotonic() < end, f"{words!r} was not shown: {stream.getvalue()!r}"
        time.sleep(0.01)


def shown(text):
    """What is left to see on a terminal that knows carriage return and erase-to-end-of-line."""
    return re.sub(r"[^\n]*\r\x1b\[K", "", text)


def test_nothing_is_shown_for_what_is_quick():
    stream = io.StringIO()
    with Progress(stream=stream) as progress:
        progress.stage("blinking")
    assert stream.getvalue() == ""


def test_two_seconds_is_the_patience():
    assert progress_module.PATIENCE == 2.0


@pytest.mark.usefixtures("impatient")
class TestSlow:
    def test_a_plain_line_per_stage_where_there_is_no_terminal(self):
        stream = io.StringIO()
        with Progress(stream=stream) as progress:
            progress.stage("opening")
            wait_for(stream, "opening")
            progress.stage("reading", 0.5)
            wait_for(stream, "reading")
        assert stream.getvalue() == "wetread: opening (0 s)\nwetread: reading 50% (0 s)\n"

    def test_one_line_that_is_gone_at_the_end_on_a_terminal(self):
        stream = Terminal()
        with Progress(stream=stream) as progress:
            progress.stage("opening")
            wait_for(stream, "opening")
            progress.stage("reading", 0.25)
            wait_for(stream, "reading 25%")
        assert "\n" not in stream.getvalue()
        assert shown(stream.getvalue()) == ""

    def test_quiet_is_quiet(self):
        stream = Terminal()
        with Progress(stream=stream, quiet=True) as progress:
            progress.stage("opening")
            progress.on_event(ReadEvent("writing", 0.1, "words"))
            time.sleep(0.05)
        assert stream.getvalue() == ""
        assert not progress.streamed

    def test_the_line_goes_before_an_error_is_printed(self):
        stream = Terminal()

        def fail():
            with Progress(stream=stream) as progress:
                progress.stage("opening")
                wait_for(stream, "opening")
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert shown(stream.getvalue()) == ""


class TestEvents:
    def test_the_answer_streams_to_a_terminal_as_it_is_written(self):
        stream = Terminal()
        with Progress(stream=stream) as progress:
            for piece in ("<think>", "dark ", "spots"):
                progress.on_event(ReadEvent("writing", 0.2, piece))
                assert stream.getvalue().endswith(piece)
            progress.on_event(ReadEvent("grounding", 0.6))
        assert shown(stream.getvalue()) == "<think>dark spots\n"
        assert progress.streamed

    def test_an_answer_about_another_plane_starts_a_line(self):
        stream = Terminal()
        with Progress(stream=stream) as progress:
            for plane, words in enumerate(("nothing", "something")):
                progress.on_event(ReadEvent("looking", 0.1 * plane))
                for piece in ("<think>", words):
                    progress.on_event(ReadEvent("writing", 0.2, piece))
        assert shown(stream.getvalue()) == "<think>nothing\n<think>something\n"

    def test_the_answer_does_not_stream_into_a_file(self):
        stream = io.StringIO()
        with Progress(stream=stream) as progress:
            progress.on_event(ReadEvent("writing", 0.2, "dark spots"))
        assert stream.getvalue() == ""
        assert not progress.streamed
