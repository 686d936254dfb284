"""A whole turn of learning from the ledger: examples, training, a new version, the gate, the ledger's word on it.

The new version stands in its folder before the gate looks at it, so that a person can promote what the gate would not;
what reads changes only by a promotion. A run that fails or is stopped leaves no version.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wetread.errors import ReadCancelled
from wetread.evaluation.gate import RULE, Judgement, Ruling, judge, measured
from wetread.model.checkpoint import MODEL_FILE, TAUGHT_FILE, load_model, read_info
from wetread.reading import Reader
from wetread.review import model_history
from wetread.training.fine_tune import FineTune, fine_tune, save_fine_tuned
from wetread.training.from_ledger import Examples, examples_from_ledger
from wetread.training.ledger_lessons import LedgerLessons
from wetread.training.ledger_rewards import reward_tune
from wetread.training.taught import LEAST_TAUGHT, parted, statement_of, teach

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from wetread.archive import Archive
    from wetread.model.checkpoint import ModelInfo
    from wetread.model.versions import ModelVersions
    from wetread.review.ledger import Ledger
    from wetread.training.from_ledger import LedgerExample

KINDS = ("head", "sft", "drpo")
GATE = "gate"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn does.

    Args:
        kind: "head", "sft" or "drpo".
        steps: of the optimiser.
        batch: lessons a step ("drpo" has its own).
        learning_rate: that of the kind when None.
        seed: of everything that is drawn.
        promote: let the gate promote; False leaves that to a person.
    """

    kind: Literal["head", "sft", "drpo"] = "head"
    steps: int = 100
    batch: int = 4
    learning_rate: float | None = None
    seed: int = 0
    promote: bool = True


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of it."""

    version: str
    info: ModelInfo
    judgement: Judgement
    counts: dict[str, int]
    left_out: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"version": self.version, "device_uid": self.info.device_uid, "ruling": str(self.judgement.ruling),
                "reason": self.judgement.reason, "figures": self.judgement.figures, "counts": self.counts,
                "left_out": self.left_out}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a turn is: "collecting", "training", "gate" or "done"; `step` of `steps`; the parts of the loss."""

    stage: str
    step: int = 0
    steps: int = 0
    loss: dict[str, float] | None = None


def learn(
    ledger: Ledger, archive: Archive, versions: ModelVersions, turn: Turn, actor: str,
    tell: Callable[[Progress], None] = lambda progress: None, cancel: threading.Event | None = None,
) -> Learned:  # fmt: skip
    """Learn from the ledger, and promote what is not worse.

    Args:
        ledger: of reads and verdicts; gets the entries "trained" and "promoted" or "refused".
        archive: where the series are.
        versions: the model that reads now is the one that goes on learning.
        turn: what to do.
        actor: login of who asked for it.
        tell: told about every step.
        cancel: set it to stop.

    Raises:
        RefusedInput: nothing new in the ledger.
        ModelUnavailable: the model does not load or has no head.
        ReadCancelled: `cancel` was set.
    """
    tell(Progress("collecting"))
    old = versions.info()
    number, head = ledger.head()
    examples = examples_from_ledger(ledger, archive, since=model_history.learned_until(ledger, old))
    known, taught, patients = parted(old, examples.examples)
    for label, count in patients.items():
        if count < LEAST_TAUGHT:
            examples.left_out[f"{label}: {count} of {LEAST_TAUGHT} patients that a new target needs"] += 1
    name = versions.next_name(old.version)
    learned = {"kind": turn.kind, "steps": turn.steps, "seed": turn.seed, "ledger_number": number, "ledger_hash": head,
               "counts": examples.counts(), "left_out": dict(examples.left_out),
               "taught_patients": patients}  # fmt: skip
    with versions.adding(name) as folder:
        said = _statement(old, name, learned) | statement_of(old, taught, patients)
        _train(old, known, taught, turn, folder, said, tell, cancel)
    new = versions.info(name)
    model_history.note(ledger, model_history.TRAINED, actor, new, learned=learned, parent=old.weights_sha256)
    judgement = _judged(examples, archive, old, new, tell)
    if judgement.ruling is Ruling.PROMOTE and turn.promote:
        model_history.promote(versions, ledger, name, GATE, judgement.reason, gate=judgement.figures)
    elif judgement.ruling is not Ruling.PROMOTE:
        model_history.note(ledger, model_history.REFUSED, GATE, new, reason=judgement.reason, gate=judgement.figures)
    tell(Progress("done", turn.steps, turn.steps))
    return Learned(name, new, judgement, examples.counts(), dict(examples.left_out))


