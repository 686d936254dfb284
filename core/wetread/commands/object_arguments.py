"""Arguments of the commands about finished objects, in the pattern of `cli`: the standard library alone."""

from __future__ import annotations

import argparse
from pathlib import Path

Commands = argparse._SubParsersAction


def add_deidentify(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread deidentify`."""
    parser = commands.add_parser(
        "deidentify",
        parents=[common],
        help="copy images, SEG and SR without the patient (PS3.15 basic profile)",
        description="Copy DICOM images, waveforms, SEG and SR after the Basic Application Confidentiality Profile of "
        "PS3.15, all or none. References between them stay. Pixels are not changed.",
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", type=Path, help="DICOM file, or folder of such")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="new or empty folder")
    parser.add_argument(
        "--key", metavar="FILE", type=Path,
        help="secret that makes the same patient and UIDs the same again, made where missing; default: used once",
    )  # fmt: skip
    parser.add_argument(
        "--pixels-checked", action="store_true", help="you have looked: no pixel carries identifying text"
    )
    parser.set_defaults(run=_deidentify)


def add_also(parser: argparse.ArgumentParser) -> None:
    """The argument of `wetread read` for further outputs."""
    parser.add_argument(
        "--also", metavar="FORM", type=_forms, default=(),
        help="fhir (a Bundle for R5: fhir.json), pdf (report.pdf, and pdf.dcm for the archive), or fhir,pdf",
    )  # fmt: skip


def add_withdraw(commands: Commands, common: argparse.ArgumentParser) -> None:
    """The arguments of `wetread withdraw`."""
    parser = commands.add_parser(
        "withdraw",
        parents=[common],
        help="take SEG, SR or PDF back: a rejection note (Key Object Selection) for the archive",
        description="Write a Key Object Selection that rejects objects which Wetread made (IHE IOCM), and store it "
        "where an archive is given. Nothing is deleted; an archive that follows IOCM hides what was rejected.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="SEG, SR or PDF of one study, as sent")
    parser.add_argument("--reason", choices=("quality", "safety"), required=True, help="why")
    parser.add_argument("--person", metavar="PN", required=True, help="who takes them back: Family^Given")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="where the note is written")
    parser.add_argument("--archive", metavar="URL|DIR", help="where the note is stored as well")
    parser.set_defaults(run=_withdraw)


def _forms(text: str) -> tuple[str, ...]:
    forms = tuple(text.split(","))
    if not set(forms) <= {"fhir", "pdf"}:
        raise argparse.ArgumentTypeError("give fhir, pdf, or fhir,pdf")
    return forms


def _withdraw(options: argparse.Namespace) -> int:
    from wetread.commands.withdraw import run

    return run(options)


def _deidentify(options: argparse.Namespace) -> int:
    from wetread.commands.deidentify import run

    return run(options)
