"""From ``--box``, ``--point`` and ``--not-point`` to what is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.pointing import Point, Pointing

if TYPE_CHECKING:
    import argparse


def pointing_of(options: argparse.Namespace) -> Pointing | None:
    """What the arguments point at; None where they do not.

    Raises:
        RefusedInput: a place that is not written as told.
    """
    if not (options.box or options.point or options.not_point):
        return None
    boxes = []
    for text in options.box:
        plane, (x_min, y_min, x_max, y_max) = _numbers(text, 4, "--box", "X0,Y0,X1,Y1 or X0,Y0,X1,Y1@PLANE")
        if not (x_min < x_max and y_min < y_max):
            raise RefusedInput(f"a box that is none ({text[:60]})", "--box", "give X0 < X1 and Y0 < Y1")
        boxes.append((plane, Box(x_min, y_min, x_max, y_max, BoxFrame.IMAGE)))
    points = []
    for given, name, wanted in ((options.point, "--point", True), (options.not_point, "--not-point", False)):
        for text in given:
            plane, (x, y) = _numbers(text, 2, name, "X,Y or X,Y@PLANE")
            points.append(Point(plane, x, y, wanted))
    return Pointing(tuple(boxes), tuple(points))


def _numbers(text: str, count: int, where: str, form: str) -> tuple[int, list[float]]:
    places, _, plane = text.partition("@")
    try:
        numbers = [float(part) for part in places.split(",")]
        if len(numbers) != count or not all(abs(number) < 1e9 for number in numbers):
            raise ValueError
        return int(plane or 0), numbers
    except ValueError:
        raise RefusedInput(f"not a place ({text[:60]!r})", where, f"write {form}") from None
