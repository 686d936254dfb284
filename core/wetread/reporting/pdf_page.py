"""A read on paper: an A4 PDF with the picture, the findings, the words and what produced them.

Every page says that nobody has verified it. Fonts are embedded (Bitstream Vera); a character that they do not have
becomes its plain letters where Unicode knows some, else a box. The same read gives the same bytes.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from wetread.imaging.waveform import Waveform
from wetread.reporting.identity import clean_text
from wetread.reporting.measurement import mask_size
from wetread.reporting.overlay import overlay_picture
from wetread.reporting.structured_report import REASONING_LIMIT, SENTENCE_LIMIT

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable
    from reportlab.platypus.doctemplate import SimpleDocTemplate

    from wetread.findings import Finding, Read
    from wetread.imaging.sample import Sample

UNVERIFIED = "Preliminary read by a model. Not verified by a person. Not for diagnosis."
TITLE = "AI findings (unreviewed)"
_MARGIN, _WIDTH, _HEIGHT = 48.0, 595.28, 841.89
_INDENT = _MARGIN + 6  # the frame of the pages pads what is in it
_PICTURE_HEIGHT = 300.0
_BOX = "\u25a1"


def pdf_page(read: Read, sample: Sample | Waveform) -> bytes:
    """The read as a PDF file."""
    from reportlab.platypus import SimpleDocTemplate

    buffer = BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=(_WIDTH, _HEIGHT), leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=64, bottomMargin=56,
        title=TITLE, author="Wetread", invariant=1,
    )  # fmt: skip

    def frame(canvas: Canvas, _: SimpleDocTemplate) -> None:
        _frame(canvas, read)

    _fonts()
    document.build(_story(read, sample), onFirstPage=frame, onLaterPages=frame)
    return buffer.getvalue()


def _story(read: Read, sample: Sample | Waveform) -> list[Flowable]:
    from reportlab.platypus import Spacer

    story = [_patient(sample), Spacer(0, 8), _picture(read, sample), Spacer(0, 8)]
    if read.findings:
        story += [_heading("Findings"), _table(read, sample), Spacer(0, 6)]
    if read.abstention:
        said = f"No interpretation given: {read.abstention}"
    else:
        said = "; ".join(read.diagnoses) or "The model named no diagnosis."
    story += [_heading("Impression"), _text(clean_text(said, SENTENCE_LIMIT))]
    story += [_text(f"{f.label}: {f.description}") for f in read.findings if f.description]
    remarks = (*sample.remarks, *read.remarks)
    if remarks:
        story += [_heading("Remarks"), *(_text(clean_text(remark, SENTENCE_LIMIT)) for remark in remarks)]
    if read.question:
        story += [_heading("Question"), _text(clean_text(read.question, SENTENCE_LIMIT))]
    if read.reasoning:
        story += [_heading("Model reasoning (AI generated, not verified)"),
                  *map(_text, clean_text(read.reasoning, REASONING_LIMIT).splitlines())]  # fmt: skip
    provenance = read.provenance
    story += [
        _heading("What produced this"),
        _text(f"{provenance.model} {provenance.model_version}, Wetread {provenance.wetread_version}, "
              f"{provenance.created.isoformat(timespec='seconds')}"),
        _text(f"Weights SHA-256 {provenance.weights_sha256}"),
        _text(f"Read {read.uid}"),
    ]  # fmt: skip
    return story


def _patient(sample: Sample | Waveform) -> Flowable:
    header = sample.headers[0]
    name = str(header.get("PatientName") or "").split("=")[0]  # the alphabetic group (PS3.5 6.2.1)
    family, _, given = name.partition("^")
    rows = [
        ("Patient", ", ".join(part for part in (family, given.replace("^", " ").strip()) if part)),
        ("Patient ID", str(header.get("PatientID") or "")),
        ("Birth date, sex", f"{_date(header.get('PatientBirthDate'))} {header.get('PatientSex') or ''}".strip()),
        ("Study", f"{_date(header.get('StudyDate'))} {header.get('StudyDescription') or ''}".strip()),
        ("Accession number", str(header.get("AccessionNumber") or "")),
        ("Series", f"{header.get('Modality') or ''} {header.get('SeriesDescription') or ''}".strip()),
    ]
    return _grid([[_text(label, dim=True), _text(value or "not known")] for label, value in rows], (110.0, 377.0))


def _picture(read: Read, sample: Sample | Waveform) -> Flowable:
    from PIL import Image as Picture
    from reportlab.platypus import Image

    pixels = overlay_picture(read, sample)
    buffer = BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG")
    buffer.seek(0)
    height, width = pixels.shape[:2]
    scale = min((_WIDTH - 2 * _INDENT) / width, _PICTURE_HEIGHT / height)
    return Image(buffer, width * scale, height * scale)


def _table(read: Read, sample: Sample | Waveform) -> Flowable:
    rows = [[_text(word, dim=True) for word in ("Finding", "Site", "Presence", "Size", "Tied to the image")]]
    for finding in read.findings:
        cells = (
            finding.label, finding.target.site.meaning, f"{finding.presence:.2f}", _size(finding, sample),
            "yes" if finding.grounded else "no",
        )  # fmt: skip
        rows.append([_text(cell) for cell in cells])
    return _grid(rows, (120.0, 134.0, 60.0, 85.0, 88.0))


def _size(finding: Finding, sample: Sample | Waveform) -> str:
    if finding.interval is not None:
        return f"{finding.interval.start:g} to {finding.interval.end:g} s"
    if finding.mask is None or finding.mask.is_empty or isinstance(sample, Waveform):
        return ""
    size = mask_size(finding.mask, sample)
    value, unit = (size.value / 1000.0, "mL") if size.is_volume else (size.value, size.unit.strip("{}"))
    written = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return f"{written} {unit.replace('mm2', 'mm²')}"


def _grid(rows: list[list[Flowable]], widths: tuple[float, ...]) -> Flowable:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

    line = ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor("#c8ced6"))
    style = [line, ("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 1.5),
             ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5), ("LEFTPADDING", (0, 0), (-1, -1), 2)]  # fmt: skip
    return Table(rows, colWidths=widths, style=style, hAlign="LEFT")


def _heading(words: str) -> Flowable:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "heading", fontName="VeraBd", fontSize=10, leading=13, spaceBefore=7, spaceAfter=2, keepWithNext=1
    )
    return Paragraph(escape(words), style)


def _text(words: str, *, dim: bool = False) -> Flowable:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "text", fontName="Vera", fontSize=8.5, leading=11.5, textColor="#5c6672" if dim else "#14181d"
    )
    style.splitLongWords = 1
    return Paragraph(escape(showable(words)), style)


def _frame(canvas: Canvas, read: Read) -> None:
    """Head and foot of every page."""
    canvas.saveState()
    canvas.setFont("VeraBd", 13)
    canvas.drawString(_INDENT, _HEIGHT - 38, TITLE)
    canvas.setFillColor("#8a3b00")
    canvas.setFont("VeraBd", 8.5)
    canvas.drawString(_INDENT, _HEIGHT - 52, UNVERIFIED)
    canvas.setFillColor("#5c6672")
    canvas.setFont("Vera", 7.5)
    canvas.drawString(_INDENT, 34, f"{UNVERIFIED} {read.provenance.created.date().isoformat()}")
    canvas.drawRightString(_WIDTH - _INDENT, 34, f"page {canvas.getPageNumber()}")
    canvas.restoreState()


def showable(words: str) -> str:
    """Text in characters that the embedded font has."""
    known = _fonts()

    def shown(character: str) -> str:
        if ord(character) in known or character == "\n":
            return character
        plain = [c for c in unicodedata.normalize("NFKD", character) if ord(c) in known]
        return "".join(plain) or (_BOX if ord(_BOX) in known else "?")

    return "".join(map(shown, words))


@cache
def _fonts() -> frozenset[int]:
    """Register the fonts; the characters that the plain one has."""
    import reportlab
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(reportlab.__file__).parent / "fonts"
    plain = TTFont("Vera", str(folder / "Vera.ttf"))
    for font in (plain, TTFont("VeraBd", str(folder / "VeraBd.ttf"))):
        pdfmetrics.registerFont(font)
    return frozenset(plain.face.charToGlyph)


def _date(value: object) -> str:
    text = str(value or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text
