"""A training recipe: one readable YAML file, validated before anything is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from wetread.errors import RefusedInput
from wetread.model.backbone import BackboneSize
from wetread.model.checkpoint import head_size
from wetread.terminology import find_target
from wetread.training.lessons import SetConfig
from wetread.training.run_file import at_least


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one supervised run does.

    Args:
        name: of the model, goes into `wetread.json`.
        version: of the model.
        licence: of the weights, as their data demands.
        data: folder that holds the labelled folders.
        output: run folder (checkpoints, metrics, the model).
        seed: of weights and lessons.
        steps: optimiser steps in all.
        batch: lessons a step.
        learning_rate: peak of the cosine.
        warmup_steps: linear warm-up.
        weight_decay: AdamW's.
        save_every: steps between resumable checkpoints.
        vocabulary: tokens of the BPE.
        backbone: size of the backbone.
        head: keyword arguments of `GroundingSize`.
        drawn_cells: weight of drawn cells among the lessons.
        drawn_uncovered: weight of drawn pictures that are to be abstained on.
        sets: the labelled folders.
    """

    name: str
    version: str
    licence: str
    data: Path
    output: Path
    seed: int
    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    save_every: int
    vocabulary: int
    backbone: BackboneSize
    head: dict[str, Any]
    drawn_cells: float
    drawn_uncovered: float
    sets: tuple[SetConfig, ...]

    def __post_init__(self) -> None:
        at_least(self, seed=0, steps=1, batch=1, learning_rate=0, warmup_steps=0, weight_decay=0, save_every=1,
                 vocabulary=1, drawn_cells=0, drawn_uncovered=0)  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the run folder."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def read_recipe(path: Path) -> Recipe:
    """Read and validate a recipe; relative folders in it count from the working directory.

    Raises:
        RefusedInput: unreadable, an unknown or missing field, or a label without a target.
    """
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RefusedInput(f"unreadable recipe ({type(error).__name__})", path, "give a YAML recipe file") from error
    return as_recipe(raw, path)


def as_recipe(raw: object, path: Path) -> Recipe:
    """Validate the fields of a recipe that was read from `path`.

    Raises:
        RefusedInput: an unknown or missing field, a value that does not fit, or a label without a target.
    """
    if not isinstance(raw, dict):
        raise RefusedInput("a recipe is a mapping of fields", path, "see core/wetread/training/recipes")
    known = {field.name for field in fields(Recipe)}
    wrong = sorted(known.symmetric_difference(raw))
    if wrong:
        raise RefusedInput(f"missing or unknown fields: {', '.join(wrong)}", path, f"a recipe has {sorted(known)}")
    try:
        sets = tuple(_set(item) for item in raw["sets"])
        recipe = Recipe(**raw | {"data": Path(raw["data"]), "output": Path(raw["output"]), "sets": sets,
                                 "backbone": BackboneSize(**raw["backbone"])})  # fmt: skip
        # Made only to be checked: a wrong word would otherwise be found after the minutes of loading.
        head_size(recipe.head, recipe.backbone.text_width)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RefusedInput(f"a field does not fit ({error})", path, "see core/wetread/training/recipes") from error
    unknown = [label for item in sets for label in item.labels if find_target(label) is None]
    if unknown:
        raise RefusedInput(f"labels without a target: {unknown}", path, "add them to terminology.TARGETS first")
    return recipe


def _set(item: dict[str, Any]) -> SetConfig:
    values = tuple(sorted((int(k), str(v)) for k, v in item.get("label_values", {}).items()))
    if "field_mm" in item:
        least, most = item["field_mm"]
        item = item | {"field_mm": (float(least), float(most))}
    return SetConfig(**item | {"labels": tuple(item["labels"]), "label_values": values})
