"""The read of an ECG over its tracing: twelve leads on paper, as every cardiologist knows them.

25 mm/s and 10 mm/mV on a grid of 1 and 5 mm, four columns of 2.5 s in the usual order (I to III, aVR to aVF, V1 to V3,
V4 to V6), one clock for all columns, a calibration pulse of 1 mV before every row, and a rhythm strip of the whole ten
seconds. What the model marked is shaded wherever its lead is drawn at that time; leads whose marks fall outside their
column, or whose column begins when a short recording is over, get a strip of their own. There is no name on the sheet,
and the notice is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wetread.imaging.leads import STANDARD
from wetread.imaging.waveform import WINDOW_S
from wetread.reporting.overlay import NOTICE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wetread.findings import Finding, Read
    from wetread.imaging.waveform import Waveform

MM_PER_SECOND = 25.0
LAYOUT = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
COLUMN_S = 2.5
MOST_STRIPS = 4
"""Of these, not counting the leads of which a short recording shows nothing else."""
LEAST_SHOWN_S = 1.0
"""A column with less than this, hardly one beat, does not show its leads."""

_PIXELS_MM = 6
_FINER = 3
"""Traces are drawn this many times finer and reduced, which smooths them."""
_LEFT_MM, _RIGHT_MM, _TOP_MM = 14.0, 4.0, 13.0
_LEAST_ROW_MM, _MOST_ROW_MM = 25.0, 60.0
_PAPER, _MINOR, _MAJOR = (255, 252, 251), (250, 221, 221), (240, 168, 170)
_INK, _GREY, _WARNING = (22, 24, 33), (120, 118, 124), (168, 72, 0)
_FILL = 0.26

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Trace:
    """One lead over one stretch of time, in millimetres of paper from the left of the grid and from its top."""

    lead: str
    begins: float
    ends: float
    left: float
    baseline: float
    is_strip: bool


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where everything is: the traces, their gain, and the height of the grid in millimetres."""

    traces: tuple[_Trace, ...]
    baselines: tuple[float, ...]
    gain: float
    height: float
    tops: tuple[float, ...]


def ecg_picture(read: Read, waveform: Waveform) -> NDArray[np.uint8]:
    """The read over its tracing, (height, width, 3) uint8 RGB; 6 pixels a millimetre."""
    sheet = _sheet(read, waveform)
    width = round((_LEFT_MM + WINDOW_S * MM_PER_SECOND + _RIGHT_MM) * _PIXELS_MM)
    height = round((_TOP_MM + sheet.height) * _PIXELS_MM)
    picture = _grid(width, height)
    picture = _shaded(picture, read, sheet, waveform)
    picture = _traced(picture, sheet, waveform)
    _lettered(picture, read, sheet, waveform)
    strip = _words(read, waveform, width)
    whole = Image.new("RGB", (width, height + strip.height), _PAPER)
    whole.paste(picture, (0, 0))
    whole.paste(strip, (0, height))
    return np.asarray(whole)


def strips(read: Read, waveform: Waveform) -> tuple[str, ...]:
    """Leads drawn over the whole time: the rhythm lead, then those that, or whose marks, their columns do not show."""
    rhythm = next((lead for lead in ("II", "V1", "I", *waveform.leads) if waveform.lead(lead) is not None), "II")
    columns = {lead: column * COLUMN_S for row in LAYOUT for column, lead in enumerate(row)}
    unseen = [lead for lead in STANDARD if lead != rhythm and _is_over(waveform, columns[lead])
              and waveform.lead(lead) is not None]  # fmt: skip
    wanted = [rhythm, *unseen]
    for finding in read.findings:
        seen = finding.interval
        for lead in seen.leads if seen is not None and rhythm not in seen.leads else ():
            begins = waveform.start_s + columns.get(lead, 0.0)
            hidden = seen is not None and (seen.start < begins or seen.end > begins + COLUMN_S)
            if hidden and lead not in wanted and waveform.lead(lead) is not None:
                wanted.append(lead)
    return tuple(wanted[: MOST_STRIPS + len(unseen)])


def _is_over(waveform: Waveform, begins: float) -> bool:
    """True where a column that begins so many seconds into the tracing shows nothing worth seeing."""
    return waveform.seconds < begins + LEAST_SHOWN_S


