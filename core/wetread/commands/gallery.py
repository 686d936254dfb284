"""The gallery: one page with one described example for each modality, from folders with a `manifest.jsonl`.

For every modality the first item, in the order of sets and items, whose masks cover between 2 % and 45 % of the image;
where none does, the first that has a mask. The page holds its pictures itself, follows the reader's light or dark
setting, and shows for each example the picture, the overlay, the text, and the facts that the text was read back to.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.commands.describe import describe_sample, write_whole
from wetread.commands.mask_files import MaskFile
from wetread.errors import RefusedInput
from wetread.regions import Description, describe
from wetread.regions.facts import region_facts, told
from wetread.regions.grid import Grid
from wetread.regions.text import parse, phrases_of, render_region, render_scene
from wetread.terminology import Modality
from wetread.training.manifests import Entry, EntryKind, read_labels, read_manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.regions.attributes import Region
    from wetread.regions.language import Words
    from wetread.training.volumes import Volume

PAGE = "index.html"
LEAST_SHARE, MOST_SHARE = 0.02, 0.45
_SHOWN_SIDE = 420
_TRIED = 12
_HU_BELOW = -500


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One example of the gallery."""

    entry: Entry
    description: Description


def build_gallery(data: Path, folder: Path, language: str = "en", seed: int = 0) -> tuple[Path, tuple[str, ...]]:
    """Write `index.html` into a folder.

    Args:
        data: a folder with a manifest.jsonl, or a folder of such folders.
        folder: where to write; it is there.
        language: of the texts.
        seed: chooses the phrasings.

    Returns:
        The page, and in words what was left out.

    Raises:
        RefusedInput: no data set with masks.
    """
    problems: list[str] = []
    chosen: dict[Modality, Shown] = {}
    tried: dict[Modality, int] = {}
    for entry in entries_of(data, problems):
        known = chosen.get(entry.modality)
        if (known is not None and _is_clear(known)) or tried.get(entry.modality, 0) >= _TRIED:
            continue
        tried[entry.modality] = tried.get(entry.modality, 0) + 1
        try:
            shown = Shown(entry, describe_entry(entry, language, seed))
        except (RefusedInput, ValueError) as error:
            problems.append(f"{entry.id}: {error}")
            continue
        if shown.description.regions and (known is None or _is_clear(shown)):
            chosen[entry.modality] = shown
    if not chosen:
        raise RefusedInput("no item with a mask", data, "give folders with masks in their manifest.jsonl.")
    page = folder / PAGE
    order = sorted(chosen, key=list(Modality).index)
    write_whole(page, _page([chosen[modality] for modality in order], language).encode())
    return page, tuple(problems)


def entries_of(data: Path, problems: list[str]) -> Iterator[Entry]:
    """Every item that has a mask or a segmentation, set by set."""
    folders = [data] if (data / "manifest.jsonl").is_file() else sorted(p.parent for p in data.glob("*/manifest.jsonl"))
    if not folders:
        raise RefusedInput("no manifest.jsonl", data, "give a data set, or a folder of data sets.")
    for folder in folders:
        try:
            manifest = read_manifest(folder, volumes_first=True)
        except RefusedInput as error:
            problems.append(str(error))
            continue
        yield from (e for e in manifest.entries if e.modality is not Modality.ECG and _has_masks(e))


def describe_entry(entry: Entry, language: str = "en", seed: int = 0) -> Description:
    """All masks of one item of a data set, described.

    Raises:
        RefusedInput: unreadable, or masks of another size.
        ValueError: an item that cannot be read as what it says it is.
    """
    if entry.kind is EntryKind.VOLUME:
        return _describe_volume(entry.load_volume(), entry.modality, language, seed)
    sample = entry.load_sample()
    if entry.label_map is not None and not entry.label_names:
        labels = read_labels(entry.folder / entry.label_map)
        name = entry.masks[0].label if entry.masks else "region"
        return describe_sample(MaskFile(labels), sample, name, language=language, seed=seed)
    masks = entry.load().masks
    return describe_sample(MaskFile(_stacked(masks)), sample, list(masks), language=language, seed=seed)


def _has_masks(entry: Entry) -> bool:
    return bool(entry.masks) or entry.seg is not None or entry.label_map is not None


def _is_clear(shown: Shown) -> bool:
    return LEAST_SHARE <= shown.description.scene.share <= MOST_SHARE


def _stacked(masks: Any) -> NDArray[np.bool_]:
    return np.stack([np.asarray(mask, dtype=bool)[None] for mask in masks.values()])


def _describe_volume(volume: Volume, modality: Modality, language: str, seed: int) -> Description:
    matrix = np.array(volume.direction).reshape(3, 3)
    vectors = tuple(tuple(float(v) for v in matrix[:, axis]) for axis in (2, 1, 0))
    grid = Grid(tuple(volume.values.shape), volume.spacing[::-1], vectors)  # type: ignore[arg-type]
    hounsfield = modality is Modality.CT and float(volume.values.min()) < _HU_BELOW
    return describe(
        list(volume.masks.values()), volume.values, grid, modality, list(volume.masks), language, seed=seed,
        units="[hnsf'U]" if hounsfield else "1", window=volume.scale,
    )  # fmt: skip


