"""An ECG as one soft token of the language model: ECG-JEPA, a projection, and a hook on the input embedding.

The prompt holds one added special token per ECG, found by its name in the tokenizer (QoQ-Med's 151665 is another token
in Qwen3's, so no id is ever assumed). While `soft_tokens` lasts, a forward hook on the input embedding puts the
projected vectors where that token stands; everything else of the model, `generate()`, its key-value cache, pictures
beside, is left as it is, and M-RoPE counts the token as text. After DDVD233/QoQ_Med @97f7f3d (one token per ECG);
a model without an ECG gets no token, where the published code embeds zeros.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from wetread.errors import ModelUnavailable
from wetread.model.checkpoint import ECG_FILE
from wetread.model.ecg_input import Normalisation, encoder_input
from wetread.model.ecg_jepa import ECGJEPA
from wetread.model.families import TIME_SERIES_TOKEN
from wetread.model.tensor_names import PUBLISHED_ECG_PREFIX, tensor_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from wetread.imaging.waveform import Waveform
    from wetread.model.checkpoint import ModelInfo


@dataclass(frozen=True, slots=True)
class ECGSettings:
    """The `ecg` entry of `wetread.json`.

    Args:
        embed_dim: width of the encoder.
        depth: its blocks.
        num_heads: its attention heads.
        normalisation: what the checkpoint was taught on, see `ecg_input`.
        token: the special token that an ECG takes the place of.
    """

    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 16
    normalisation: Normalisation = Normalisation.NONE
    token: str = TIME_SERIES_TOKEN

    @classmethod
    def of(cls, said: dict[str, Any]) -> ECGSettings:
        """From JSON.

        Raises:
            ValueError, TypeError: an entry that does not exist, or a value it cannot have.
        """
        return cls(**{**said, "normalisation": Normalisation(said.get("normalisation", Normalisation.NONE))})

    def as_json(self) -> dict[str, Any]:
        """To JSON."""
        return asdict(self) | {"normalisation": self.normalisation.value}


class ECGTower(nn.Module):
    """Encoder and projection: an ECG to one vector of the language model's width.

    Args:
        settings: of the encoder.
        width: D of the language model's input embedding (3584 for QoQ-Med-7B).
    """

    def __init__(self, settings: ECGSettings, width: int) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = ECGJEPA(settings.embed_dim, settings.depth, settings.num_heads)
        self.projection = nn.Linear(settings.embed_dim, width)

    def forward(self, signals: torch.Tensor, leads: Sequence[int] | None = None) -> torch.Tensor:
        """(B, leads, 2500) normalised signals to (B, D); `leads` are indices in I, II, V1 to V6, all when None."""
        vectors: torch.Tensor = self.projection(self.encoder.representation(signals, leads))
        return vectors

    def embed(self, waveform: Waveform) -> torch.Tensor:
        """(1, D): the soft token of one ECG, in the precision and on the device of the projection."""
        signals, leads = encoder_input(waveform, self.settings.normalisation)
        weight = self.projection.weight
        return self(torch.tensor(signals, device=weight.device, dtype=weight.dtype)[None], leads)

    def blank(self, waveform: Waveform) -> torch.Tensor:
        """(1, D): the soft token of the same leads without any signal; what a grounded finding differs from."""
        signals, leads = encoder_input(waveform, self.settings.normalisation)
        weight = self.projection.weight
        return self(torch.zeros((1, *signals.shape), device=weight.device, dtype=weight.dtype), leads)


def token_id(tokenizer: PreTrainedTokenizerFast, token: str = TIME_SERIES_TOKEN) -> int:
    """The id of the special token, by its name.

    Raises:
        ModelUnavailable: the tokenizer has no such token.
    """
    found = tokenizer.get_vocab().get(token)
    if found is None:
        raise ModelUnavailable(f"the tokenizer has no token {token}", tokenizer.name_or_path or "model",
                               "add it with wetread.model.ecg.add_token and save the model again")  # fmt: skip
    return int(found)


def add_token(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, token: str = TIME_SERIES_TOKEN) -> int:
    """Give a model the special token, with an embedding row where it needs one more; its id."""
    tokenizer.add_special_tokens({"additional_special_tokens": [token]}, replace_extra_special_tokens=False)
    rows = backbone.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:  # published checkpoints have spare rows; those are never taken away
        backbone.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return token_id(tokenizer, token)


@contextmanager
def soft_tokens(backbone: PreTrainedModel, token: int, vectors: torch.Tensor) -> Iterator[None]:
    """While this lasts, the input embedding gives `vectors` where `token` stands.

    Args:
        backbone: any model with `get_input_embeddings()`.
        token: id of the special token.
        vectors: (k, D), the k ECGs of every row in order; or (B, k, D), those of each row. Rows that a caller repeats
            (several answers to one prompt) keep theirs.

    The token is no word: keep it out of answers (`suppress_tokens=[token]` of `generate()`).

    Raises:
        ValueError: in the forward pass, where a prompt has another number of the tokens.
    """

    def put(_: nn.Module, inputs: tuple[torch.Tensor, ...], given: dict[str, Any], embedded: torch.Tensor) -> Any:
        ids = inputs[0] if inputs else given["input"]
        where = ids == token
        counts = where.sum(dim=-1)
        if not bool(counts.any()):
            return embedded  # a step of decoding, or a prompt without an ECG
        placed = _per_row(vectors, len(ids))
        if not bool((counts == placed.shape[1]).all()):
            raise ValueError(f"{counts.tolist()} time-series tokens in the prompts for {placed.shape[1]} ECGs.")
        flat = placed.reshape(-1, placed.shape[-1]).to(embedded.device, embedded.dtype)
        return embedded.masked_scatter(where[..., None], flat)

    handle = backbone.get_input_embeddings().register_forward_hook(put, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _per_row(vectors: torch.Tensor, rows: int) -> torch.Tensor:
    if vectors.ndim == 2:
        return vectors[None].expand(rows, -1, -1)
    if rows % len(vectors):
        raise ValueError(f"ECGs of {len(vectors)} prompts for {rows} rows.")
    return vectors.repeat_interleave(rows // len(vectors), dim=0)


def save_ecg(tower: ECGTower, folder: Path) -> dict[str, Any]:
    """Write `ecg.safetensors` into a model folder; returns the `ecg` entry for its `wetread.json`."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in tower.state_dict().items()}, folder / ECG_FILE)
    return tower.settings.as_json()


