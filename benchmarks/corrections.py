"""Does it learn from corrections? A simulated annotator works through a set that the model never saw.

Everything goes the way it goes for people: the pictures lie in an archive, the service orders the worklist, reads a
case, takes the verdict, and trains from its ledger (`POST /training`, a process of its own). The gate says its word;
where it does not promote, that is written down and a person promotes, so that the version can be measured. Between
turns the version is measured on pictures that are in no archive. Beside it stands a plain U-Net of 0.9 M parameters
(`unet_baseline.py`), trained on the true masks of all corrected pictures, those included that the service keeps for
its gate, and the best centred square, chosen in hindsight.

    python benchmarks/corrections.py ../shared/data/derm_ph2 'skin lesion' --counts 10 20
    python benchmarks/corrections.py ../shared/data/derm_ph2 'skin lesion' --counts 30 --poisoned
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parent))

from simulated_annotator import Annotator, Case, cases_of
from unet_baseline import measure as measure_unet
from unet_baseline import train as train_unet

from wetread.archive.folder import FolderArchive
from wetread.errors import WetreadError
from wetread.evaluation.bootstrap import ratio_estimate
from wetread.evaluation.evaluate import evaluate
from wetread.evaluation.gate import SQUARES, answer_score, square_scores
from wetread.findings import Mask
from wetread.imaging import to_sample
from wetread.imaging.wrap_picture import wrap_picture
from wetread.model.versions import ModelVersions
from wetread.reading import Reader
from wetread.records.database import Database
from wetread.review.ledger import Ledger
from wetread.service.app import create_app
from wetread.service.model_switch import SwitchingReader
from wetread.training.from_ledger import is_kept


def parted(cases: list[Case], tested: int, seed: int) -> tuple[list[Case], list[Case]]:
    """Cases to be corrected (all of them show the target) and cases to measure on; no group is on both sides."""
    groups = sorted({case.entry.group for case in cases})
    random.Random(seed).shuffle(groups)
    chosen, count = set(), 0
    for group in groups:
        if count >= tested:
            break
        chosen.add(group)
        count += sum(case.entry.group == group for case in cases)
    pool = [case for case in cases if case.entry.group not in chosen and case.truth.any()]
    return pool, [case for case in cases if case.entry.group in chosen]


def measured(model: str | Path, cases: list[Case], label: str) -> dict[str, Any]:
    """Dice where the target is there, and F1 of saying that it is."""
    reader = Reader(model)
    try:
        scores = []
        for case in cases:
            sample = to_sample([wrap_picture(case.example.picture, case.entry.modality)])
            truth = Mask.from_dense(case.truth) if case.truth.any() else None
            scores.append((truth is not None, answer_score(reader, sample, label, truth), case.entry.group))
    finally:
        reader.close()
    return summary(scores)


def summary(scores: list[tuple[bool, float, str]]) -> dict[str, Any]:
    """Figures of (target present, Dice or 1 for a true silence, group)."""
    there = [(value, group) for present, value, group in scores if present]
    hits, false = sum(value > 0 for value, _ in there), sum(value == 0 for present, value, _ in scores if not present)
    whole = hits + len(there) + false
    found = ratio_estimate([value for value, _ in there], np.ones(len(there)), [group for _, group in there])
    return {"dice": found.as_dict(), "presence_f1": round(2 * hits / whole, 4), "pictures": len(scores),
            "with_target": len(there)}  # fmt: skip


def best_square(cases: list[Case]) -> dict[str, float]:
    """The centred square of the size that serves best."""
    means = np.mean([square_scores(Mask.from_dense(case.truth)) for case in cases if case.truth.any()], axis=0)
    return {"side": SQUARES[int(means.argmax())], "dice": round(float(means.max()), 4)}


def unet(corrected: list[Case], tested: list[Case], label: str, cpu_seconds: float, seed: int) -> dict[str, Any]:
    """The yardstick, on the true masks of the corrected pictures."""
    network, facts = train_unet([case.entry for case in corrected], label, cpu_seconds, seed)
    scores = measure_unet(network, [case.entry for case in tested], label)
    return {"training": facts, **summary([
        (one.present, float(np.mean(one.plane_dice)) if one.plane_dice else float(not one.said_present), one.group)
        for one in scores
    ])}  # fmt: skip


def cpu_of_children() -> float:
    """CPU seconds of the processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(cases: list[Case], label: str, options: argparse.Namespace, seed: int, work: Path) -> dict[str, Any]:
    """One annotator, one strategy, one seed, from no correction to the last of the counts."""
    pool, tested = parted(cases, options.tested, seed)
    archive = FolderArchive(work / "archive")
    by_series = {}
    for case in random.Random(seed).sample(pool, min(len(pool), max(options.counts) + options.spare)):
        dataset = wrap_picture(case.example.picture, case.entry.modality)
        dataset.PatientID = case.entry.group
        archive.store([dataset]).require_complete()
        by_series[str(dataset.SeriesInstanceUID)] = case
    versions, database = ModelVersions(work / "models", options.model), work / "records.sqlite"
    reader = SwitchingReader(versions, Reader)
    points = [{"corrections": 0, "model": measured(options.model, tested, label)}]
    with TestClient(create_app(archive, reader, database=database), base_url="http://127.0.0.1") as client:
        annotator = Annotator(client, by_series, label, options.strategy, seed)
        begun, cpu = time.monotonic(), cpu_of_children()
        for turn, count in enumerate(options.counts):
            if options.strategy != "random":
                annotator.read_what_is_open()
            while len(annotator.decided) < count:
                annotator.work_on_next(_poison(database) if options.poisoned else _sound)
            learned = annotator.train(options.steps[turn], options.batch, seed)
            if learned["ruling"] != "promote" and not options.poisoned:
                annotator.promote(learned["version"])
            spent = cpu_of_children() - cpu
            point = {"corrections": count, "decisions": _counted(annotator.decided), "steps": options.steps[turn],
                     "training_cpu_seconds": round(spent, 1), "minutes": round((time.monotonic() - begun) / 60, 2),
                     "gate": {"ruling": learned["ruling"], "reason": learned["reason"]},
                     "learned_from": learned["counts"], "left_out": learned["left_out"],
                     "model": measured(versions.location(learned["version"]), tested, label)}  # fmt: skip
            points.append(point)
            print(json.dumps(point), flush=True)
        reads_now = client.get("/wetread/v1/capabilities").json()["model"]["version"]
    reader.close()
    agreement = round(float(np.mean(annotator.agreement)), 4)
    found = {"seed": seed, "strategy": options.strategy, "points": points, "reads_now": reads_now,
             "drawn_dice": agreement, "best_square": best_square(tested)}  # fmt: skip
    if options.unet:
        corrected = [by_series[series] for series in annotator.decided]
        found["unet"] = unet(corrected, tested, label, options.unet, seed)
        print(json.dumps(found["unet"]), flush=True)
    if options.forgetting:
        found["forgetting"] = forgotten(options.model, versions.location(learned["version"]), options)
    return found


