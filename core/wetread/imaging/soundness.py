"""Is the header of an instance whole? Every value is converted once, and the numbers that matter must be numbers.

pydicom converts values late and lets a damaged number through as text; the error would then come up far from its
cause. Converting here names the tag instead. pydicom's own warnings and log lines quote the
value, which may be the patient's, so they are silenced while it converts.
"""

from __future__ import annotations

import logging
import math
import warnings
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from wetread.errors import RefusedInput
from wetread.imaging.inflation import MAXIMUM_NESTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom import DataElement, Dataset

_REMEDY = "the file is damaged; get it again from its source."

_COUNTS: dict[str, int | None] = {
    "Rows": 1, "Columns": 1, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 1, "PixelRepresentation": 1,
    "SamplesPerPixel": 1, "PlanarConfiguration": 1, "NumberOfFrames": 1,
    "PixelSpacing": 2, "ImagePositionPatient": 3, "ImageOrientationPatient": 6, "SliceThickness": 1,
    "RescaleSlope": 1, "RescaleIntercept": 1, "WindowCenter": None, "WindowWidth": None,
    "PixelPaddingValue": 1, "PixelPaddingRangeLimit": 1,
    "TotalPixelMatrixRows": 1, "TotalPixelMatrixColumns": 1,
    "RowPositionInTotalImagePixelMatrix": 1, "ColumnPositionInTotalImagePixelMatrix": 1,
}  # fmt: skip
"""Numbers that the reader relies on and how many of them there are; None for one or more."""


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Neither warnings nor log lines of pydicom inside this block."""
    logger = logging.getLogger("pydicom")

    def nothing(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(nothing)


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """A decoder written in Rust that panics over damaged data raises what no ``except Exception`` catches.

    Raises:
        ValueError: in its place.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # pyo3 gives every library a type of its own
            raise ValueError("a decoder panicked") from None
        raise


def check_header(dataset: Dataset, where: object, depth: int = 0) -> None:
    """Convert every value of an instance, nested ones too; private ones may be what they like.

    Raises:
        RefusedInput: a value that cannot be read as what its tag says, naming the tag but never the value; or
            sequences nested deeper than any object needs.
    """
    if depth > MAXIMUM_NESTING:
        raise RefusedInput(f"sequences nested more than {MAXIMUM_NESTING} deep", where, _REMEDY)
    with quiet_pydicom():
        for tag in list(dataset.keys()):
            try:
                element = dataset[tag]
            except Exception as error:
                if tag.is_private:
                    continue  # nothing reads it, and makers fill their own tags as they like
                # pydicom raises many types for damaged values
                raise RefusedInput(f"tag {tag} cannot be read ({type(error).__name__})", where, _REMEDY) from error
            check_element(element, where, depth)


def check_element(element: DataElement, where: object, depth: int = 0) -> None:
    """`check_header` of one element that was converted.

    Raises:
        RefusedInput: see there.
    """
    tag = element.tag
    if dictionary_has_tag(tag) and (element.VR == "SQ") != (dictionary_VR(tag) == "SQ"):
        raise RefusedInput(f"tag {tag} is of another kind than the standard's", where, _REMEDY)
    if element.VR == "SQ":
        for item in element.value:
            check_header(item, where, depth + 1)
    elif element.keyword in _COUNTS:
        _check_numbers(element, where)


def has_right_count(keyword: str, count: int) -> bool:
    """True where an element of this keyword may hold so many numbers."""
    return _COUNTS.get(keyword) in (None, count)


def _check_numbers(element: DataElement, where: object) -> None:
    if element.is_empty:
        return
    values = element.value if element.VM > 1 else [element.value]
    count = _COUNTS[element.keyword]
    if not all(isinstance(v, Real) for v in values) or (count is not None and len(values) != count):
        wanted = "numbers" if count is None else f"{count} number{'' if count == 1 else 's'}"
        raise RefusedInput(f"{element.keyword} is not {wanted}", where, _REMEDY)
    if not all(math.isfinite(v) for v in values):
        raise RefusedInput(f"{element.keyword} is not finite", where, _REMEDY)
