"""Drawn pictures with known truth: cells to learn from, and other kinds of picture to learn silence on.

Nothing here imitates a disease. Drawn tissue and smears widen the colours and shapes of the real cell sets; the drawn
radiographs, ultrasounds, skins, fundi and so on are only there so that the model sees pictures of the modalities
that it does not cover and learns to say so. Every picture comes from the given generator, so a seed repeats it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wetread.terminology import Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE = 256


def _noise(rng: np.random.Generator, cell: int) -> NDArray[np.float32]:
    """Smooth noise in [-1, 1], (SIDE, SIDE), with structures about `cell` pixels wide."""
    from scipy import ndimage

    grid = rng.standard_normal((SIDE // cell + 3, SIDE // cell + 3)).astype(np.float32)
    zoomed = ndimage.zoom(grid, cell, order=1)[:SIDE, :SIDE]
    return zoomed / max(float(np.abs(zoomed).max()), 1e-6)


def _stain(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours of the ground and of the nuclei: stained (blue to purple on pale), fluorescent, or unstained grey."""
    kind = rng.random()
    if kind < 0.7:
        ground = np.array([rng.uniform(195, 245), rng.uniform(170, 235), rng.uniform(175, 240)])
        stain = np.array([rng.uniform(60, 165), rng.uniform(55, 150), rng.uniform(120, 205)])
    elif kind < 0.85:
        ground, stain = np.full(3, rng.uniform(3, 30)), np.full(3, rng.uniform(60, 220))
    else:
        level = rng.uniform(90, 200)
        ground, stain = np.full(3, level), np.full(3, level - rng.uniform(35, 80))
    return ground.astype(np.float32), stain.astype(np.float32)


def _ellipse(
    rng: np.random.Generator, centre: tuple[float, float], radius: float, roundness: float
) -> NDArray[np.bool_]:
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 6)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    reach = int(radius * 1.1) + 2
    top, left = max(int(centre[0]) - reach, 0), max(int(centre[1]) - reach, 0)
    rows, columns = np.mgrid[top : int(centre[0]) + reach, left : int(centre[1]) + reach].astype(np.float32)
    y, x = rows - centre[0], columns - centre[1]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wobble = 1 + 0.08 * np.sin(3 * np.arctan2(v, u) + phase)
    inside = (u / radius) ** 2 + (v / (radius * roundness)) ** 2 < wobble
    window = mask[top : top + inside.shape[0], left : left + inside.shape[1]]
    window |= inside[: window.shape[0], : window.shape[1]]
    return mask


def _shaded(base: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(base, 0, 255).astype(np.uint8)


def drawn_nuclei(rng: np.random.Generator) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """Stained, unstained or fluorescent nuclei: picture (256, 256, 3) and {"nuclei": mask}."""
    ground, stain = _stain(rng)
    picture = ground + 22 * _noise(rng, 16)[..., None] + 10 * _noise(rng, 4)[..., None]
    if ground.mean() > 60 and rng.random() < 0.5:
        brown = (_noise(rng, int(rng.integers(20, 50))) > rng.uniform(-0.2, 0.4))[..., None]
        tint = np.array([150, 95, 60]) * rng.uniform(0.6, 1.4)
        picture = np.where(brown, picture * 0.5 + tint * 0.5, picture)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    size, grain = rng.uniform(5, 16), _noise(rng, 4)
    for _ in range(int(rng.integers(4, 60))):
        centre = (float(rng.uniform(0, SIDE)), float(rng.uniform(0, SIDE)))
        cell = _ellipse(rng, centre, size * rng.uniform(0.7, 1.3), rng.uniform(0.55, 1.0))
        picture[cell] = stain * rng.uniform(0.8, 1.25) + 12 * grain[cell][:, None]
        mask |= cell
    picture += rng.normal(0, 4, picture.shape)
    return _shaded(picture.astype(np.float32)), {"nuclei": mask}


def drawn_smear(rng: np.random.Generator) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.bool_]]]:
    """A blood smear: red cells with pale centres, white cells with dark nuclei, platelets."""
    picture = np.array([225, 218, 205], dtype=np.float32) + 8 * _noise(rng, 32)[..., None]
    masks = {name: np.zeros((SIDE, SIDE), dtype=bool) for name in ("red blood cells", "white blood cells", "platelets")}
    red = np.array([205, 150, 145], dtype=np.float32) * rng.uniform(0.85, 1.1)
    size = rng.uniform(18, 26)
    for _ in range(int(rng.integers(4, 26))):
        centre = (float(rng.uniform(0, SIDE)), float(rng.uniform(0, SIDE)))
        cell = _ellipse(rng, centre, size * rng.uniform(0.9, 1.1), rng.uniform(0.85, 1.0))
        picture[cell] = red
        pale = _ellipse(rng, centre, size * 0.4, 1.0)
        picture[pale] = red * 0.5 + 0.5 * np.array([225, 218, 205])
        masks["red blood cells"] |= cell
    for name, many, radius, colour in (
        ("white blood cells", int(rng.integers(0, 3)), 1.7, (190, 180, 205)),
        ("platelets", int(rng.integers(0, 4)), 0.3, (150, 110, 160)),
    ):
        for _ in range(many):
            centre = (float(rng.uniform(20, SIDE - 20)), float(rng.uniform(20, SIDE - 20)))
            cell = _ellipse(rng, centre, size * radius, rng.uniform(0.8, 1.0))
            picture[cell] = colour
            if name == "white blood cells":
                picture[_ellipse(rng, centre, size * 1.1, rng.uniform(0.6, 0.9))] = (105, 70, 145)
            for other in masks.values():
                other &= ~cell
            masks[name] |= cell
    picture += rng.normal(0, 4, picture.shape)
    return _shaded(picture), {name: mask for name, mask in masks.items() if mask.any()}


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.repeat(_shaded(values)[..., None], 3, axis=2)


