"""The instances of a series as they were read, each of them a dataset to whoever asks for one.

A `Twin` is an instance that was read by comparison with another file (`pattern`): its few own elements, its pixels
where they were read to, and the rest from the file that it is like. It answers what the loader asks of a dataset, and
cannot be changed. `Instances` hands out pydicom datasets, each made when it is first asked for; what was handed out
is what counts from then on, since its owner may change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from pydicom.datadict import tag_for_keyword

from wetread.imaging.headers import header_of
from wetread.imaging.soundness import quiet_pydicom

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset, FileMetaDataset

    from wetread.imaging.pattern import Pattern

_ABSENT = object()


class Twin:
    """One uncompressed grey slice, read by comparison.

    Args:
        pattern: what it has in common with others.
        own: its values that differ, by keyword.
        content: the whole file in memory.
        start: where its pixel data starts there.
        filename: the file.
    """

    __slots__ = ("_own", "_pattern", "_start", "content", "filename")

    def __init__(
        self, pattern: Pattern, own: Mapping[str, Any], content: NDArray[np.uint8], start: int, filename: str
    ) -> None:
        self._pattern, self._own, self._start = pattern, own, start
        self.content, self.filename = content, filename

    @property
    def kind(self) -> int:
        """The same for twins of one pattern."""
        return id(self._pattern)

    @property
    def file_meta(self) -> FileMetaDataset:
        """The file meta of the file it is like: the same transfer syntax, another instance."""
        return self._pattern.dataset.file_meta

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value of an element, as `Dataset.get`; not to be changed."""
        if keyword == "PixelData":
            return self.content[self._start :].data
        return self._own[keyword] if keyword in self._own else self._pattern.value(keyword, default)

    def __contains__(self, keyword: str) -> bool:
        return self.get(keyword, _ABSENT) is not _ABSENT

    def __getattr__(self, keyword: str) -> Any:
        value = _ABSENT if tag_for_keyword(keyword) is None else self.get(keyword, _ABSENT)
        if value is _ABSENT:
            raise AttributeError(keyword)
        return value

    def stored(self) -> NDArray[Any]:
        """Stored values (rows, columns) as they lie in memory: bits above the high bit as they were found."""
        signed, bits = self.get("PixelRepresentation") == 1, int(self.get("BitsAllocated"))
        rows, columns = int(self.get("Rows")), int(self.get("Columns"))
        kind = np.dtype(f"<{'i' if signed else 'u'}{bits // 8}")
        end = self._start + rows * columns * kind.itemsize
        return self.content[self._start : end].view(kind).reshape(rows, columns)

    def dataset(self, *, pixels: bool = True) -> Dataset:
        """The instance as pydicom reads it."""
        from pydicom import dcmread

        with quiet_pydicom():
            dataset = dcmread(BytesIO((self.content if pixels else self.content[: self._start]).tobytes()))
        if self.filename:
            dataset.filename = self.filename
        return dataset


class Instances(Sequence["Dataset"]):
    """The instances of a series, in no particular order."""

    def __init__(self, held: Sequence[Dataset | Twin]) -> None:
        self._held = list(held)

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, index: int) -> Dataset: ...
    @overload
    def __getitem__(self, index: slice) -> list[Dataset]: ...
    def __getitem__(self, index: int | slice) -> Dataset | list[Dataset]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        held = self._held[index]
        if isinstance(held, Twin):
            held = self._held[index] = held.dataset()
        return held

    def as_read(self) -> list[Dataset]:
        """Each as it is held, to look at: a Twin answers as its dataset would."""
        return cast("list[Dataset]", list(self._held))


def as_read(datasets: Sequence[Dataset]) -> Sequence[Dataset]:
    """The same instances, without making datasets of those that were not asked for yet."""
    return datasets.as_read() if isinstance(datasets, Instances) else datasets


def chosen(datasets: Sequence[Dataset], is_wanted: Callable[[Dataset], bool]) -> Sequence[Dataset]:
    """Those that are wanted, without making datasets of the others."""
    return Instances([dataset for dataset in as_read(datasets) if is_wanted(dataset)])


class Headers(Sequence["Dataset"]):
    """The header of every instance (`headers.header_of`), each made when it is first asked for."""

    def __init__(self, held: Sequence[Dataset | Twin]) -> None:
        self._held = [held_ if isinstance(held_, Twin) else header_of(held_) for held_ in held]

    def __len__(self) -> int:
        return len(self._held)

    @overload
    def __getitem__(self, index: int) -> Dataset: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Dataset, ...]: ...
    def __getitem__(self, index: int | slice) -> Dataset | tuple[Dataset, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        held = self._held[index]
        if isinstance(held, Twin):
            held = self._held[index] = header_of(held.dataset(pixels=False))
        return held