def forgotten(before: str | Path, after: str | Path, options: argparse.Namespace) -> dict[str, Any]:
    """Dice on the held-out part of labelled folders that the shipped model learned from, before and after."""
    found: dict[str, Any] = {}
    for folder in options.forgetting:
        both = [evaluate(data_dir=folder, model=str(model), split="holdout", limit=options.limit, progress=False,
                         show=False) for model in (before, after)]  # fmt: skip
        for label in both[0]["labels"]:
            dices = [one["labels"][label].get("dice") for one in both]
            found[f"{folder.name}: {label}"] = {"before": dices[0], "after": dices[1]}
        print(json.dumps(found), flush=True)
    return found


def _sound(study: str) -> bool:
    return False


def _poison(database: Path) -> Any:
    """True for studies of patients that are trained on; what the gate keeps is painted as it is."""
    ledger = Ledger(Database(database))

    def poisoned(study: str) -> bool:
        patient = next(str(e.body["patient"]) for e in ledger.entries(kind="read") if e.study_uid == study)
        return not is_kept(patient)

    return poisoned


def _counted(decided: dict[str, str]) -> dict[str, int]:
    return {name: list(decided.values()).count(name) for name in sorted(set(decided.values()))}


def main() -> int:
    """Run, write, print."""
    parser = argparse.ArgumentParser(description="A simulated annotator teaches a new target through the service.")
    parser.add_argument("data", type=Path, help="folder with manifest.jsonl")
    parser.add_argument("label", help="target that is asked for, e.g. 'skin lesion'")
    parser.add_argument("--labels", nargs="+", default=[], help="labels of the set that count as the target")
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 20], help="corrections at which it trains")
    parser.add_argument("--steps", type=int, nargs="+", default=[300, 600], help="of each training")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tested", type=int, default=60, help="least number of pictures to measure on")
    parser.add_argument("--spare", type=int, default=20, help="pictures beyond the last count that can be chosen from")
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--unet", type=float, default=150.0, metavar="S", help="CPU seconds of the U-Net; 0 for none")
    parser.add_argument("--poisoned", action="store_true", help="what is trained on is painted wrongly on purpose")
    parser.add_argument("--forgetting", type=Path, nargs="*", default=[], metavar="DIR", help="folders known before")
    parser.add_argument("--limit", type=int, default=40, help="items of each of these")
    parser.add_argument("--model", default="wetread-mini")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    if len(options.steps) != len(options.counts):
        parser.error("as many --steps as --counts")
    torch.set_num_threads(1)
    cases = cases_of(options.data, options.label, options.labels or [options.label])
    report: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/corrections.py", *map(shlex.quote, sys.argv[1:])]),
        "data": options.data.resolve().name, "label": options.label, "batch": options.batch, "runs": [],
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }  # fmt: skip
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(prefix="wetread-corrections-") as work:
            report["runs"].append(run(cases, options.label, options, seed, Path(work)))
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WetreadError as error:
        sys.exit(str(error))
