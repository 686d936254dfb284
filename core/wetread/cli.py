"""The ``wetread`` command: arguments in, exit code out; the work is in `commands`.

Exit codes: 0 done; 1 refused, with one line on the error stream that says what, where and what to do; 2 wrong usage;
130 stopped by Ctrl-C. A traceback is shown only with ``WETREAD_DEBUG=1`` or ``--debug``. This module imports the
standard library and the errors alone, so that ``wetread --help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wetread import DEFAULT_MODEL, __version__
from wetread.commands.arguments import add_targets, add_triplets
from wetread.commands.data_arguments import add_data
from wetread.commands.learning import add_model, add_train_ledger
from wetread.commands.object_arguments import add_also, add_deidentify, add_withdraw
from wetread.commands.reader_arguments import add_engine, add_loading, add_pointing
from wetread.commands.service_arguments import DEFAULT_PORT, add_ledger, add_serve, add_token, add_viewer, add_work
from wetread.errors import ReadCancelled, WetreadError

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, REFUSED, USAGE, STOPPED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    options = build_parser().parse_args(arguments)
    debug = options.debug or os.environ.get("WETREAD_DEBUG", "") not in ("", "0")
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except (ReadCancelled, KeyboardInterrupt) as error:
        return _complain(str(error) or "stopped", STOPPED)
    except WetreadError as error:
        if debug:
            raise
        return _complain(str(error), REFUSED)
    except BrokenPipeError:
        # The reader of our output went away (`wetread ... | head`): not an error, and nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except Exception as error:
        if debug:
            raise
        # The message of an unforeseen error may quote patient data, so only its kind is shown.
        kind = type(error).__name__
        return _complain(f"a defect in Wetread ({kind}): run again with --debug and report what it shows", REFUSED)


def _complain(line: str, code: int) -> int:
    print(f"wetread: {line}", file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="wetread",
        description="Preliminary reads of medical images, grounded in pixels, kept as DICOM SR and SEG. "
        "Unreviewed output of a model; not for diagnosis.",
        epilog="Exit codes: 0 done, 1 refused (one line says what, where and what to do), 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"wetread {__version__}")
    parser.set_defaults(debug=False)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error (or WETREAD_DEBUG=1)")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _add_read, _add_demo, add_serve, add_work, add_viewer, add_token, add_ledger, _add_verify, add_withdraw,
        add_deidentify, _add_describe, _add_evaluate, _add_train, add_model, add_data, _add_convert_ecg, add_targets,
        add_triplets,
    ):  # fmt: skip
        add(commands, common)
    return parser


_Commands = argparse._SubParsersAction


def _add_read(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "read",
        parents=[common],
        help="read one series: writes read.json, seg.dcm, sr.dcm and overlay.png",
        description="Read one series and write read.json, seg.dcm, sr.dcm and overlay.png, all or none. Of several "
        "inputs the first is read and the others are shown beside it, e.g. a prior or another view.",
    )
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="*", help="file, folder with one series, or STUDY_UID/SERIES_UID"
    )
    parser.add_argument(
        "--cohort", metavar="SOURCE",
        help="in place of INPUT, many: a folder of studies, a table of paths, or query:KEY=VALUE in the archive; "
        "goes on where it stopped, and writes index.html, studies.parquet and findings.parquet",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="new or empty folder, or an earlier read"
    )
    parser.add_argument("--question", metavar="Q", help="what to ask; without it, everything the model covers")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|PATH", help="default: %(default)s")
    parser.add_argument("--archive", metavar="URL|DIR", help="where UIDs are looked up and SEG and SR are stored")
    add_also(parser)
    parser.add_argument(
        "--segmentation", choices=("binary", "labelmap", "auto"), default="binary",
        help="form of the SEG; auto: a label map, or BINARY where the archive does not take one, which is remembered; "
        "overlapping masks are always BINARY; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--modality", metavar="M", help="what a file that is not DICOM shows, e.g. pathology")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="kept with the read; default: %(default)s")
    parser.add_argument(
        "--second-look", metavar="N", type=int, nargs="?", const=1, default=0, choices=(0, 1, 2),
        help="show the model its own overlay, up to 2 times, so that it may correct itself; default: no",
    )  # fmt: skip
    parser.add_argument(
        "--blank", choices=("picture", "region"), default="picture",
        help="what is blanked to see whether a finding is tied to the image; default: %(default)s",
    )  # fmt: skip
    add_engine(parser)
    add_loading(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, only the read")
    add_pointing(parser)
    parser.set_defaults(run=_read)


def _add_demo(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "demo",
        parents=[common],
        help="read real studies that the dependencies install, store the results, then serve",
        description="Read real studies that the dependencies install, end to end, and then serve them.",
    )
    parser.add_argument("--archive", metavar="URL|DIR", default="demo/archive", help="default: %(default)s")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("demo/reads"), help="default: %(default)s")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|PATH", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, metavar="N", help="default: %(default)s")
    parser.add_argument("--once", action="store_true", help="leave after the reads (or DEMO_ONCE=1)")
    parser.add_argument("--no-viewer", action="store_true", help="do not fetch the OHIF viewer (50 MB, once)")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the reads")
    parser.set_defaults(run=_demo)


def _add_verify(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "verify",
        parents=[common],
        help="check SEG and SR files for what they must say; exits 1 with a line per defect",
        description="Check what SEG and SR files say, against each other and the source; a line per defect.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="SEG and SR files that belong together")
    parser.add_argument(
        "--source", metavar="DIR", type=Path, action="append", default=[],
        help="file or folder with the images they refer to; give it again for each further one",
    )  # fmt: skip
    parser.set_defaults(run=_verify)


def _add_describe(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "describe",
        parents=[common],
        help="say in words what is true of a mask over an image: place, size, shape, border, intensity, relations",
        description="Say in words what is true of a mask over an image; every word is measured. With --out, also "
        "write overlay.png and description.json. With --gallery, make a page of one example for each modality.",
    )
    parser.add_argument("image", metavar="IMAGE", nargs="?", help="file, or folder with one series")
    parser.add_argument("mask", metavar="MASK", nargs="?", help="picture, label map, NumPy, NIfTI or DICOM SEG")
    parser.add_argument("--modality", metavar="M", help="what a file that is not DICOM shows, e.g. dermoscopy")
    parser.add_argument(
        "--target", metavar="LABEL", action="append", default=[],
        help="what a mask shows: once for all, once for each in order, or as VALUE=LABEL",
    )  # fmt: skip
    parser.add_argument("--language", metavar="L", default="en", help="of the text; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="chooses the phrasings; default: %(default)s")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write the files")
    parser.add_argument("--json", action="store_true", help="print description.json instead of the text")
    parser.add_argument(
        "--gallery", metavar="DATA", type=Path, help="folder of data sets with a manifest.jsonl each: write index.html"
    )
    parser.set_defaults(run=_describe)


def _add_evaluate(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "evaluate",
        parents=[common],
        help="measure a model on a labelled folder: Dice, box IoU, AP50, F1 with intervals",
        description="Measure a model on a folder with a manifest.jsonl: Dice, box IoU, AP50 and F1 per label.",
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME|PATH", help="default: %(default)s")
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="folder with a manifest, or CLIMB's")
    parser.add_argument("--predictions", metavar="FILE", type=Path, help="answers of any model, one JSON object a line")
    parser.add_argument("--report", metavar="DIR", type=Path, help="write report.md, report.html and report.json here")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures here as well")
    parser.add_argument(
        "--split", choices=("all", "train", "holdout"), default="all", help="part of the groups; default: %(default)s"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many items, the same ones every time")
    parser.add_argument("--record", action="store_true", help="keep the figures in the model's own wetread.json")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the figures")
    parser.set_defaults(run=_evaluate)


def _add_train(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "train", help="train a model from a recipe", description="Train a model from a recipe; resumable."
    )
    kinds = parser.add_subparsers(metavar="KIND", required=True)
    supervised = kinds.add_parser(
        "sft",
        parents=[common],
        help="supervised: words and pixels together",
        description="Supervised training of words and pixels together; an interrupted run goes on where it was.",
    )
    supervised.add_argument("--config", metavar="FILE", type=Path, required=True, help="recipe (YAML)")
    supervised.set_defaults(run=_train_sft)
    ablation = kinds.add_parser(
        "ablate",
        parents=[common],
        help="train one recipe with ways of the grounding loop closed, and report what differs",
        description="Train one recipe with ways of the loop closed, with several seeds; writes table, plot and JSON.",
    )
    ablation.add_argument("--config", metavar="FILE", type=Path, required=True, help="ablation (YAML)")
    ablation.set_defaults(run=_train_ablate)
    rhythm = kinds.add_parser(
        "rhythm", parents=[common], help="the rhythm network of ECGs, in minutes on a CPU",
        description="Train the rhythm network of ECGs from coded records, with cross-validated figures.",
    )  # fmt: skip
    rhythm.add_argument("--config", metavar="FILE", type=Path, required=True, help="recipe (YAML)")
    rhythm.set_defaults(run=_train_rhythm)
    _add_train_head(kinds, common)
    _add_train_drpo(kinds, common)
    add_train_ledger(kinds, common)


def _add_train_head(kinds: _Commands, common: argparse.ArgumentParser) -> None:
    head = kinds.add_parser(
        "head",
        parents=[common],
        help="the grounding head alone, backbone frozen",
        description="Supervised training of the grounding head alone on a finished model; resumable.",
    )
    head.add_argument("--config", metavar="FILE", type=Path, required=True, help="run file (YAML)")
    head.set_defaults(run=_train_head)


def _add_train_drpo(kinds: _Commands, common: argparse.ArgumentParser) -> None:
    rewarded = kinds.add_parser(
        "drpo",
        parents=[common],
        help="by rewards: DRPO, GRPO, RLOO or FairGRPO on TRL's trainer",
        description="Training by rewards on TRL's GRPOTrainer; an interrupted run goes on from its last checkpoint. "
        "For many GPUs: accelerate launch --config_file FILE -m wetread train drpo --config RUN.yaml",
    )
    rewarded.add_argument("--config", metavar="FILE", type=Path, required=True, help="run file (YAML)")
    rewarded.add_argument(
        "--seeds", metavar="N", type=int, nargs="+", help="one run for each seed, then a table and a plot"
    )
    rewarded.add_argument(
        "--compare", metavar="METHOD", nargs="+", choices=("drpo", "grpo", "rloo", "fair-grpo"),
        help="one run for each method with the same seeds",
    )  # fmt: skip
    rewarded.add_argument("--quiet", action="store_true", help="no progress bar")
    rewarded.set_defaults(run=_train_drpo)


def _add_convert_ecg(commands: _Commands, common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "convert-ecg",
        parents=[common],
        help="convert a published ECG-JEPA checkpoint (.pth) to safetensors, once",
        description="Convert a published ECG-JEPA checkpoint (.pth) to safetensors; no code in it is run.",
    )
    parser.add_argument("checkpoint", metavar="FILE.pth", help="the published checkpoint")
    parser.add_argument("--out", metavar="FILE.safetensors", required=True, help="where to write it")
    parser.set_defaults(run=_convert_ecg)


def _convert_ecg(options: argparse.Namespace) -> int:
    from wetread.commands.convert_ecg import run

    return run(options)


def _read(options: argparse.Namespace) -> int:
    if bool(options.inputs) == bool(options.cohort):
        print("wetread read: give either INPUT or --cohort SOURCE", file=sys.stderr)
        return USAGE
    if options.cohort and options.segmentation != "binary":
        print("wetread read: a cohort's SEG are binary; leave --segmentation out", file=sys.stderr)
        return USAGE
    if options.cohort:
        from wetread.commands.cohort import run as run_cohort

        return run_cohort(options)
    from wetread.commands.read import run

    return run(options)


def _demo(options: argparse.Namespace) -> int:
    from wetread.commands.demo import run

    return run(options)


def _verify(options: argparse.Namespace) -> int:
    from wetread.commands.verify import run

    return run(options)


def _describe(options: argparse.Namespace) -> int:
    from wetread.commands.describe import run

    return run(options)


def _evaluate(options: argparse.Namespace) -> int:
    from wetread.evaluation.evaluate import evaluate

    report = evaluate(
        model=options.model,
        data_dir=options.data,
        json_path=options.json,
        split=options.split,
        limit=options.limit,
        progress=not options.quiet,
        predictions=options.predictions,
        report_dir=options.report,
    )
    if options.record:
        from wetread.evaluation.record import record

        record(options.model, report)
    return DONE


def _train_head(options: argparse.Namespace) -> int:
    from wetread.training.head import train_head

    folder = train_head(options.config, report=lambda line: print(line, flush=True))
    print(f"The model is in {folder}; measure it with: wetread evaluate --model {folder} --data DIR --split holdout")
    return DONE


def _train_rhythm(options: argparse.Namespace) -> int:
    from wetread.evaluation.rhythms import measured
    from wetread.training.rhythm import train_rhythm

    folder = train_rhythm(options.config, measured, report=lambda line: print(line, flush=True))
    print(f"The rhythm network is in {folder}.")
    return DONE


def _train_drpo(options: argparse.Namespace) -> int:
    from wetread.commands.train_drpo import run

    return run(options)


def _train_sft(options: argparse.Namespace) -> int:
    from wetread.training.sft import train

    folder = train(options.config, report=lambda line: print(line, flush=True))
    print(f"The model is in {folder}; measure it with: wetread evaluate --model {folder} --data DIR --split holdout")
    return DONE


def _train_ablate(options: argparse.Namespace) -> int:
    from wetread.training.ablation import ablate

    card = ablate(options.config, report=lambda line: print(line, flush=True))
    print(f"The report is in {card}.")
    return DONE
