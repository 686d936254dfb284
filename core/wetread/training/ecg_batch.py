"""ECGs in a training batch: what the encoder takes for each row, and the soft tokens while a batch goes through.

A row holds one ECG or none; `wetread.model.ecg` embeds it where the prompt's time-series token stands. TRL cuts a
batch of rollouts into micro-batches, shuffles and repeats it; the signals therefore travel as one tensor beside the
token ids, and the hook takes the rows that are going through at that moment. Gradients reach encoder and projection.
Arrays of a data set come at 500 Hz or 250 Hz for ten seconds, twelve leads in the usual order or eight
(I, II, V1 to V6); all are brought to (8, 2500).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wetread.errors import RefusedInput
from wetread.model.ecg_input import RATE_HZ, SAMPLES, normalised, resampled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from wetread.model.ecg import ECGTower
    from wetread.model.ecg_input import Normalisation

LEADS = 8
OF_TWELVE = (0, 1, 6, 7, 8, 9, 10, 11)  # I, II, V1 to V6 of I, II, III, aVR, aVL, aVF, V1 to V6
SECONDS = SAMPLES / RATE_HZ


def signals_of(waveform: NDArray[np.floating], normalisation: Normalisation) -> NDArray[np.float32]:
    """(8, 2500) float32 of one array of a data set.

    Args:
        waveform: (12, samples) or (8, samples), ten seconds.
        normalisation: of the encoder.

    Raises:
        RefusedInput: another number of leads, or values that are not numbers.
    """
    if waveform.ndim != 2 or waveform.shape[0] not in (12, LEADS) or waveform.shape[1] < 2:
        raise RefusedInput(f"waveform of shape {waveform.shape}", "waveform", "give twelve leads, or I, II, V1 to V6")
    if not np.isfinite(waveform).all():
        raise RefusedInput("waveform with values that are not numbers", "waveform", "left out")
    chosen = waveform[list(OF_TWELVE)] if waveform.shape[0] == 12 else waveform
    rate = waveform.shape[1] / SECONDS
    return normalised(np.stack([resampled(lead, rate) for lead in chosen]), normalisation).astype(np.float32)


def stacked(rows: Sequence[NDArray[np.float32] | None]) -> torch.Tensor | None:
    """(B, 8, 2500) of all rows, NaN where a row has no ECG; None where none has."""
    if all(row is None for row in rows):
        return None
    none = np.full((LEADS, SAMPLES), np.nan, dtype=np.float32)
    return torch.from_numpy(np.stack([none if row is None else row for row in rows]))


@contextmanager
def ecg_rows(
    backbone: PreTrainedModel, tower: ECGTower, token: int, signals: torch.Tensor | None
) -> Iterator[None]:  # fmt: skip
    """While this lasts, each row's time-series token is its own ECG's vector.

    Args:
        backbone: any model with `get_input_embeddings()`.
        tower: encoder and projection; called inside the forward pass, so that gradients reach it.
        token: id of the special token.
        signals: (B, 8, 2500) of the rows that go through, NaN rows without an ECG; None leaves all as it is.

    Raises:
        ValueError: in the forward pass, where a prompt has a token and no ECG, or an ECG and no token.
    """
    if signals is None:
        yield
        return
    there = ~torch.isnan(signals).flatten(1).any(1)

    def put(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...], given: dict[str, Any], embedded: torch.Tensor) -> Any:
        where = (inputs[0] if inputs else given["input"]) == token
        if not bool(where.any()):
            return embedded  # a step of decoding
        if where.sum(dim=-1).tolist() != there.long().tolist():
            raise ValueError(f"Time-series tokens {where.sum(dim=-1).tolist()} for ECGs {there.long().tolist()}.")
        weight = tower.projection.weight
        vectors = tower(signals[there].to(weight.device, weight.dtype))
        return embedded.masked_scatter(where[..., None], vectors.to(embedded.device, embedded.dtype))

    handle = backbone.get_input_embeddings().register_forward_hook(put, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