def _train(
    old: ModelInfo, known: list[LedgerExample], taught: list[LedgerExample], turn: Turn, folder: Path,
    statement: dict[str, Any], tell: Callable[[Progress], None], cancel: threading.Event | None,
) -> None:  # fmt: skip
    """What the model knows by name first, by the kind that was asked for; then the head for taught targets.

    Where the words have moved, that head has to be taught anew, for it reads their states.
    """
    new = [any(not example.earlier for example in part) for part in (known, taught)]
    plan = FineTune("sft" if turn.kind == "sft" else "head", turn.steps, turn.batch, turn.learning_rate, turn.seed)
    if not new[1] or new[0]:
        lessons = LedgerLessons(known, turn.seed, old.labels)  # refuses where there is nothing new

    def report(step: int, loss: dict[str, float]) -> None:
        tell(Progress("training", step, turn.steps, loss))

    if new[0] and turn.kind == "drpo":
        _train_by_rewards(old, known, turn, folder, statement, tell, cancel)
    else:
        model, tokenizer = fine_tune(old, lessons, plan, report, cancel) if new[0] else load_model(old)
        save_fine_tuned(model, tokenizer, old, statement, folder)
    kept = old.folder / TAUGHT_FILE
    if kept.is_file():
        shutil.copy2(kept, folder / TAUGHT_FILE)
    moved = new[0] and turn.kind != "head"
    if new[1] or (moved and taught):
        rate = turn.learning_rate if turn.kind == "head" else None
        teach(read_info(folder), taught, replace(plan, kind="head", learning_rate=rate), folder, report, cancel)


def _train_by_rewards(
    old: ModelInfo, examples: list[LedgerExample], turn: Turn, folder: Path, statement: dict[str, Any],
    tell: Callable[[Progress], None], cancel: threading.Event | None,
) -> None:  # fmt: skip
    if cancel is not None and cancel.is_set():
        raise ReadCancelled("The training was stopped; nothing was written.")
    tell(Progress("training", 0, turn.steps))
    with tempfile.TemporaryDirectory(prefix="wetread-drpo-") as run:
        made = reward_tune(old, examples, turn.steps, turn.seed, Path(run), lambda line: None,
                           turn.learning_rate)  # fmt: skip
        said = json.loads((old.folder / MODEL_FILE).read_text(encoding="utf-8"))
        for file in made.iterdir():
            shutil.copy2(file, folder / file.name)
    written = said | {"metrics": {}, "parent_sha256": old.weights_sha256} | statement
    (folder / MODEL_FILE).write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _statement(old: ModelInfo, name: str, learned: dict[str, Any]) -> dict[str, Any]:
    counts = learned["counts"]
    source = (f"this site's ledger up to entry {learned['ledger_number']} ({learned['ledger_hash'][:12]}): "
              f"{counts['planes']} planes of {counts['reads']} reads of {counts['patients']} patients")  # fmt: skip
    return {"version": name, "training_data": [*old.training_data, source],
            "training": {**old.training, "ledger": learned}}  # fmt: skip


def _judged(
    examples: Examples, archive: Archive, old: ModelInfo, new: ModelInfo, tell: Callable[[Progress], None]
) -> Judgement:
    if not examples.kept:
        return Judgement(Ruling.ASK, "no kept patients: a person has to promote it", {"rule": RULE})
    before, after = (Reader(info.folder, options=info.options) for info in (old, new))
    try:
        scored, missing = measured(examples.kept, archive, before, after, lambda done, of: tell(
            Progress("gate", done, of)))  # fmt: skip
    finally:
        before.close()
        after.close()
    found = judge(scored, frozenset(new.labels) - frozenset(old.labels))
    found.figures["reads_without_image"] = missing
    return found
