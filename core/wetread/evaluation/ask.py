"""`wetread evaluate` on questions: CLIMB, MIMIC question sets, consolidated files, or any folder with predictions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wetread import DEFAULT_MODEL
from wetread.errors import RefusedInput
from wetread.evaluation.page import write_report
from wetread.evaluation.predictions import Prediction, read_predictions
from wetread.evaluation.question_data import chosen_items, open_questions
from wetread.evaluation.question_text import question_markdown
from wetread.evaluation.questions import Answered, measure, question_report
from wetread.evaluation.worst import WorstCases, worst_answer
from wetread.terminology import Modality
from wetread.training.data.item import Faults, TrainingItem
from wetread.training.data.readers import EntryPicture
from wetread.training.manifests import EntryKind, Part

if TYPE_CHECKING:
    from wetread.evaluation.evaluate import Reads
    from wetread.findings import Read
    from wetread.imaging.sample import Sample
    from wetread.reading import Reader

MODALITY_OF_DOMAIN = {
    "chest_xray": Modality.XRAY, "mammo": Modality.MAMMOGRAPHY, "derm": Modality.DERMOSCOPY, "ct": Modality.CT,
    "fundus": Modality.FUNDUS, "ultrasound": Modality.ULTRASOUND, "mri": Modality.MR,
    "pathology": Modality.PATHOLOGY, "mimic_qa": Modality.XRAY, "multimodal": Modality.XRAY,
}  # fmt: skip
"""What the pictures of a CLIMB domain show."""


def evaluate_questions(
    *,
    data_dir: str | Path,
    predictions: str | Path | None = None,
    model: str = DEFAULT_MODEL,
    report_dir: Path | None = None,
    split: Part = "all",
    limit: int | None = None,
    progress: bool = True,
    show: bool = True,
    reader: Reads | None = None,
) -> dict[str, Any]:
    """Measure answers to questions.

    Args:
        data_dir: see `question_data.open_questions`.
        predictions: file of answers; without it the model is asked.
        model: name or folder of the model that is asked.
        report_dir: where the Markdown and HTML report is written.
        split: of the data.
        limit: at most so many items, the same ones every time.
        progress: show a progress bar on standard error.
        show: print the Markdown report on standard output.
        reader: an already loaded reader.

    Returns:
        The report.

    Raises:
        RefusedInput: nothing to ask, or nothing that can be measured.
        ModelUnavailable: the model is not there.
    """
    from tqdm import tqdm

    path, faults = Path(data_dir), Faults()
    sources = open_questions(path, split)
    answerer: dict[str, Any] = {"name": model}
    respond: Callable[[TrainingItem], Prediction | None]
    if predictions is not None:
        found = read_predictions(predictions, faults)
        used: set[str] = set()
        answerer = {"name": Path(predictions).name, "answers": len(found)}

        def respond(item: TrainingItem) -> Prediction | None:
            name = item.id if item.id in found else item.location
            used.add(name)
            return found.get(name)
    else:
        respond = _by_reading(reader or _reader(model), answerer)
    answers: list[Answered] = []
    worst = WorstCases()
    total = min(limit or sys.maxsize, sum(map(len, sources)))
    items = tqdm(chosen_items(sources, limit, faults), total=total, unit="question", disable=not progress,
                 file=sys.stderr, delay=1.0)  # fmt: skip
    for item in items:
        try:
            answers.append(measure(item, respond(item)))
        except RefusedInput as error:
            faults.add(error.what, item.location or item.id)
            continue
        if report_dir is not None:
            worst.take(worst_answer(answers[-1]))
    if predictions is not None:
        unknown = set(found) - used
        for name in sorted(unknown):
            faults.add("answer to no item", name)
        if not any(one.prediction for one in answers):
            raise RefusedInput(f"none of {len(found)} answers belongs to an item", predictions,
                               f"give ids such as {answers[0].item.id!r}" if answers else "check --data")  # fmt: skip
    source = {"model": answerer, "data": {"name": path.resolve().name, "split": split, "limit": limit,
                                          "sources": [[one.name, len(one)] for one in sources]}}  # fmt: skip
    report = question_report(answers, faults, source=source)
    text = question_markdown(report)
    if report_dir is not None:
        write_report(report, text, report_dir, worst)
    if show:
        sys.stdout.write(text + "\n")
    return report


def _reader(model: str) -> Reads:
    from wetread.reading import Reader as OurReader

    return OurReader(model)


def _by_reading(reader: Reads, answerer: dict[str, Any]) -> Callable[[TrainingItem], Prediction | None]:
    def respond(item: TrainingItem) -> Prediction | None:
        evidence = (*item.images, *item.waveforms)
        if not evidence or item.videos:
            raise RefusedInput("question about a video or text alone", item.location,
                               "answer it elsewhere and give --predictions")  # fmt: skip
        first, *others = [_sample(item, source) for source in evidence]
        # Only Wetread's own reader takes further pictures; any other double of one picture is asked as it is.
        read = cast("Reader", reader).read(first, item.question, beside=others) if others else reader.read(
            first, item.question
        )  # fmt: skip
        answerer.update(name=read.provenance.model, version=read.provenance.model_version)
        if read.abstention is not None:
            said = answerer.setdefault("abstentions", {})
            said[read.abstention] = said.get(read.abstention, 0) + 1
        return _prediction(read)

    return respond


def _sample(item: TrainingItem, source: object) -> Sample:
    from wetread.imaging import load_sample

    if isinstance(source, EntryPicture) and source.entry.kind is EntryKind.DICOM:
        return source.entry.load_sample()
    if not isinstance(source, Path):
        raise RefusedInput("picture that is no file", item.location, "give picture files")
    if source in item.waveforms:
        return load_sample(source)  # type: ignore[return-value]
    known = {modality.value: modality for modality in Modality} | MODALITY_OF_DOMAIN
    loaded = load_sample(source, known.get(item.domain, Modality.PHOTOGRAPH))
    return loaded  # type: ignore[return-value]


def _prediction(read: Read) -> Prediction:
    text = "" if read.abstention is not None else read.answer
    boxes = tuple(finding.box for finding in read.findings if finding.box is not None)
    masks = [finding.mask.dense()[0] for finding in read.findings if finding.mask is not None]
    union = None
    for mask in masks:
        union = mask if union is None else union | mask
    return Prediction(text, {f.label: f.presence for f in read.findings}, None, boxes, union)