_STYLE = """
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #fff; --ink: #1d2329; --dim: #5d6873; --line: #dfe3e6; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171a; --card: #1d2226; --ink: #e6e9ec; --dim: #9aa5af; --line: #333b42; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 0; }
p { margin: .5rem 0; max-width: 60rem; } .dim { color: var(--dim); font-size: .9rem; }
nav { margin: 1rem 0 1.5rem; } nav a { margin-right: 1rem; color: inherit; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.2rem 1.4rem;
  margin: 0 0 1.5rem; }
ul { list-style: none; padding: 0; margin: .6rem 0 1rem; max-width: 62rem; } li { margin: .45rem 0; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; margin: .9rem 0; }
figure { margin: 0; } figure img { display: block; max-width: 100%; border-radius: 4px; background: #000; }
figcaption { color: var(--dim); font-size: .85rem; margin-top: .25rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-top: 1px solid var(--line); }
th { font-weight: 600; white-space: nowrap; } thead th { border-top: 0; color: var(--dim); }
.swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; border: 1px solid #8889;
  vertical-align: -1px; margin-right: .45rem; }
"""


def _page(shown: list[Shown], language: str) -> str:
    links = " ".join(
        f'<a href="#{html.escape(s.entry.modality.name)}">{html.escape(s.entry.modality.value)}</a>' for s in shown
    )
    articles = "\n".join(_article(s) for s in shown)
    return f"""<!doctype html>
<html lang="{html.escape(language)}"><head><meta charset="utf-8"><title>Region descriptions</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>
<h1>Region descriptions</h1>
<p class="dim">One example for each modality. Every word was measured on the mask; left and right are those of the
picture unless the patient is named. Each text was read back and stated exactly the facts of its table.</p>
<nav>{links}</nav>
{articles}
</body></html>
"""


def _article(shown: Shown) -> str:
    description, entry = shown.description, shown.entry
    stated = parse(description.text, description.language).regions
    facts = tuple(region_facts(description, region) for region in told(description))
    if stated != facts:
        raise RefusedInput("a text that does not say its facts", entry.id, "report this as a defect.")
    volume = len(description.grid.shape) == 3
    plane = f", slice {description.key_plane + 1} of {description.grid.shape[0]}" if volume else ""
    pictures = "".join(
        f'<figure><img src="{_embedded(picture)}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
        for picture, caption in ((description.picture, f"Image{plane}"), (description.overlay, "Regions"))
    )
    source = html.escape(f"{entry.folder.name} / {entry.id}")
    return f"""<article id="{html.escape(entry.modality.name)}"><h2>{html.escape(entry.modality.value)}</h2>
<p class="dim">{source}</p><div class="pictures">{pictures}</div>
{_words(description)}<div class="scroll">{_table(description)}</div></article>"""


def _words(description: Description) -> str:
    """The text: the image in a paragraph, each described region as an item with its colour."""
    scene = render_scene(description)
    items = "".join(
        f"<li>{_swatch(region)}{html.escape(render_region(description, region))}</li>" for region in told(description)
    )
    return (f"<p>{html.escape(scene)}</p>" if scene else "") + f"<ul>{items}</ul>"


def _swatch(region: Region) -> str:
    red, green, blue = region.colour.rgb
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


_COLUMNS = (
    ("Place", ("place", "patient", "laterality", "slices")),
    ("Size", ("size", "share", "area_mm2", "volume_ml", "diameter_mm", "diameter_px")),
    ("Shape", ("shape", "border", "components")),
    ("Intensity or colour", ("contrast", "mean_hu", "ring_hu", "colour_name", "colour_parts")),
)
_UNITS = {
    "share": "{} % of image", "area_mm2": "{} mm²", "volume_ml": "{} ml", "diameter_mm": "⌀ {} mm",
    "diameter_px": "⌀ {} px", "mean_hu": "{} HU", "ring_hu": "ring {} HU", "components": "{} parts",
    "laterality": "patient's {} side",
}  # fmt: skip


def _table(description: Description) -> str:
    rows, words = [], phrases_of(description.language).words
    for region in told(description):
        facts, shape = region_facts(description, region), region.shape
        numbers = f"circularity {shape.circularity:.2f}, solidity {shape.solidity:.2f}, ecc. {shape.eccentricity:.2f}"
        cells = []
        for title, keys in _COLUMNS:
            lines = [_value(key, facts[key], words) for key in keys if key in facts]
            lines += [numbers] if title == "Shape" else []
            cells.append("<td>" + "<br>".join(html.escape(line) for line in lines) + "</td>")
        name = f"<th>{_swatch(region)}{html.escape(region.colour.name)}<br>{html.escape(region.label)}</th>"
        rows.append(f"<tr>{name}{''.join(cells)}</tr>")
    head = "".join(f"<th>{title}</th>" for title in ("Region", *(title for title, _ in _COLUMNS)))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _value(key: str, value: Any, words: Words) -> str:
    if key == "patient":
        return "towards " + ", ".join(value)
    if key == "slices":
        return f"slices {value[0]} to {value[1]} of {value[2]}"
    if key == "colour_parts":
        return ", ".join(f"{name} {percent:g} %" for name, percent, _ in value)
    if key == "contrast":
        return words.contrast[value]
    return _UNITS.get(key, "{}").format(f"{value:g}" if isinstance(value, float) else value)


def _embedded(picture: NDArray[np.uint8]) -> str:
    """A picture as a PNG inside the page, scaled to one height; small ones by whole factors, so pixels stay sharp."""
    from PIL import Image

    image = Image.fromarray(picture)
    factor = _SHOWN_SIDE / max(image.size)
    if factor >= 2:
        image = image.resize([side * int(factor) for side in image.size], Image.Resampling.NEAREST)
    elif factor < 1:
        image = image.resize([max(round(side * factor), 1) for side in image.size], Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
