"""Whatever is done to a report or a segmentation, the verifier answers with lines and never with an exception."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import DataElement, Dataset

from reporting_cases import CASES
from wetread.archive.content import encoded
from wetread.reporting import build_seg, build_sr
from wetread.reporting.verifier import verify_datasets, verify_files

KINDS = ("dx", "ct axial", "ultrasound cine")
VALUES = st.one_of(
    st.none(), st.integers(-(2**40), 2**40), st.floats(), st.text(max_size=8), st.binary(max_size=8),
    st.lists(st.floats(allow_nan=False), max_size=5), st.just([Dataset()]), st.just([]),
)  # fmt: skip


@cache
def objects(kind: str) -> tuple[dict[str, Dataset], Dataset, Dataset]:
    datasets, sample, read = CASES[kind]()
    seg = build_seg(read, sample)
    return {str(d.SOPInstanceUID): d for d in datasets}, seg, build_sr(read, sample, seg)


def elements(dataset: Dataset) -> list[tuple[Dataset, DataElement]]:
    """Every element at every depth, with the item that it lies in."""
    found = []
    for element in dataset:
        if element.keyword != "PixelData":
            found.append((dataset, element))
        if element.VR == "SQ":
            for item in element.value:
                found += elements(item)
    return found


@settings(max_examples=120)
@given(
    kind=st.sampled_from(KINDS), of_report=st.booleans(), value=VALUES, removed=st.booleans(),
    where=st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
)  # fmt: skip
def test_any_element_may_be_missing_or_hold_anything(kind, of_report, where, value, removed) -> None:
    sources, seg, sr = objects(kind)
    broken = copy.deepcopy(sr if of_report else seg)
    for place in where:
        inside = elements(broken)
        item, element = inside[place % len(inside)]
        if removed:
            item.pop(element.tag, None)
            continue
        if element.VR == "SQ":
            element.value = value if isinstance(value, list) and all(isinstance(v, Dataset) for v in value) else []
        else:
            element._value = value  # past the checks of pydicom, as from a file that it reads without them
    pair = (seg, broken) if of_report else (broken, sr)
    for defect in verify_datasets([(Path("seg"), pair[0]), (Path("sr"), pair[1])], sources):
        assert "\n" not in str(defect)


CHANGE = st.tuples(st.integers(0, 10**6), st.binary(max_size=6), st.integers(0, 6))


@settings(max_examples=120)
@given(kind=st.sampled_from(KINDS), of_report=st.booleans(), changes=st.lists(CHANGE, min_size=1, max_size=4))
def test_any_bytes_may_be_changed(kind, of_report, changes, tmp_path_factory) -> None:
    _, seg, sr = objects(kind)
    content = bytearray(encoded(sr if of_report else seg))
    for place, new, dropped in changes:
        at = place % len(content)
        content[at : at + dropped] = new
    file = tmp_path_factory.mktemp("damaged") / "file.dcm"
    file.write_bytes(content)
    for defect in verify_files([file], [file]):
        assert "\n" not in str(defect)


def test_a_source_of_an_unknown_kind_of_value_is_a_line(tmp_path) -> None:
    _, seg, _ = objects("dx")
    content = encoded(seg)
    at = content.index(b"\x08\x00\x16\x00UI")
    (tmp_path / "source.dcm").write_bytes(content[: at + 4] + b"U." + content[at + 6 :])
    (tmp_path / "seg.dcm").write_bytes(content)
    (defect,) = verify_files([tmp_path / "seg.dcm"], [tmp_path / "source.dcm"])
    assert "source cannot be read" in defect.what


@pytest.mark.parametrize("of_report", [True, False])
def test_an_object_of_nothing_but_its_class_is_lines(of_report) -> None:
    _, seg, sr = objects("dx")
    bare = Dataset()
    bare.SOPClassUID = (sr if of_report else seg).SOPClassUID
    assert verify_datasets([(Path("bare"), bare)], {})
