"""A read drawn over its image: what a person looks at before opening a viewer.

One picture for a single plane, a montage of up to six planes with findings for stacks. Masks are a translucent fill
with a contour in the target's colour, boxes a thin frame, tags the label and presence. Pixels are drawn with the aspect
ratio that their spacing gives. The strip below says what the picture is: preliminary, by which model, or why nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from wetread.imaging.sample import SampleKind
from wetread.imaging.waveform import Waveform
from wetread.reporting.measurement import pixel_spacing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.findings import Box, Finding, Mask, Read
    from wetread.imaging.sample import Sample

NOTICE = "PRELIMINARY - not for diagnosis until verified"

_MOST_PLANES = 6
_SINGLE_SIDE = 768
_PANEL_SIDE = 448
_MARGIN = 10
_INK = (235, 238, 242)
_DIM = (158, 166, 176)
_PAPER = (18, 21, 26)
_WARNING = (255, 196, 61)
_FILL = 0.30

Colour = tuple[int, int, int]
_Drawing = ImageDraw.ImageDraw


@dataclass(frozen=True, slots=True)
class _Scale:
    """From IMAGE pixels to pixels of the panel."""

    x: float
    y: float
    size: tuple[int, int]

    def corners(self, box: Box) -> tuple[float, float, float, float]:
        width, height = self.size
        return (
            min(max(box.x_min * self.x, 0.0), width - 1.0), min(max(box.y_min * self.y, 0.0), height - 1.0),
            min(max(box.x_max * self.x, 0.0), width - 1.0), min(max(box.y_max * self.y, 0.0), height - 1.0),
        )  # fmt: skip


def overlay_picture(read: Read, sample: Sample | Waveform) -> NDArray[np.uint8]:
    """The read over its image, (height, width, 3) uint8 RGB; of an ECG, over its tracing on paper."""
    if isinstance(sample, Waveform):
        from wetread.reporting.ecg_plot import ecg_picture

        return ecg_picture(read, sample)
    planes = shown_planes(read, sample)
    side = _SINGLE_SIDE if len(planes) == 1 else _PANEL_SIDE
    panels = [_panel(read, sample, plane, side) for plane in planes]
    montage = _montage(panels)
    strip = _strip(read, max(montage.width, 480))
    picture = Image.new("RGB", (max(montage.width, strip.width), montage.height + strip.height), _PAPER)
    picture.paste(montage, ((picture.width - montage.width) // 2, 0))
    picture.paste(strip, (0, montage.height))
    return np.asarray(picture)


def shown_planes(read: Read, sample: Sample) -> list[int]:
    """The planes worth showing, in reading order: key planes first, then where most is marked, at most six."""
    wanted = dict.fromkeys(finding.plane for finding in read.findings)
    weights: dict[int, int] = {}
    for finding in read.findings:
        for plane, marked in finding.mask.planes.items() if finding.mask is not None else ():
            weights[plane] = weights.get(plane, 0) + int(np.count_nonzero(marked))
    wanted |= dict.fromkeys(sorted(weights, key=lambda plane: -weights[plane]))
    return sorted(list(wanted)[:_MOST_PLANES]) or [len(sample.planes) // 2]


def _panel(read: Read, sample: Sample, plane: int, side: int) -> Image.Image:
    scale = _scale(sample, plane, side)
    enlarging = scale.x >= 1.0
    picture = Image.fromarray(sample.planes[plane].picture()).resize(
        scale.size, Image.Resampling.BICUBIC if enlarging else Image.Resampling.LANCZOS
    )
    here = [(n, f) for n, f in enumerate(read.findings, start=1) if _is_on(f, plane)]
    for _, finding in here:
        if finding.mask is not None and plane in finding.mask.planes:
            picture = _with_mask(picture, finding.mask, plane, finding.target.colour)
    draw = ImageDraw.Draw(picture)
    taken: list[tuple[float, float, float, float]] = []
    for _, finding in here:
        _draw_boxes(draw, finding, plane, scale)
    for _, finding in here:
        _draw_tag(draw, finding, plane, scale, taken)
    if len(sample.planes) > 1:
        word = {SampleKind.VOLUME: "slice", SampleKind.TILES: "tile"}.get(sample.kind, "frame")
        _draw_note(draw, f"{word} {plane + 1} of {len(sample.planes)}", scale)
    return picture


def _is_on(finding: Finding, plane: int) -> bool:
    return finding.plane == plane or (finding.mask is not None and plane in finding.mask.planes)


def _scale(sample: Sample, plane: int, side: int) -> _Scale:
    _, rows, columns = sample.shape
    row_spacing, column_spacing = pixel_spacing(sample, plane) or (1.0, 1.0)
    height, width = rows * row_spacing, columns * column_spacing
    factor = side / max(height, width)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return _Scale(size[0] / columns, size[1] / rows, size)


def _with_mask(picture: Image.Image, mask: Mask, plane: int, colour: Colour) -> Image.Image:
    """Translucent fill, and a contour two pixels wide just inside the border of the mask, with a dark rim outside."""
    marked = Image.fromarray(mask.planes[plane].astype(np.uint8) * 255)
    shape = marked.resize(picture.size, Image.Resampling.BICUBIC).point(lambda v: 255 if v > 127 else 0)
    inner = ImageChops.subtract(shape, shape.filter(ImageFilter.MinFilter(5)))
    rim = ImageChops.subtract(shape.filter(ImageFilter.MaxFilter(3)), shape)
    filled = Image.composite(Image.blend(picture, Image.new("RGB", picture.size, colour), _FILL), picture, shape)
    filled.paste((0, 0, 0), mask=rim.point(lambda v: v * 2 // 3))
    filled.paste(colour, mask=inner)
    return filled


def _draw_boxes(draw: _Drawing, finding: Finding, plane: int, scale: _Scale) -> None:
    if finding.plane != plane:
        return
    for instance in finding.instances:
        draw.rectangle(scale.corners(instance), outline=finding.target.colour, width=1)
    # The one box around dozens of cells is most of the image and says less than the cells' own.
    if finding.box is not None and not finding.instances:
        x0, y0, x1, y1 = scale.corners(finding.box)
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=1)
        draw.rectangle((x0, y0, x1, y1), outline=finding.target.colour, width=2)


def _draw_tag(
    draw: _Drawing, finding: Finding, plane: int, scale: _Scale, taken: list[tuple[float, float, float, float]]
) -> None:
    """Label and presence on the target's colour, above the box where there is room and no other tag."""
    box = finding.box if finding.plane == plane else None
    if box is None and finding.mask is not None and plane in finding.mask.planes:
        box = finding.mask.box(plane)
    if box is None:
        return
    x0, y0, _, y1 = scale.corners(box)
    text = f"{finding.label} {finding.presence:.2f}"
    font = _font(15)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 10, bottom - top + 8
    x = min(max(x0, 0.0), scale.size[0] - width)
    for y in (y0 - height - 2, y1 + 3, y0 + 3, *np.arange(0.0, scale.size[1] - height, height + 2)):
        place = (x, float(y), x + width, float(y) + height)
        if 0 <= y <= scale.size[1] - height and not any(_overlap(place, other) for other in taken):
            break
    taken.append(place)
    draw.rounded_rectangle(place, radius=4, fill=finding.target.colour)
    draw.text((place[0] + 5 - left, place[1] + 4 - top), text, fill=_readable_on(finding.target.colour), font=font)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _readable_on(colour: Colour) -> Colour:
    luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    return (0, 0, 0) if luminance > 115 else (255, 255, 255)


