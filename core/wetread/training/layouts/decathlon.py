"""MONAI's decathlon list: `dataset.json` with `training: [{"image", "label"}]`, `labels` and `modality`.

Of an image with several channels (multi-parametric MR) the first is shown; its name decides the modality.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wetread.terminology import Modality
from wetread.training.layouts.picture import BadItem, Index, Options, Picture, inside, modality_word
from wetread.training.layouts.slices import pictures_of, read_volume_with_labels


@dataclass(frozen=True, slots=True)
class DecathlonEntry:
    """One volume and its label map."""

    id: str
    group: str
    modality: Modality
    root: Path
    image: str
    label: str
    names: tuple[tuple[int, str], ...]

    def load(self) -> list[Picture]:
        """The chosen slices."""
        image, label = inside(self.root, self.image, "image"), inside(self.root, self.label, "label")
        return pictures_of(read_volume_with_labels(image, label, dict(self.names), self.modality), self.modality)


def detect(root: Path) -> bool:
    """True where `dataset.json` lists training pairs."""
    try:
        content = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and isinstance(content.get("training"), list) and "labels" in content


def index(root: Path, options: Options) -> Index:
    """The training and validation pairs; `test` has no labels."""
    content = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    found = Index(licence=options.licence or str(content.get("licence") or content.get("license") or ""))
    try:
        names = _names(content["labels"])
        channels = content.get("modality") or content.get("channel_names") or {}
        first = channels.get("0") if isinstance(channels, Mapping) else channels
        modality = modality_word(first, options.modality)
    except (BadItem, ValueError, TypeError, AttributeError) as error:
        found.bad.append(("dataset.json", str(error)))
        return found
    listed = [*content["training"], *(content.get("validation") or [])]
    for number, pair in enumerate(listed):
        where = f"dataset.json#{number}"
        try:
            if not isinstance(pair, Mapping) or "label" not in pair:
                raise BadItem("not a pair of image and label")
            image, label = str(pair["image"]), str(pair["label"])
            inside(root, image, "image")
            inside(root, label, "label")
        except KeyError as error:
            found.bad.append((where, f"no {error}"))
            continue
        except BadItem as error:
            found.bad.append((where, str(error)))
            continue
        clean = image.removeprefix("./")
        found.entries.append(DecathlonEntry(clean, clean, modality, root, clean, label.removeprefix("./"), names))
    return found


def _names(labels: Mapping[str, object]) -> tuple[tuple[int, str], ...]:
    """`{"1": "liver"}` as the decathlon writes it, or `{"liver": 1}` as nnU-Net does."""
    pairs = [(int(k), str(v)) if str(k).isdigit() else (int(str(v)), str(k)) for k, v in labels.items()]
    named = tuple(sorted(pair for pair in pairs if pair[0] > 0))
    if not named:
        raise BadItem("no label is named")
    return named