def _radiograph(rng: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE - 0.5
    fields = np.exp(-((np.abs(columns) - 0.22) ** 2) / 0.02 - rows**2 / 0.08)
    ribs = np.sin(40 * rows + 20 * np.abs(columns) + rng.uniform(0, 6)) * 12
    return _grey(150 - 110 * fields + ribs + 15 * _noise(rng, 24))


def _ultrasound(rng: np.random.Generator) -> NDArray[np.uint8]:
    speckle = rng.rayleigh(1.0, (SIDE, SIDE)).astype(np.float32)
    values = 55 * speckle * (1 + 0.7 * _noise(rng, 32))
    values[_ellipse(rng, (rng.uniform(80, 180), rng.uniform(80, 180)), rng.uniform(15, 50), 0.7)] *= 0.25
    if rng.random() < 0.5:
        rows, columns = np.mgrid[0:SIDE, 0:SIDE]
        values[np.abs(columns - SIDE / 2) > 0.25 * SIDE + rows * 0.6] = 0
    return _grey(values)


def _skin(rng: np.random.Generator) -> NDArray[np.uint8]:
    picture = np.array([215, 165, 145], dtype=np.float32) + 14 * _noise(rng, 16)[..., None]
    spot = _ellipse(rng, (rng.uniform(90, 170), rng.uniform(90, 170)), rng.uniform(30, 80), rng.uniform(0.6, 1))
    picture[spot] = np.array([120, 75, 55]) + 25 * _noise(rng, 8)[spot][:, None]
    return _shaded(picture)


def _endoscopy(rng: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - SIDE / 2
    light = np.exp(-(rows**2 + columns**2) / (2 * (SIDE * 0.4) ** 2))
    picture = np.array([200, 95, 75], dtype=np.float32) * (light * (1 + 0.3 * _noise(rng, 40)))[..., None]
    picture[_noise(rng, 10) > 0.8] = 240
    return _shaded(picture)


def _fundus(rng: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - SIDE / 2
    picture = np.array([190, 95, 40], dtype=np.float32) * (1 + 0.15 * _noise(rng, 48))[..., None]
    picture[np.abs(np.sin(rows / 23 + 2 * _noise(rng, 64))) < 0.06] *= 0.6
    picture[(rows - 10) ** 2 + (columns - rng.choice([-60, 60])) ** 2 < 20**2] = (245, 215, 140)
    picture[rows**2 + columns**2 > (0.46 * SIDE) ** 2] = 0
    return _shaded(picture)


def _emission(rng: np.random.Generator) -> NDArray[np.uint8]:
    values = np.full((SIDE, SIDE), 235, dtype=np.float32)
    values -= 60 * (_noise(rng, 32) > 0)
    values[_ellipse(rng, (rng.uniform(60, 190), rng.uniform(60, 190)), rng.uniform(8, 25), 0.8)] = 20
    return _grey(values + 6 * _noise(rng, 8))


def _layers(rng: np.random.Generator) -> NDArray[np.uint8]:
    rows = np.mgrid[0:SIDE, 0:SIDE][0].astype(np.float32) + 20 * _noise(rng, 64)
    values = 90 + 70 * np.sin(rows / 9) * np.exp(-((rows - 128) ** 2) / 3000)
    return _grey(values * rng.rayleigh(0.8, (SIDE, SIDE)).astype(np.float32))


def _photograph(rng: np.random.Generator) -> NDArray[np.uint8]:
    base = rng.uniform(60, 200, 3).astype(np.float32)
    return _shaded(base + 70 * np.stack([_noise(rng, c) for c in (64, 32, 48)], axis=2))


_UNCOVERED: dict[Modality, Callable[[np.random.Generator], NDArray[np.uint8]]] = {
    Modality.XRAY: _radiograph,
    Modality.MAMMOGRAPHY: _radiograph,
    Modality.ULTRASOUND: _ultrasound,
    Modality.DERMOSCOPY: _skin,
    Modality.ENDOSCOPY: _endoscopy,
    Modality.FUNDUS: _fundus,
    Modality.PET: _emission,
    Modality.OCT: _layers,
    Modality.PHOTOGRAPH: _photograph,
}


def drawn_uncovered(rng: np.random.Generator) -> tuple[NDArray[np.uint8], Modality]:
    """A picture (256, 256, 3) of a modality the small model does not cover, and which."""
    modality = list(_UNCOVERED)[int(rng.integers(len(_UNCOVERED)))]
    return _UNCOVERED[modality](rng), modality