def _sheet(read: Read, waveform: Waveform) -> _Sheet:
    rows: list[list[tuple[str, float, float, float]]] = []
    for names in LAYOUT:
        rows.append([(lead, c * COLUMN_S, (c + 1) * COLUMN_S, c * COLUMN_S * MM_PER_SECOND)
                     for c, lead in enumerate(names)])  # fmt: skip
    rows += [[(lead, 0.0, WINDOW_S, 0.0)] for lead in strips(read, waveform)]
    gain = 10.0 if all(_swing(waveform, row, 10.0) <= _MOST_ROW_MM for row in rows) else 5.0
    baselines, tops, y = [], [], 0.0
    for row in rows:
        up, down = _reach(waveform, row, gain)
        room = max(up + down + 4.0, _LEAST_ROW_MM)
        spare = (room - up - down) / 2.0
        baselines.append(y + min(up + spare, room - 4.0))
        tops.append(y)
        y += room
    height = np.ceil(y / 5.0) * 5.0
    traces = tuple(
        _Trace(lead, begins, ends, left, baselines[number], number >= len(LAYOUT))
        for number, row in enumerate(rows)
        for lead, begins, ends, left in row
    )
    return _Sheet(traces, tuple(baselines), gain, float(height), tuple(tops))


def _centred(waveform: Waveform, lead: str) -> NDArray[np.float64] | None:
    """A lead about its median, so that a drifting electrode does not push the tracing off the paper."""
    signal = waveform.lead(lead)
    return None if signal is None else np.asarray(signal, dtype=np.float64) - float(np.median(signal))


def _piece(waveform: Waveform, lead: str, begins: float, ends: float) -> NDArray[np.float64] | None:
    signal = _centred(waveform, lead)
    if signal is None:
        return None
    return signal[round(begins * waveform.rate_hz) : round(ends * waveform.rate_hz) + 1]


def _reach(waveform: Waveform, row: list[tuple[str, float, float, float]], gain: float) -> tuple[float, float]:
    """Millimetres above and below the baseline that a row needs; room for the pulse and the lead's name at least."""
    up, down = max(gain, 10.0) + 1.0, 6.0
    for lead, begins, ends, _ in row:
        piece = _piece(waveform, lead, begins, ends)
        if piece is not None and piece.size:
            up, down = max(up, gain * float(piece.max())), max(down, -gain * float(piece.min()))
    return min(up, _MOST_ROW_MM), min(down, _MOST_ROW_MM)


def _swing(waveform: Waveform, row: list[tuple[str, float, float, float]], gain: float) -> float:
    return sum(_reach(waveform, row, gain))


