"""`wetread train head`: the head moves, the backbone does not."""

import torch
import yaml

from wetread.model.checkpoint import read_info
from wetread.model.loaded import load_model
from wetread.training.head import train_head


def test_only_the_head_moves(tmp_path):
    recipe = {
        "name": "x", "version": "0", "licence": "none", "data": str(tmp_path), "output": str(tmp_path / "unused"),
        "seed": 1, "steps": 9, "batch": 9, "learning_rate": 1e-3, "warmup_steps": 1, "weight_decay": 0.0,
        "save_every": 9, "vocabulary": 640, "backbone": {}, "head": {"rounds": 2}, "drawn_cells": 1.0,
        "drawn_uncovered": 0.0, "sets": [],
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run = {"start": "wetread-mini", "recipe": str(tmp_path / "recipe.yaml"), "output": str(tmp_path / "run"),
           "steps": 1, "batch": 1, "learning_rate": 1e-2}  # fmt: skip
    (tmp_path / "head.yaml").write_text(yaml.safe_dump(run))
    folder = train_head(tmp_path / "head.yaml", lambda _: None)
    one, two = (load_model(read_info(name)).grounded for name in ("wetread-mini", folder))
    for name, weights in one.backbone.state_dict().items():
        assert torch.equal(weights, two.backbone.state_dict()[name]), name
    assert any(not torch.equal(w, two.head.state_dict()[name]) for name, w in one.head.state_dict().items())