def load_ecg(info: ModelInfo, width: int) -> ECGTower:
    """The tower of a model folder, float32, in evaluation mode.

    Args:
        info: of a model with an `ecg` entry.
        width: of the language model.

    Raises:
        ModelUnavailable: weights that are not there or do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = next((f / ECG_FILE for f in (info.folder, info.backbone_folder) if (f / ECG_FILE).is_file()), None)
    try:
        tower = ECGTower(ECGSettings.of(info.ecg), width)
        state = load_file(file) if file is not None else _published(info.backbone_folder)
        tower.load_state_dict({name: value.float() for name, value in state.items()})
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError) as error:
        where = file or info.backbone_folder
        raise ModelUnavailable(f"the ECG encoder does not load ({type(error).__name__})", where,
                               "repair the folder or download the model again") from error  # fmt: skip
    return tower.eval()


def _published(folder: Path) -> dict[str, torch.Tensor]:
    """The tower as QoQ-Med-Omni keeps it among the backbone's weights: ``encoder`` and ``linear``."""
    from safetensors import safe_open

    state: dict[str, torch.Tensor] = {}
    for name, path in tensor_files(folder, PUBLISHED_ECG_PREFIX).items():
        with safe_open(path, framework="pt") as held:
            own = name.removeprefix(PUBLISHED_ECG_PREFIX).replace("linear.", "projection.", 1)
            state[own] = held.get_tensor(name)
    return state


def load_encoder(file: Path, settings: ECGSettings) -> ECGJEPA:
    """An ECG-JEPA encoder from converted weights (`ecg_jepa.convert_checkpoint`), strictly.

    Raises:
        ModelUnavailable: not such a file, or of another size.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    encoder = ECGJEPA(settings.embed_dim, settings.depth, settings.num_heads)
    try:
        encoder.load_state_dict(load_file(file), strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelUnavailable(f"the ECG encoder does not load ({type(error).__name__})", file,
                               "convert the published checkpoint with wetread convert-ecg") from error  # fmt: skip
    return encoder.eval()
