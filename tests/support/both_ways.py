"""One folder read by comparison and read file by file: whatever comes of it must be the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from pydicom import Dataset

from wetread.errors import RefusedInput
from wetread.imaging import files, load_sample, open_series
from wetread.imaging.instances import Twin, as_read
from wetread.imaging.sample import Sample


def one_by_one(
    paths: Sequence[Path], read: Callable[[Path], Dataset | None]
) -> Iterator[tuple[Path, Dataset | None]]:
    """What `read_alike` stands for."""
    return ((path, read(path)) for path in paths)


def read_twice(folder: Path) -> tuple[Sample | str, Sample | str]:
    """By comparison, and file by file; a refusal as its line."""
    quick = _read(folder)
    with patch.object(files, "read_alike", one_by_one):
        return quick, _read(folder)


def twins_in(folder: Path) -> int:
    """How many files of a folder are read by comparison."""
    return sum(isinstance(held, Twin) for held in as_read(open_series(folder)))


def require_equal(quick: Sample | str, plain: Sample | str) -> None:
    """Everything of two Samples, or the same refusal."""
    if isinstance(quick, str) or isinstance(plain, str):
        assert quick == plain
        return
    for name in ("kind", "modality", "units", "remarks", "shape"):
        assert getattr(quick, name) == getattr(plain, name), name
    for ours, theirs in zip(quick.planes, plain.planes, strict=True):
        assert (ours.source, ours.window, ours.inverted, ours.geometry) == (
            theirs.source, theirs.window, theirs.inverted, theirs.geometry,
        )  # fmt: skip
        assert ours.values.dtype == theirs.values.dtype
        assert np.array_equal(ours.values, theirs.values, equal_nan=True)
    for ours, theirs in zip(quick.headers, plain.headers, strict=True):
        require_same_dataset(ours, theirs)


def require_same_dataset(ours: Dataset, theirs: Dataset) -> None:
    """The same elements with the same values and VRs, in the same encoding."""
    assert _listed(ours) == _listed(theirs)
    assert _listed(ours.file_meta) == _listed(theirs.file_meta)
    assert ours.original_encoding == theirs.original_encoding
    assert ours.original_character_set == theirs.original_character_set


def _listed(dataset: Dataset) -> list[tuple[Any, ...]]:
    return [(element.tag, element.VR, _comparable(element.value)) for element in dataset]


def _comparable(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value  # NaN is not equal to itself


def _read(folder: Path) -> Sample | str:
    try:
        sample = load_sample(folder)
    except RefusedInput as refusal:
        return str(refusal)
    assert isinstance(sample, Sample)
    return sample