def _grid(width: int, height: int) -> Image.Image:
    """Pink paper: a fine line every millimetre, a stronger one every fifth."""
    picture = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    left, top = round(_LEFT_MM * _PIXELS_MM), round(_TOP_MM * _PIXELS_MM)
    for colour, step in ((_MINOR, 1), (_MAJOR, 5)):
        lines = range(-(left // (_PIXELS_MM * step)) * step, (width - left) // _PIXELS_MM + 1, step)
        for mm in lines:
            draw.line([(left + mm * _PIXELS_MM, top), (left + mm * _PIXELS_MM, height)], colour)
        for mm in range(0, (height - top) // _PIXELS_MM + 1, step):
            draw.line([(0, top + mm * _PIXELS_MM), (width, top + mm * _PIXELS_MM)], colour)
    return picture


def _at(left_mm: float, top_mm: float) -> tuple[float, float]:
    return (_LEFT_MM + left_mm) * _PIXELS_MM, (_TOP_MM + top_mm) * _PIXELS_MM


def _marks(read: Read, sheet: _Sheet, waveform: Waveform) -> list[tuple[int, Finding, _Trace, float, float]]:
    """(number, finding, trace, from, to): every place where a mark is seen, seconds from the window's start."""
    found = []
    for number, finding in enumerate(read.findings, start=1):
        seen = finding.interval
        for trace in sheet.traces if seen is not None else ():
            if seen is None or trace.lead not in seen.leads or waveform.lead(trace.lead) is None:
                continue
            begins = max(seen.start - waveform.start_s, trace.begins)
            ends = min(seen.end - waveform.start_s, trace.ends, waveform.seconds)
            if ends > begins:
                found.append((number, finding, trace, begins, ends))
    return found


def _band(sheet: _Sheet, trace: _Trace) -> tuple[float, float]:
    """Top and bottom of a trace's row, millimetres."""
    row = sheet.baselines.index(trace.baseline)
    bottom = sheet.tops[row + 1] if row + 1 < len(sheet.tops) else sheet.height
    return sheet.tops[row], bottom


def _shaded(picture: Image.Image, read: Read, sheet: _Sheet, waveform: Waveform) -> Image.Image:
    for _, finding, trace, begins, ends in _marks(read, sheet, waveform):
        top, bottom = _band(sheet, trace)
        left = trace.left + (begins - trace.begins) * MM_PER_SECOND
        right = trace.left + (ends - trace.begins) * MM_PER_SECOND
        x0, y0 = _at(left, top + 0.5)
        x1, y1 = _at(right, bottom - 0.5)
        box = (round(x0), round(y0), max(round(x1), round(x0) + 2), round(y1))
        part = picture.crop(box)
        colour = finding.target.colour
        picture.paste(Image.blend(part, Image.new("RGB", part.size, colour), _FILL), box[:2])
        draw = ImageDraw.Draw(picture)
        for x in (box[0], box[2] - 1):
            draw.line([(x, box[1]), (x, box[3])], colour, 2)
    return picture


def _traced(picture: Image.Image, sheet: _Sheet, waveform: Waveform) -> Image.Image:
    """All traces, calibration pulses and lead boundaries in ink, smoothed by drawing them finer."""
    scale = _PIXELS_MM * _FINER
    ink = Image.new("L", (picture.width * _FINER, picture.height * _FINER), 0)
    draw = ImageDraw.Draw(ink)

    def line(points: list[tuple[float, float]], width: float) -> None:
        placed = [((_LEFT_MM + x) * scale, (_TOP_MM + y) * scale) for x, y in points]
        draw.line(placed, 255, max(round(width * scale), 1), joint="curve")

    for baseline in sheet.baselines:
        line([(-9.0, baseline), (-7.5, baseline), (-7.5, baseline - sheet.gain), (-2.5, baseline - sheet.gain),
              (-2.5, baseline), (-1.0, baseline)], 0.28)  # fmt: skip
    for trace in sheet.traces:
        piece = _piece(waveform, trace.lead, trace.begins, trace.ends)
        if piece is not None and piece.size > 1:
            times = np.arange(piece.size) / waveform.rate_hz
            xs = trace.left + times * MM_PER_SECOND
            line(list(zip(xs.tolist(), (trace.baseline - sheet.gain * piece).tolist(), strict=True)), 0.30)
        if trace.left > 0:
            for end in (-5.0, 3.0):
                line([(trace.left, trace.baseline + end), (trace.left, trace.baseline + end + 2.0)], 0.28)
    picture.paste(_INK, mask=ink.resize(picture.size, Image.Resampling.LANCZOS))
    return picture


def _lettered(picture: Image.Image, read: Read, sheet: _Sheet, waveform: Waveform) -> None:
    """Names of the leads, the numbers of the marks, and what the sheet is."""
    draw = ImageDraw.Draw(picture)
    for trace in sheet.traces:
        top, _ = _band(sheet, trace)
        x, y = _at(trace.left + 1.2, top + 0.8)
        text = trace.lead
        here = waveform.lead(trace.lead) is not None
        _text(draw, (x, y), text, _INK if here else _GREY, 21)
        if not here:
            _text(draw, _at(trace.left + 8.0, trace.baseline - 4.0), "not recorded", _GREY, 17)
        elif not trace.is_strip and _is_over(waveform, trace.begins):
            _text(draw, _at(trace.left + 8.0, trace.baseline - 4.0), "see below", _GREY, 17)
    taken: list[tuple[float, float, float, float]] = []
    for number, finding, trace, begins, ends in _marks(read, sheet, waveform):
        top, _ = _band(sheet, trace)
        middle = trace.left + ((begins + ends) / 2 - trace.begins) * MM_PER_SECOND
        words = f"{number} {finding.label}" if trace.is_strip else str(number)
        _tag(draw, _at(middle, top + 0.6), words, finding.target.colour, picture.width, taken)
    if waveform.seconds < WINDOW_S:
        x, y = _at(waveform.seconds * MM_PER_SECOND + 2.0, sheet.baselines[-1] - 4.0)
        _text(draw, (x, y), "end of the recording", _GREY, 17)
    left = f"{MM_PER_SECOND:g} mm/s    {sheet.gain:g} mm/mV    {waveform.rate_hz:g} Hz"
    if waveform.recorded_s > WINDOW_S + 0.05:
        left += f"    {waveform.start_s:g} to {waveform.start_s + waveform.seconds:g} s of {waveform.recorded_s:.0f} s"
    _text(draw, (2 * _PIXELS_MM, 2.2 * _PIXELS_MM), f"{_title(waveform)}    {left}", _INK, 24)
    _text(draw, (2 * _PIXELS_MM, 7.6 * _PIXELS_MM), NOTICE, _WARNING, 21)


def _title(waveform: Waveform) -> str:
    count = sum(waveform.lead(lead) is not None for row in LAYOUT for lead in row)
    return f"{count}-lead ECG" if count == 12 else f"ECG, {count} of 12 leads"


def _text(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: Colour, size: int) -> None:
    draw.text(place, text, fill=colour, font=ImageFont.load_default(size), stroke_width=2, stroke_fill=_PAPER)


def _tag(
    draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: Colour, width: int,
    taken: list[tuple[float, float, float, float]],
) -> None:  # fmt: skip
    """A small label centred on its mark, kept on the paper and below any other that is there already."""
    font = ImageFont.load_default(18)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    wide, high = right - left + 12, bottom - top + 9
    x, y = min(max(place[0] - wide / 2, 2.0), width - wide - 2.0), place[1]
    while any(x < b[2] and b[0] < x + wide and y < b[3] and b[1] < y + high for b in taken):
        y += high + 2
    taken.append((x, y, x + wide, y + high))
    draw.rounded_rectangle((x, y, x + wide, y + high), radius=4, fill=colour)
    luminance = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    draw.text((x + 6 - left, y + 4 - top), text, fill=(0, 0, 0) if luminance > 115 else (255, 255, 255),
              font=font)  # fmt: skip


def _words(read: Read, waveform: Waveform, width: int) -> Image.Image:
    """Below the paper: the marks with their times, the impression or why there is none, and the model."""
    lines: list[tuple[str, Colour]] = []
    for number, finding in enumerate(read.findings, start=1):
        text = f"{number}  {finding.label}, presence {finding.presence:.2f}"
        if finding.interval is not None:
            seen = finding.interval
            text += f", {seen.start:.2f} to {seen.end:.2f} s in {', '.join(seen.leads)}"
        lines.append((text if finding.grounded else f"{text} (not tied to the waveform)", finding.target.colour))
    if read.abstention is not None:
        lines.append((f"No interpretation given: {read.abstention}", _INK))
    elif read.diagnoses:
        lines.append(("Impression: " + "; ".join(read.diagnoses), _INK))
    elif not read.findings:
        lines.append(("The model marked no finding.", _INK))
    if waveform.missing:
        lines.append((f"Missing: {', '.join(waveform.missing)}", _INK))
    lines.append((f"{read.provenance.model} {read.provenance.model_version}", _GREY))
    canvas = Image.new("RGB", (width, 2000), _PAPER)
    draw, y = ImageDraw.Draw(canvas), 8
    font = ImageFont.load_default(22)
    for text, colour in lines:
        y = _paragraph(draw, text, colour, font, width, y)
    return canvas.crop((0, 0, width, min(y + 8, canvas.height)))


def _paragraph(
    draw: ImageDraw.ImageDraw, text: str, colour: Colour, font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int, y: int,
) -> int:  # fmt: skip
    line = ""
    for word in [*text.split(" "), None]:
        longer = line if word is None else f"{line} {word}".lstrip()
        if word is None or draw.textlength(longer, font=font) > width - 24:
            draw.text((12, y), line, fill=colour, font=font)
            y += 30
            line = word or ""
        else:
            line = longer
    return y