def _draw_note(draw: _Drawing, text: str, scale: _Scale) -> None:
    font = _font(14)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    x, y = scale.size[0] - (right - left) - 8, scale.size[1] - (bottom - top) - 8
    draw.rectangle((x - 5, y - 4, scale.size[0], scale.size[1]), fill=(0, 0, 0))
    draw.text((x - left, y - top), text, fill=_INK, font=font)


def _montage(panels: list[Image.Image]) -> Image.Image:
    columns = len(panels) if len(panels) <= 3 else (len(panels) + 1) // 2
    width, height, gap = panels[0].width, panels[0].height, 4
    rows = -(-len(panels) // columns)
    montage = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), _PAPER)
    for index, panel in enumerate(panels):
        montage.paste(panel, ((index % columns) * (width + gap), (index // columns) * (height + gap)))
    return montage


def _strip(read: Read, width: int) -> Image.Image:
    """Legend, notice and model, on as many lines as they need."""
    canvas = Image.new("RGB", (width, 1200), _PAPER)
    draw = ImageDraw.Draw(canvas)
    y = _MARGIN
    y = _legend(draw, read, width, y)
    if read.abstention is not None:
        y = _paragraph(draw, f"No interpretation given: {read.abstention}", _INK, 16, width, y)
    elif not read.findings:
        y = _paragraph(draw, "The model marked no finding.", _INK, 16, width, y)
    if read.diagnoses:
        y = _paragraph(draw, "Impression: " + "; ".join(read.diagnoses), _INK, 16, width, y)
    y = _paragraph(draw, NOTICE, _WARNING, 15, width, y)
    y = _paragraph(draw, f"{read.provenance.model} {read.provenance.model_version}", _DIM, 14, width, y)
    return canvas.crop((0, 0, width, min(y + _MARGIN - 4, canvas.height)))


def _legend(draw: _Drawing, read: Read, width: int, y: int) -> int:
    font, x = _font(15), _MARGIN
    for finding in read.findings:
        count = f" x {len(finding.instances)}" if finding.instances else ""
        doubt = "" if finding.grounded else " (not tied to the image)"
        text = f"{finding.label}{count}, presence {finding.presence:.2f}{doubt}"
        length = int(draw.textlength(text, font=font)) + 42
        if x + length > width and x > _MARGIN:
            x, y = _MARGIN, y + 24
        draw.rounded_rectangle((x, y + 2, x + 14, y + 16), radius=3, fill=finding.target.colour)
        draw.text((x + 21, y), text, fill=_INK, font=font)
        x += length
    return y + 26 if read.findings else y


def _paragraph(draw: _Drawing, text: str, colour: Colour, size: int, width: int, y: int) -> int:
    font, line = _font(size), ""
    for word in [*text.split(), None]:
        longer = line if word is None else f"{line} {word}".strip()
        if word is None or draw.textlength(longer, font=font) > width - 2 * _MARGIN:
            draw.text((_MARGIN, y), line, fill=colour, font=font)
            y += size + 7
            line = word or ""
        else:
            line = longer
    return y


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
