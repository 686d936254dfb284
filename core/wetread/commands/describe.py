"""``wetread describe``: an image and its mask in; words, overlay and attributes out. ``--gallery`` makes a page."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.commands.mask_files import MaskFile, read_masks
from wetread.commands.places import open_input
from wetread.errors import RefusedInput
from wetread.regions import Description, describe
from wetread.regions.labels import Targets

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from wetread.imaging.sample import Sample

OVERLAY, DESCRIPTION = "overlay.png", "description.json"


def run(options: argparse.Namespace) -> int:
    """Describe one image, or make the gallery."""
    if options.gallery is not None:
        from wetread.commands.gallery import build_gallery

        if options.out is None:
            raise RefusedInput("a gallery without a place", "--gallery", "say where to write it with --out DIR.")
        page, problems = build_gallery(options.gallery, output_folder(options.out), options.language, options.seed)
        for problem in problems:
            print(f"left out: {problem}")
        print(f"Written  {page}")
        return 0
    if options.image is None or options.mask is None:
        raise RefusedInput("no image and mask", "describe", "give IMAGE and MASK, or --gallery DATA --out DIR.")
    folder = output_folder(options.out) if options.out is not None else None
    from wetread.imaging import images, to_sample

    sample = images(to_sample(open_input(options.image, options.modality, None).datasets, options.modality))
    masks = read_masks(Path(options.mask), sample)
    description = describe_sample(
        masks, sample, targets_of(options.target, masks), language=options.language, seed=options.seed
    )
    if options.json:
        print(as_text(description))
    else:
        print(description.text)
    if folder is not None:
        write(description, folder)
        if not options.json:
            print(f"Written  {folder}: {OVERLAY}, {DESCRIPTION}")
    return 0


def describe_sample(
    masks: MaskFile, sample: Sample, targets: Targets, *, language: str = "en", seed: int = 0
) -> Description:
    """`regions.describe` with what a Sample knows: values, geometry, modality, units and window.

    MONOCHROME1 planes are turned over first, so that "brighter" is what a person sees.
    """
    values: NDArray[Any] = np.stack([plane.values for plane in sample.planes])
    window = sample.planes[len(values) // 2].window
    if window is not None:
        window = (window[0] - window[1] / 2, window[0] + window[1] / 2)
    if sample.planes[0].inverted:
        total = float(values.min()) + float(values.max())
        values = (total - values).astype(values.dtype)
        window = (total - window[1], total - window[0]) if window is not None else None
    return describe(
        masks.masks, values, [plane.geometry for plane in sample.planes], sample.modality, targets, language,
        seed=seed, units=sample.units, window=window,
    )  # fmt: skip


def targets_of(given: list[str], masks: MaskFile) -> Targets:
    """What the masks show, from ``--target LABEL`` (in order) and ``--target VALUE=LABEL``; else from the file."""
    if not given:
        return masks.labels or None
    pairs = [word.partition("=") for word in given]
    if all(mark and value.strip().isdigit() for value, mark, _ in pairs):
        if masks.labels:  # segments of a SEG are numbered from 1
            chosen = {int(value): label for value, _, label in pairs}
            return tuple(chosen.get(number, label) for number, label in enumerate(masks.labels, start=1))
        return {int(value): label for value, _, label in pairs}
    return tuple(given)


def as_text(description: Description) -> str:
    """The description as JSON."""
    return json.dumps(description.as_json(), indent=1, ensure_ascii=False, allow_nan=False)


def output_folder(named: Path) -> Path:
    """The folder that results go to, made where it is not there.

    Raises:
        RefusedInput: a file is in the way, or the folder cannot be written.
    """
    try:
        named.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedInput(f"no folder to write to ({error.strerror})", named, "give another folder.") from None
    return named


def write(description: Description, folder: Path) -> None:
    """`overlay.png` and `description.json`, each whole or not at all."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(description.overlay).save(buffer, format="PNG")
    write_whole(folder / OVERLAY, buffer.getvalue())
    write_whole(folder / DESCRIPTION, (as_text(description) + "\n").encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the place, then move in."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(content)
        os.chmod(file.name, 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise RefusedInput(f"cannot be written ({error.strerror})", path, "give another folder.") from None


def summary_rows(description: Description) -> list[tuple[str, str, Any]]:
    """(colour name, label, facts) of each described region, for tables."""
    from wetread.regions.facts import region_facts, told

    return [(r.colour.name, r.label, region_facts(description, r)) for r in told(description)]
