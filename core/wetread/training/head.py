"""The grounding head alone, on a finished model: the backbone is frozen, words stay as they are, masks are learned.

The lessons and losses are those of a supervised recipe (`sft`); only the head's weights move. For a model of ours that
is to learn new targets' outlines without forgetting how to answer, and after DRPO has moved the words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.errors import RefusedInput
from wetread.model.checkpoint import read_info
from wetread.model.loaded import load_model
from wetread.model.options import ModelOptions
from wetread.training.recipe import read_recipe
from wetread.training.run_file import at_least, read_run_file
from wetread.training.sft import MODEL_FOLDER, load_lessons, run

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """What a head run says in its YAML file.

    Args:
        start: name or folder of a model with a grounding head, at 256 x 256 pixels.
        recipe: the supervised recipe whose lessons are shown.
        output: run folder.
        steps: of the optimiser, in all.
        learning_rate: peak of the cosine.
        batch: lessons a step.
        save_every: steps between resumable checkpoints.
    """

    start: str
    recipe: Path
    output: Path
    steps: int
    learning_rate: float = 3e-4
    batch: int = 8
    save_every: int = 100

    def __post_init__(self) -> None:
        at_least(self, steps=1, learning_rate=0, batch=1, save_every=1)


def train_head(config: Path, report: Callable[[str], None]) -> Path:
    """Run or resume, and return the folder of the finished model.

    Args:
        config: YAML file of `HeadConfig`.
        report: takes a line of progress.

    Raises:
        RefusedInput: the file or the start does not fit.
    """
    said = read_run_file(config, HeadConfig)
    info = read_info(said.start)
    loaded = load_model(info, ModelOptions(device="cpu", dtype="float32"))
    if loaded.grounded is None or loaded.preprocessing.side != 256:
        raise RefusedInput(
            "a start without a grounding head for 256 x 256 pixels", said.start, "start from wetread-mini"
        )
    recipe = replace(read_recipe(said.recipe), output=said.output, steps=said.steps, batch=said.batch, head=info.head,
                     learning_rate=said.learning_rate, save_every=said.save_every, name=info.name)  # fmt: skip
    loaded.grounded.backbone.requires_grad_(False)
    report("the backbone is frozen; only the grounding head is trained")
    run(recipe, load_lessons(recipe), loaded.tokenizer, report, model=loaded.grounded)
    return said.output / MODEL_FOLDER
