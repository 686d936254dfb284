"""`wetread evaluate` for a folder of coded ECG records: what the shipped rhythm network says, beside the codes.

Every record goes through the Reader, as a user's would. Only labels that the network has learned count as truth; a
record that is abstained on counts as one on which nothing was said. Macro-F1 is the mean over labels that at least
eight records of the folder bear, with an interval over patients.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread import __version__
from wetread.errors import RefusedInput
from wetread.evaluation.bootstrap import RESAMPLES, SEED
from wetread.evaluation.label_metrics import Labelled, label_table, published
from wetread.imaging import load_sample
from wetread.model.rhythm_network import RhythmModel, rhythm_model
from wetread.training.rhythm_records import Record, read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wetread.training.manifests import Part

MEASURED_RECORDS = 8
"""A class of fewer records is no part of the reported mean: its F1 would be chance."""


def network_for(model: str, data_dir: Path) -> RhythmModel | None:
    """The network that reads the ECGs of this folder for this model; None where either is something else."""
    from wetread.model.checkpoint import read_info
    from wetread.training.data.ecg_items import is_ecg_folder

    if not is_ecg_folder(data_dir):
        return None
    info = read_info(model)
    return None if info.ecg else rhythm_model(info.name)


def evaluate_rhythms(
    network: RhythmModel, model: str, data_dir: Path, part: Part, limit: int | None, progress: bool, show: bool
) -> dict[str, Any]:
    """Read every coded record and count what was named.

    Raises:
        RefusedInput: no coded record, or none that can be read.
    """
    from tqdm import tqdm

    from wetread.reading import Reader

    lines, problems = read_lines(data_dir, part)
    lines = lines[:limit]
    learned = frozenset(statement.label for statement in network.statements)
    # How often a class occurs is a fact of the folder: a small part is measured on the same classes as the whole.
    whole = Counter(label for line in read_lines(data_dir, "all")[0] for label in line.labels & learned)
    often = frozenset(label for label, count in whole.items() if count >= MEASURED_RECORDS)
    reader, answers, abstentions = Reader(model), [], Counter[str]()
    for line in tqdm(lines, unit="read", disable=not progress, file=sys.stderr):
        try:
            read = reader.read(load_sample(line.file))
        except RefusedInput as error:
            problems.append(str(error))
            continue
        if read.abstention is not None:
            abstentions[read.abstention] += 1
        said = frozenset(finding.label for finding in read.findings)
        answers.append(Labelled(line.group, line.labels & learned, said))
    if not answers:
        raise RefusedInput(f"none of {len(lines)} records could be read", data_dir, "check the files")
    narrow = [Labelled(one.group, one.truth & often, one.answer & often) for one in answers]
    counted = Counter(label for one in answers for label in one.truth)
    report = {
        "wetread": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {"name": network.name, "version": network.version, "weights_sha256": network.weights_sha256,
                  "device_uid": network.device_uid},
        "data": {"name": data_dir.resolve().name, "part": part, "records": len(answers), "problems": problems},
        "macro_f1": published([narrow])[1].as_dict(), "classes": sorted(often),
        "labels": {label: {"records": counted[label]} | {name: figure.as_dict() for name, figure in row.items()}
                   for label, row in label_table(answers).items()},
        "abstentions": dict(abstentions),
        "bootstrap": {"resamples": RESAMPLES, "seed": SEED, "unit": "group", "level": 0.95},
    }  # fmt: skip
    if show:
        sys.stdout.write(rhythm_markdown(report))
    return report


def measured(records: Sequence[Record], labels: Sequence[str], answers: Sequence[frozenset[str]]) -> dict[str, Any]:
    """Macro-F1 over the classes with enough records, and every statement's own figures, with intervals over groups."""
    count = {label: sum(label in r.labels for r in records) for label in labels}
    often = {label for label in labels if count[label] >= MEASURED_RECORDS}
    pairs = [Labelled(r.group, r.labels & set(labels), said) for r, said in zip(records, answers, strict=True)]
    narrow = [Labelled(p.group, p.truth & often, p.answer & often) for p in pairs]
    table = label_table(pairs)
    return {
        "records": len(records), "classes": len(often), "macro_f1": published([narrow])[1].as_dict(),
        "f1": {label: {"records": count[label], **table[label]["f1"].as_dict()} for label in labels if label in table},
    }  # fmt: skip


def rhythm_markdown(report: dict[str, Any]) -> str:
    """The report as a table; classes of too few records are marked, since their F1 is no part of the mean."""
    data, mean = report["data"], report["macro_f1"]
    lines = [
        f"# {report['model']['name']} on {data['name']} ({data['part']}, {data['records']} records)", "",
        f"Macro-F1 over {len(report['classes'])} classes of {MEASURED_RECORDS} or more records: {_figure(mean)}. "
        f"Abstained on {sum(report['abstentions'].values())}; {len(data['problems'])} not usable.", "",
        "| label | records | F1 | recall | specificity |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for label, row in report["labels"].items():
        name = label if label in report["classes"] else f"{label} (not in the mean)"
        shown = " | ".join(_figure(row[figure]) for figure in ("f1", "recall", "specificity"))
        lines.append(f"| {name} | {row['records']} | {shown} |")
    return "\n".join(lines) + "\n"


def _figure(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return "-"
    if estimate["low"] is None:
        return f"{estimate['value']:.2f}"
    return f"{estimate['value']:.2f} ({estimate['low']:.2f} to {estimate['high']:.2f})"
