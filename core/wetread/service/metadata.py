"""Instances as DICOM JSON (PS3.18 Annex F): small values inline, pixels and other large values by address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydicom import DataElement, Dataset, dcmread
from pydicom.errors import BytesLengthException
from pydicom.tag import Tag

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from pathlib import Path

_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_INLINE_BYTES = 1024
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def instance_metadata(path: Path, address: str) -> dict[str, Any]:
    """All attributes of a stored file.

    Args:
        path: the file; its pixel data is not read.
        address: URL of the instance, under which ``/bulkdata/...`` answers.
    """
    dataset = dcmread(path, defer_size=_INLINE_BYTES * 64)
    pixels = {}
    for keyword in _PIXELS:
        if keyword in dataset:
            tag = Tag(keyword)
            vr = str(dataset.get_item(tag).VR or "OW")
            pixels[f"{tag:08X}"] = {"vr": vr, "BulkDataURI": f"{address}/bulkdata/{tag:08X}"}
            del dataset[tag]
    return _attributes(dataset, f"{address}/bulkdata/") | pixels


def bulk_element(dataset: Dataset, steps: str) -> DataElement:
    """The element at a bulk data address: tags and item numbers in turn, e.g. ``54000100/0/54001010``.

    Raises:
        RefusedInput: no such element.
    """
    element: DataElement | None = None
    here = dataset
    try:
        for step in steps.split("/"):
            if element is not None and element.VR == "SQ" and re.fullmatch(r"[0-9]{1,5}", step):
                here, element = element.value[int(step)], None
            elif element is None and re.fullmatch(r"[0-9A-Fa-f]{8}", step):
                element = here[int(step, 16)]
            else:
                raise KeyError(step)
    except (KeyError, IndexError):
        element = None
    if element is None or element.VR not in _BULK:
        raise RefusedInput("no such bulk data", dataset.SOPInstanceUID, "follow the addresses in the metadata")
    return element


def _attributes(dataset: Dataset, address: str) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for element in dataset:
        if element.tag.element == 0:
            continue
        tag = f"{element.tag:08X}"
        if element.VR == "SQ":
            items = [_attributes(item, f"{address}{tag}/{i}/") for i, item in enumerate(element.value)]
            answer[tag] = {"vr": "SQ"} | ({"Value": items} if items else {})
        elif element.VR in _BULK and element.value and len(element.value) > _INLINE_BYTES:
            answer[tag] = {"vr": element.VR, "BulkDataURI": f"{address}{tag}"}
        else:
            answer[tag] = _inline(element)
    if "00080005" in answer:
        answer["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8
    return answer


def _inline(element: DataElement) -> dict[str, Any]:
    try:
        return element.to_json_dict(None, 1 << 30)
    except (ValueError, TypeError, AttributeError, BytesLengthException):
        return {"vr": str(element.VR)}  # a value that is not what its VR says cannot be written in JSON
