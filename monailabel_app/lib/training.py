"""MONAI Label's TrainTasks over Wetread's ledger: head, sft and drpo, with progress as its clients show it.

MONAI Label runs a task in a process of its own and keeps the last lines of its output; its 3D Slicer module draws a
bar from `epoch`, `total_epochs`, `best_metric` and `total_time` of the task's stats, so a step is an epoch here and the
metric is the new version's mean score on kept patients.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, cast

from monailabel.interfaces.tasks.train import TrainTask

from lib.people import person_of

if TYPE_CHECKING:
    from pathlib import Path

    from monailabel.interfaces.datastore import Datastore

    from lib.shared import Shared
    from wetread.evaluation.learning import Progress

SAYS = {
    "head": "the grounding head, from verdicts; promoted if not worse",
    "sft": "words and pixels, from verdicts; promoted if not worse",
    "drpo": "the words by rewards (DRPO), from verdicts; promoted if not worse",
}


class LedgerTraining(TrainTask):
    """One kind of training."""

    def __init__(self, kind: str, shared: Shared) -> None:
        super().__init__(f"Wetread: {SAYS[kind]}")
        self._kind, self._shared = kind, shared

    def config(self) -> dict[str, Any]:
        """What a client may set, with the defaults."""
        return {"steps": 100, "batch": 4, "learning_rate": 0.0, "seed": 0, "promote": True}

    def stats(self) -> dict[str, Any]:
        """Of the last run, in MONAI Label's words; empty before the first."""
        try:
            found: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Learn from the ledger; the answer says what came of it."""
        from wetread.evaluation.learning import Turn, learn

        said = {**self.config(), **{key: request[key] for key in self.config() if request.get(key) is not None}}
        steps = max(1, min(int(said["steps"]), 100_000))
        turn = Turn(cast("Any", self._kind), steps, max(1, min(int(said["batch"]), 256)),
                    float(said["learning_rate"]) or None, int(said["seed"]), bool(said["promote"]))  # fmt: skip
        began = time.monotonic()

        def tell(progress: Progress) -> None:
            loss = sum((progress.loss or {}).values())
            words = f"{progress.stage} {progress.step}/{progress.steps}" + (f" loss {loss:.4f}" if loss else "")
            print(words, flush=True)
            if progress.stage == "training":
                self._write({"epoch": progress.step, "total_epochs": steps, "train": {"loss": round(loss, 5)}})

        backing = self._shared.backing
        found = learn(backing.ledger, backing.archive, self._shared.versions, turn, person_of(request), tell)
        seconds = round(time.monotonic() - began, 1)
        self._write({
            "epoch": steps, "total_epochs": steps, "total_time": f"{seconds} s", "version": found.version,
            "best_metric": found.judgement.figures.get("new") or 0, "ruling": str(found.judgement.ruling),
        })  # fmt: skip
        print(f"version {found.version}: {found.judgement.ruling}. {found.judgement.reason}", flush=True)
        return found.as_dict()

    @property
    def _file(self) -> Path:
        return self._shared.versions.folder / f".stats-{self._kind}.json"

    def _write(self, stats: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_name(f".part-{uuid.uuid4().hex}")
        part.write_text(json.dumps(stats), encoding="utf-8")
        part.replace(self._file)


def trainers(shared: Shared) -> dict[str, TrainTask]:
    """All of them, by name."""
    return {kind: LedgerTraining(kind, shared) for kind in SAYS}
