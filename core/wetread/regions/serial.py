"""A description as plain values, for `description.json` and for training data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wetread.regions.facts import region_facts, told

if TYPE_CHECKING:
    from wetread.regions.describing import Description

FORMAT = "wetread-region-description-1"


def as_json(description: Description) -> dict[str, Any]:
    """Everything of a description but its pixels."""
    scene = description.scene
    return {
        "format": FORMAT,
        "language": description.language,
        "seed": description.seed,
        "text": description.text,
        "image": {
            "shape": list(description.grid.shape),
            "spacing_mm": list(description.grid.spacing) if description.grid.spacing is not None else None,
            "modality": scene.modality.value,
            "counts": [{"label": label, "regions": count} for label, count in scene.counts],
            "share": scene.share,
            "absent": list(scene.absent),
        },
        "described": [region.index for region in told(description)],
        "regions": [
            {**asdict(region), "text": text, "facts": region_facts(description, region)}
            for region, text in zip(description.regions, description.sentences, strict=True)
        ],
        "relations": [asdict(relation) for relation in description.relations],
    }
