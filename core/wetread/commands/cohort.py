"""``wetread read --cohort SOURCE --out DIR``: hundreds of studies, one after the other, each as `wetread read` would.

What was read already is not read again: a study counts as done when its folder holds a whole read, and such a folder
appears by one rename, so a process that is killed loses at most the study under way. A study that cannot be read costs
one line, never the run; so does a defect, whose kind alone is kept. `index.html` and the tables are made anew from
what lies on disk, at the end and every few studies. One process at a time works in a folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.archive import open_archive
from wetread.commands.cohort_source import Item, cohort_items
from wetread.commands.interrupt import cancel_on_interrupt
from wetread.commands.loading import make_reader
from wetread.commands.places import open_input
from wetread.commands.pointed import pointing_of
from wetread.errors import ModelUnavailable, ReadCancelled, RefusedInput, WetreadError
from wetread.pipeline import STAGING, read_series, store_outcome, write_outcome
from wetread.reporting.cohort_page import write_page
from wetread.reporting.cohort_table import Done, check_parquet, write_tables

if TYPE_CHECKING:
    import argparse
    import threading

    from wetread.archive import Archive
    from wetread.reading import Reader

READS, RUN_FILE = "reads", "cohort.json"
EVERY = 25
"""Studies after which page and tables are made anew."""


def run(options: argparse.Namespace) -> int:
    """Read what is not read yet, then say what became of all; 0 also where some studies could not be read.

    Raises:
        RefusedInput: nothing to read, a folder of another kind or question, or not one study that could be read.
    """
    from tqdm import tqdm

    check_parquet()
    if pointing_of(options) is not None:
        raise RefusedInput("boxes, points or a mask for a whole cohort", "--cohort", "point at one study at a time")
    archive = open_archive(options.archive) if options.archive else None
    items = cohort_items(options.cohort, archive)
    folder = _folder(options, items)
    reader = make_reader(options, options.seed, blanked=options.blank, second_look=options.second_look)
    for left in (folder / READS).glob(f"{STAGING}*"):  # of a process that was killed while it wrote
        shutil.rmtree(left)
    failures: dict[str, str] = {}
    with (
        cancel_on_interrupt() as cancel,
        tqdm(items, unit="study", disable=options.quiet, file=sys.stderr) as bar,
    ):
        for number, item in enumerate(bar, start=1):
            if not (folder / READS / item.name / "read.json").is_file():
                reason = _read(item, folder, options, reader, archive, cancel)
                if reason is not None:
                    failures[item.name] = reason
                    bar.set_postfix_str(f"{len(failures)} failed")
            if number % EVERY == 0:
                _summarise(folder, items, failures)
    done = _summarise(folder, items, failures)
    abstained = sum(one.document["abstention"] is not None for one in done)
    print(f"{len(done)} read ({abstained} abstained), {len(failures)} failed, of {len(items)}: {folder / 'index.html'}")
    for item in items:
        if item.name in failures:
            print(f"failed: {item.named}: {failures[item.name]}")
    if not done:
        raise RefusedInput(f"none of {len(items)} studies could be read", options.cohort, "read the lines above")
    return 0


def _read(
    item: Item, folder: Path, options: argparse.Namespace, reader: Reader, archive: Archive | None,
    cancel: threading.Event,
) -> str | None:  # fmt: skip
    """Read one study into its folder; why not, in one line, where it could not be.

    Raises:
        ReadCancelled: stopped by the person.
        ModelUnavailable: no study can be read without a model.
    """
    try:
        series = open_input(item.named, _modality(item, options.modality), archive)
        outcome = read_series(series.datasets, options.question, reader=reader, cancel=cancel)
        if archive is not None:
            store_outcome(outcome, archive, series.datasets if series.wrapped else ())
        write_outcome(outcome, folder / READS / item.name)
    except (ReadCancelled, ModelUnavailable):
        raise
    except WetreadError as error:
        return " ".join(str(error).split())
    except Exception as error:  # one strange file must not cost the night; its message may quote a header
        if options.debug:
            raise
        return f"a defect in Wetread ({type(error).__name__}): read it alone with --debug and report what it shows"
    return None


def _modality(item: Item, given: str | None) -> str | None:
    """What the table says, else what was given for all; never for what says itself that it is DICOM or an ECG."""
    if Path(item.named).suffix.lower() in (".hea", ".dcm"):
        return None
    return item.modality or given


def _folder(options: argparse.Namespace, items: list[Item]) -> Path:
    """The result folder, new or of the same cohort asked the same of the same model."""
    folder: Path = options.out.expanduser().absolute()
    said = {"question": options.question, "model": str(options.model), "adapter": str(options.adapter or ""),
            "blank": options.blank, "second_look": options.second_look}  # fmt: skip
    file = folder / RUN_FILE
    source = Path(options.cohort).expanduser()
    if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
        raise RefusedInput("the output folder lies in the cohort's folder", folder, "give a folder beside it")
    if file.is_file():
        if json.loads(file.read_text(encoding="utf-8")) != said:
            raise RefusedInput("a cohort read with another question or model", folder, "give another folder")
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedInput("the output folder holds something else", folder, "give a new or empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{RUN_FILE}.part")
    part.write_text(json.dumps(said) + "\n", encoding="utf-8")
    part.replace(file)
    return folder


def _summarise(folder: Path, items: list[Item], failures: dict[str, str]) -> list[Done]:
    done = []
    for item in items:
        document = folder / READS / item.name / "read.json"
        if document.is_file():
            done.append(Done(item.named, item.name, json.loads(document.read_text(encoding="utf-8"))))
    failed = {item.named: failures[item.name] for item in items if item.name in failures}
    write_tables(done, failed, folder)
    write_page(done, failed, len(items), folder, READS)
    return done
