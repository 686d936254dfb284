"""A small network that names rhythms from measured beats: several perceptrons whose mean decides, calibrated.

A model folder of this kind holds `rhythm.safetensors` and `rhythm.json` and stands beside a shipped model as
``NAME-ecg``: models of that name that have no ECG encoder of their own read ECGs with it. It has a device UID of its
own, because what it says is its own. Presence is calibrated after Platt (1999) on records that the network did not
see in training; a statement is made from its `threshold` on, which was chosen on the same records.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread import uids
from wetread.errors import ModelUnavailable
from wetread.model.location import SHIPPED
from wetread.model.weights_hash import hash_of_files
from wetread.rhythms import find_rhythm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

WEIGHTS_FILE, STATEMENT_FILE = "rhythm.safetensors", "rhythm.json"


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing the network may say.

    Args:
        label: of `rhythms`.
        threshold: least presence from which it is said.
        slope: of Platt's calibration, presence = sigmoid(slope x logit + offset).
        offset: of the same.
    """

    label: str
    threshold: float
    slope: float
    offset: float


@dataclass(frozen=True)
class RhythmModel:
    """What a rhythm network says of itself, and where its weights lie; nothing is loaded until it is asked.

    Args:
        name: e.g. ``wetread-mini-ecg``.
        version: of these weights.
        statements: in the order of the network's outputs.
        features: names of its inputs, in order.
        licence: of the weights.
        training_data: sets with their licences.
        metrics: held-out figures, as the training command wrote them.
        folder: where it lies.
    """

    name: str
    version: str
    statements: tuple[Statement, ...]
    features: tuple[str, ...]
    licence: str
    training_data: tuple[str, ...]
    metrics: dict[str, Any] = field(repr=False)
    folder: Path

    @cached_property
    def weights_sha256(self) -> str:
        """Over the weights and the statement: thresholds and calibration decide as much as weights do."""
        return hash_of_files([self.folder / WEIGHTS_FILE, self.folder / STATEMENT_FILE])

    @property
    def device_uid(self) -> str:
        """DICOM UID of this device."""
        return uids.derived(uids.DEVICES, self.weights_sha256)

    @cached_property
    def _weights(self) -> dict[str, Tensor]:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.folder / WEIGHTS_FILE)
        except (OSError, SafetensorError) as error:
            raise ModelUnavailable(f"the rhythm network does not load ({type(error).__name__})", self.folder,
                                   "repair the folder or install the package again") from error  # fmt: skip

    def presence(self, features: NDArray[np.float64]) -> tuple[float, ...]:
        """Calibrated presence of every statement, from (F,) features of `ecg_beats`.

        Raises:
            ModelUnavailable: the weights do not load.
        """
        import torch

        logits = forward(self._weights, torch.tensor(features[None], dtype=torch.float32))[0]
        slope = torch.tensor([s.slope for s in self.statements])
        offset = torch.tensor([s.offset for s in self.statements])
        return tuple(torch.sigmoid(slope * logits + offset).tolist())


def forward(weights: dict[str, Tensor], features: Tensor, dropout: float = 0.0) -> Tensor:
    """(B, F) features to (B, L) logits; every statement has M perceptrons of its own, whose mean decides.

    Args:
        weights: `centre` and `scale` (F), `hidden.weight` (M, L, F, H),
            `hidden.bias` (M, L, H), `out.weight` (M, L, H), `direct.weight` (M, L, F) past the hidden
            layer, `out.bias` (M, L).
        features: as measured; scaled, and held to four spreads, here.
        dropout: of inputs and hidden units, in training only.
    """
    import torch
    from torch.nn.functional import dropout as drop

    scaled = ((features - weights["centre"]) / weights["scale"]).clamp(-4.0, 4.0)
    given = drop(scaled, dropout / 2, dropout > 0)
    hidden = torch.einsum("bf,mlfh->mblh", given, weights["hidden.weight"])
    hidden = drop(torch.nn.functional.gelu(hidden + weights["hidden.bias"][:, None]), dropout, dropout > 0)
    out: Tensor = torch.einsum("mblh,mlh->mbl", hidden, weights["out.weight"]) + weights["out.bias"][:, None]
    return (out + torch.einsum("bf,mlf->mbl", given, weights["direct.weight"])).mean(dim=0)


def rhythm_model(name: str) -> RhythmModel | None:
    """The rhythm network that ships for models of this name; None where there is none."""
    folder = SHIPPED / f"{name}-ecg"
    return read_rhythm_model(folder) if (folder / STATEMENT_FILE).is_file() else None


def read_rhythm_model(folder: Path) -> RhythmModel:
    """A rhythm network's folder.

    Raises:
        ModelUnavailable: not such a folder, or a statement that has no code.
    """
    from wetread.model.ecg_beats import FEATURES

    try:
        said = json.loads((folder / STATEMENT_FILE).read_text(encoding="utf-8"))
        model = RhythmModel(
            name=said["name"], version=said["version"], licence=said["licence"], metrics=said["metrics"],
            training_data=tuple(said["training_data"]), features=tuple(said["features"]), folder=folder,
            statements=tuple(Statement(**one) for one in said["statements"]),
        )  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"no rhythm network ({type(error).__name__})", folder,
                               f"give a folder with {STATEMENT_FILE} and {WEIGHTS_FILE}") from error  # fmt: skip
    if model.features != FEATURES or any(find_rhythm(s.label) is None for s in model.statements):
        raise ModelUnavailable("a rhythm network of another version", folder, "train it again: wetread train rhythm")
    return model
