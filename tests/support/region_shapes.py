"""Shapes that tests of region descriptions draw: discs, ellipses, stars, lobes, rings, balls."""

from __future__ import annotations

import numpy as np
from skimage.draw import polygon

Array = np.ndarray


def ellipse(
    row: float, column: float, height: float, width: float, shape: tuple[int, int] = (128, 128), turn: float = 0.0
) -> Array:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    u = (columns + 0.5 - column) * np.cos(turn) + (rows + 0.5 - row) * np.sin(turn)
    v = (rows + 0.5 - row) * np.cos(turn) - (columns + 0.5 - column) * np.sin(turn)
    return (v / height) ** 2 + (u / width) ** 2 <= 1


def disc(row: float, column: float, radius: float, shape: tuple[int, int] = (128, 128)) -> Array:
    return ellipse(row, column, radius, radius, shape)


def ring(row: float, column: float, radius: float, hole: float, shape: tuple[int, int] = (128, 128)) -> Array:
    return disc(row, column, radius, shape) & ~disc(row, column, hole, shape)


def star(points: int, radius: float, inner: float, side: int = 128, turn: float = 0.0) -> Array:
    angles = np.arange(2 * points) * np.pi / points + turn
    reach = np.where(np.arange(2 * points) % 2 == 0, radius, radius * inner)
    mask = np.zeros((side, side), dtype=bool)
    rows, columns = polygon(side / 2 + reach * np.sin(angles), side / 2 + reach * np.cos(angles), mask.shape)
    mask[rows, columns] = True
    return mask


def lobes(count: int, distance: float, radius: float, side: int = 128) -> Array:
    mask = disc(side / 2, side / 2, distance, (side, side))
    for i in range(count):
        angle = 2 * np.pi * i / count
        mask |= disc(side / 2 + distance * np.sin(angle), side / 2 + distance * np.cos(angle), radius, (side, side))
    return mask


def ellipsoid(centre: tuple[float, ...], axes: tuple[float, ...], shape: tuple[int, int, int]) -> Array:
    grid = np.mgrid[: shape[0], : shape[1], : shape[2]] + 0.5
    return sum(((g - c) / a) ** 2 for g, c, a in zip(grid, centre, axes, strict=True)) <= 1


def contrasted(mask: Array, inside: float, outside: float, noise: float = 2.0) -> Array:
    """A grey float picture with the mask at one level and the rest at another."""
    grain = np.random.default_rng(7).normal(0, noise, mask.shape)
    return (np.where(mask, inside, outside) + grain).astype(np.float32)
