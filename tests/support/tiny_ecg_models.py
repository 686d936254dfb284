"""Tiny random checkpoints that can take an ECG: a family's tiny checkpoint, the special token and an encoder beside."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_checkpoints import build_checkpoint


def build_ecg_model(kind: str, folder: Path, *, inside: bool = False, seed: int = 0) -> Path:
    """A model folder with `wetread.json`.

    Args:
        kind: key of `tiny_checkpoints.LAYOUTS`.
        folder: its parent.
        inside: keep encoder and projection among the backbone's weights, as QoQ-Med-Omni does.
        seed: of the weights.
    """
    import torch
    from safetensors.torch import save_file

    from wetread.model.checkpoint import read_info
    from wetread.model.ecg import ECGSettings, ECGTower, add_token, save_ecg
    from wetread.model.loaded import load_model
    from wetread.model.options import ModelOptions

    target = build_checkpoint(kind, folder, seed=seed, name=f"ecg-{kind}")
    info = read_info(target)
    model = load_model(info, ModelOptions(device="cpu", dtype="float32"))
    if not inside:
        rows = model.backbone.get_input_embeddings().num_embeddings
        add_token(model.backbone, model.tokenizer)
        assert model.backbone.get_input_embeddings().num_embeddings == max(rows, len(model.tokenizer))
        model.tokenizer.save_pretrained(target)
    torch.manual_seed(seed)
    tower = ECGTower(ECGSettings(embed_dim=32, depth=2, num_heads=4), model.width)
    for parameter in tower.parameters():
        if parameter.dim() > 1 and parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    settings = tower.settings.as_json()
    if inside:
        names = {name.replace("projection.", "linear.", 1): value for name, value in tower.state_dict().items()}
        own = {f"time_series_embedding.{name}": value.contiguous() for name, value in names.items()}
        save_file(own, target / "model-ecg.safetensors", metadata={"format": "pt"})
    else:
        settings = save_ecg(tower, target)
    said = {
        "name": f"tiny-ecg-{kind}", "version": "1", "family": info.family, "box_frame": info.box_frame.value,
        "side": 0, "modalities": ["ECG", "CT"], "labels": [], "field_mm": {}, "licence": "none", "training_data": [],
        "training": {}, "metrics": {}, "head": {}, "prompt": info.prompt.value, "ecg": settings,
    }  # fmt: skip
    (target / "wetread.json").write_text(json.dumps(said), encoding="utf-8")
    return target
