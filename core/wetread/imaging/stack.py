"""Which slices of a series belong together, and in which order.

`arrange` classifies the planes of a series: copies, localizers, other stacks, gaps, gantry tilt, uneven or mixed
spacing. What can be handled exactly is handled and said in a remark; the rest is refused in words. Nothing is
resampled and no spacing is made up: every plane keeps its own place in the patient, so a gap or a tilt costs nothing.
Tolerances: 1e-3 on direction cosines and relative on spacing, 0.01 mm on positions.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wetread.errors import RefusedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from wetread.geometry import PlaneGeometry

COSINE_TOLERANCE = 1e-3
POSITION_TOLERANCE_MM = 1e-2
_SPACING_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One candidate plane: its geometry, (rows, columns), and whether DICOM calls it a localizer."""

    geometry: PlaneGeometry
    size: tuple[int, int]
    is_localizer: bool = False


def arrange(
    slices: Sequence[Slice], same_pixels: Callable[[int, int], bool], where: object
) -> tuple[list[int], list[str]]:
    """Indices of the slices that make the volume, sorted along their normal, and what there is to say about it.

    Args:
        slices: in any order.
        same_pixels: tells whether two slices, by index, hold equal pixels; asked only for one place twice.
        where: the series, for messages.

    Raises:
        RefusedInput: several stacks, frames of reference, sizes or pixel spacings, or one place with two contents.
    """
    remarks: list[str] = []
    kept = _main_stack(slices, remarks, where)
    _check_uniform(slices, kept, where)
    normal = slices[kept[0]].geometry.normal
    positions = {i: np.asarray(slices[i].geometry.position) for i in kept}
    # Position first, so that the order of the files cannot matter.
    kept.sort(key=lambda i: (round(float(positions[i] @ normal), 4), *positions[i]))
    kept = _without_copies(kept, positions, same_pixels, remarks, where)
    if len(kept) > 1:
        remarks += _spacing_remarks(np.array([positions[i] for i in kept]), normal, where)
    return kept, remarks


def _main_stack(slices: Sequence[Slice], remarks: list[str], where: object) -> list[int]:
    """Indices of the one orientation that makes the series; a few others are left out and counted."""
    stacks: list[list[int]] = []
    for index in range(len(slices)):
        for stack in stacks:
            if _parallel(slices[stack[0]].geometry, slices[index].geometry):
                stack.append(index)
                break
        else:
            stacks.append([index])
    stacks.sort(key=len, reverse=True)
    main, others = stacks[0], [i for stack in stacks[1:] for i in stack]
    if others and 2 * len(others) >= len(main):
        counts = ", ".join(str(len(stack)) for stack in stacks)
        raise RefusedInput(
            f"{len(stacks)} stacks of different orientation in one series ({counts} slices)",
            where, "give the files of one stack.",
        )  # fmt: skip
    if others:
        remarks.append(f"{_count(len(others), 'slice')} of another orientation (localizer) left out")
    marked = [i for i in main if slices[i].is_localizer]
    if marked and 2 * len(marked) < len(main):
        remarks.append(f"{_count(len(marked), 'slice')} marked as localizer left out")
        main = [i for i in main if not slices[i].is_localizer]
    return main


def _parallel(a: PlaneGeometry, b: PlaneGeometry) -> bool:
    difference = np.subtract((*a.row_cosines, *a.column_cosines), (*b.row_cosines, *b.column_cosines))
    return bool(np.abs(difference).max() <= COSINE_TOLERANCE)


def _check_uniform(slices: Sequence[Slice], kept: list[int], where: object) -> None:
    frames = {slices[i].geometry.frame_of_reference_uid for i in kept}
    if len(frames) > 1:
        raise RefusedInput(f"{len(frames)} frames of reference in one series", where, "give the files of one.")
    sizes = Counter(slices[i].size for i in kept)
    if len(sizes) > 1:
        listed = ", ".join(f"{n} of {r} x {c}" for (r, c), n in sizes.most_common())
        raise RefusedInput(f"slices of different size in one series ({listed})", where, "give slices of one size.")
    spacing = np.array([(slices[i].geometry.row_spacing, slices[i].geometry.column_spacing) for i in kept])
    if (np.ptp(spacing, axis=0) > COSINE_TOLERANCE * spacing.min(axis=0)).any():
        raise RefusedInput(
            f"mixed pixel spacing in one series ({spacing.min():.4g} to {spacing.max():.4g} mm)",
            where, "give slices of one pixel spacing.",
        )  # fmt: skip


def _without_copies(
    kept: list[int], positions: dict[int, NDArray[np.float64]], same_pixels: Callable[[int, int], bool],
    remarks: list[str], where: object,
) -> list[int]:  # fmt: skip
    unique: list[int] = []
    clashes = 0
    for index in kept:
        if unique and np.abs(positions[index] - positions[unique[-1]]).max() <= POSITION_TOLERANCE_MM:
            clashes += not same_pixels(unique[-1], index)
        else:
            unique.append(index)
    if clashes:
        raise RefusedInput(
            f"{_count(clashes, 'slice')} at a place that another slice holds with other pixels "
            "(phases, echoes or time points in one series)",
            where, "give the files of one of them.",
        )  # fmt: skip
    if len(unique) < len(kept):
        remarks.append(f"{_count(len(kept) - len(unique), 'duplicate slice')} (same place, same pixels) left out")
    return unique


def _spacing_remarks(positions: NDArray[np.float64], normal: NDArray[np.float64], where: object) -> list[str]:
    """What is unusual about the steps between sorted slices; positions (N, 3) in mm."""
    steps = np.diff(positions @ normal)
    if (steps <= POSITION_TOLERANCE_MM).any():
        raise RefusedInput("slices that lie beside each other in one plane", where, "give one stack of slices.")
    remarks = []
    shift = (positions[-1] - positions[0]) - normal * float((positions[-1] - positions[0]) @ normal)
    tilt = np.degrees(np.arctan2(np.linalg.norm(shift), steps.sum()))
    if tilt > 0.1:
        remarks.append(f"gantry tilt of {tilt:.1f} degrees: every slice keeps its true place")
    usual = float(np.median(steps))
    ratio = steps / usual
    if (np.abs(ratio - 1.0) <= _SPACING_TOLERANCE).all():
        return remarks
    if (np.abs(ratio - np.round(ratio)) <= _SPACING_TOLERANCE * ratio).all():
        missing = int(np.round(ratio).sum()) - len(steps)
        gaps = int((np.round(ratio) > 1).sum())
        remarks.append(
            f"{_count(missing, 'slice')} missing in {_count(gaps, 'gap')} (usual step {usual:.4g} mm): kept as a gap"
        )
    else:
        remarks.append(
            f"uneven slice spacing ({steps.min():.4g} to {steps.max():.4g} mm): every slice keeps its true place"
        )
    return remarks


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
