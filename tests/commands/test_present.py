"""A read in words for a terminal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import dicom_phantoms as phantoms
from threshold_reader import NOT_COVERED, ThresholdReader
from wetread.commands.present import box_as_text, findings_table, read_as_text, table
from wetread.findings import Box, BoxFrame, Finding, Mask
from wetread.imaging import to_sample
from wetread.terminology import find_target


@pytest.fixture(scope="module")
def volume():
    return to_sample(phantoms.ct_series())


@pytest.fixture(scope="module")
def read(volume):
    return ThresholdReader().read(volume)


def finding(label="nuclei", **changes):
    mask = Mask.from_dense(np.ones((2, 40, 30), bool))
    box = Box(1.4, 2.6, 30, 40, BoxFrame.IMAGE)
    return dataclasses.replace(Finding(find_target(label), "2.25.1", 0.876, 1, box, mask), **changes)


def test_a_read_says_what_was_seen_how_and_by_whom(read, volume):
    text = read_as_text(read, volume)
    for words in ("CT, ", "planes", read.question, "liver", "0.75", "Bright.", "threshold 1, seed 0", "not for"):
        assert words in text


def test_the_reasoning_is_left_out_where_it_was_streamed(read, volume):
    assert "They are marked" in read_as_text(read, volume)
    assert "They are marked" not in read_as_text(read, volume, with_reasoning=False)


def test_an_abstention_takes_the_place_of_findings(volume):
    text = read_as_text(ThresholdReader(abstain=True).read(volume), volume)
    assert NOT_COVERED in text
    assert "Finding " not in text
    assert "Answer" not in text


def test_no_finding_is_said(read, volume):
    assert "Findings   none" in read_as_text(dataclasses.replace(read, findings=(), diagnoses=()), volume)


def test_remarks_are_shown_once(read, volume):
    text = read_as_text(dataclasses.replace(read, remarks=("1 duplicate instance left out",)), volume)
    assert text.count("1 duplicate instance left out") == 1


def test_lines_fit_the_terminal(read, volume, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    long = dataclasses.replace(read, reasoning="many words and more of them " * 30)
    assert max(map(len, read_as_text(long, volume).splitlines())) <= 80


def test_a_row_gives_presence_rounded_box_pixels_and_objects():
    row = findings_table([finding()], planes=1)[2]
    assert row.split() == ["nuclei", "0.88", "1,", "3", "to", "30,", "40", "2,400", "0"]


def test_the_plane_is_counted_from_one_and_only_told_where_there_are_several():
    heading, _, row = findings_table([finding()], planes=2)
    assert "Plane" in heading
    assert row.split()[2] == "2"
    assert "Plane" not in findings_table([finding()], planes=1)[0]


def test_every_finding_keeps_its_own_description():
    lines = findings_table([finding(description="One."), finding("liver"), finding("spleen", description="Two.")], 1)
    assert [line.split()[0] for line in lines[2:]] == ["nuclei", "One.", "liver", "spleen", "Two."]


def test_what_is_not_tied_to_the_pixels_is_said_and_boxes_may_be_missing():
    lines = findings_table([finding("liver", grounded=False, mask=None, box=None)], planes=1)
    assert lines[2].split() == ["liver", "0.88", "-", "-", "-"]
    assert "Not tied to the pixels" in lines[3]


def test_columns_line_up():
    lines = table([["a", "b"], ["long cell", "x"], ["c", "y"]])
    assert [line.rfind(last) for line, last in zip(lines, ["b", "-", "x", "y"], strict=True)] == [13] * 4


def test_no_box_is_a_dash():
    assert box_as_text(None) == "-"
