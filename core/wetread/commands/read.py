"""``wetread read``: one question about one or more series; four files out, SEG and SR in the archive if one is given.

Findings are about the first input, the others are shown beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wetread.archive import open_archive
from wetread.commands.interrupt import cancel_on_interrupt
from wetread.commands.loading import make_reader
from wetread.commands.places import open_inputs
from wetread.commands.pointed import pointing_of
from wetread.commands.present import field, read_as_text
from wetread.commands.progress import Progress
from wetread.commands.segmentation_form import in_form, store_in_form
from wetread.errors import RefusedInput
from wetread.pipeline import check_output, read_series, write_outcome
from wetread.reporting import build_pdf

if TYPE_CHECKING:
    import argparse

    from wetread.archive import Archive, StoreReport
    from wetread.pipeline import Outcome


def run(options: argparse.Namespace) -> int:
    """Read, write, store, and print the read; files are written before anything is sent."""
    folder, also = check_output(options.out), tuple(dict.fromkeys(options.also))
    for named in options.inputs:
        _refuse_inside(folder, named)
    pointing = pointing_of(options)
    archive = open_archive(options.archive) if options.archive else None
    with Progress(quiet=options.quiet) as progress, cancel_on_interrupt() as cancel:
        progress.stage("opening the images")
        series, *beside = open_inputs(options.inputs, options.modality, archive)
        progress.stage("starting the model")
        reader = make_reader(options, options.seed, blanked=options.blank, second_look=options.second_look)
        outcome = read_series(
            series.datasets,
            options.question,
            beside=[other.datasets for other in beside],
            pointing=pointing,
            reader=reader,
            on_event=progress.on_event,
            cancel=cancel,
        )
        progress.stage("writing the files")
        binary, outcome = outcome, in_form(outcome, options.segmentation, archive)
        paths = write_outcome(outcome, folder, also)
    print(read_as_text(outcome.read, outcome.sample, with_reasoning=not progress.streamed))
    print("\n".join(field("Written", f"{folder}: {', '.join(path.name for path in paths)}")))
    if archive is not None:
        with Progress(quiet=options.quiet) as progress:
            progress.stage("storing in the archive")
            sources = [d for one in (series, *beside) if one.wrapped for d in one.datasets]
            kept = store_in_form(outcome, archive, sources, binary if options.segmentation == "auto" else None)
            outcome, report = kept.outcome, kept.report
            if kept.fell_back:
                write_outcome(outcome, folder, also)  # the files are what was sent
            page = archive.store([build_pdf(outcome.read, outcome.sample)]) if "pdf" in also else None
        print("\n".join(stored_lines(outcome, archive, report)))
        if kept.fell_back:
            print("\n".join(field("", "The archive takes no label map: the SEG is BINARY, here and from now on.")))
        if page is not None:
            (held,) = page.require_complete().instances
            print("\n".join(field("  PDF", f"{held.sop_instance_uid}, {held.state}")))
    return 0


def _refuse_inside(folder: Path, named: str) -> None:
    """SEG and SR among the images would be part of the input at the next read."""
    images = Path(named).absolute()
    if folder.resolve().is_relative_to(images.resolve()) and images.is_dir():
        raise RefusedInput("the output folder lies in the input folder", folder, "give a folder beside the images.")


def stored_lines(outcome: Outcome, archive: Archive, report: StoreReport) -> list[str]:
    """What the archive now holds, where, and what it changed on the way."""
    names = {str(dataset.SOPInstanceUID): name for name, dataset in outcome.objects}
    lines = field("Stored", f"{archive.location}, study {outcome.sample.study_uid}")
    for instance in report.instances:
        name = names.get(instance.sop_instance_uid, "image")
        note = f" ({instance.reason})" if instance.reason else ""
        lines += field(f"  {name}", f"{instance.sop_instance_uid}, {instance.state}{note}")
    if "SEG" not in names.values() and outcome.seg is not None:
        lines += field("", "The SEG is empty and was not stored.")
    source = outcome.sample.source
    if not archive.search_series(source.study_uid, {"SeriesInstanceUID": source.series_uid}):
        lines += field("", "The archive does not hold the images; viewers need them to show SEG and SR.")
    return lines
