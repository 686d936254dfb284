"""Model folders: Hugging Face layout + `grounding.safetensors` + `wetread.json`.

`wetread.json` is the model's own statement of what it is and covers; it is read without torch, so that a server can
list its models before any weight is loaded. Weights are safetensors only. The Device UID is derived from the hash of
all weights: every fine-tune is a new device (IHE AIR).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread import uids
from wetread.errors import ModelUnavailable
from wetread.findings import BoxFrame
from wetread.terminology import Modality

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from wetread.model.grounded import GroundedModel
    from wetread.model.grounding import GroundingSize

MODEL_FILE = "wetread.json"
GROUNDING_FILE = "grounding.safetensors"
SHIPPED = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `wetread.json` says, and where it was found.

    Args:
        name: e.g. ``wetread-mini``.
        version: of these weights.
        family: architecture whose classes load it (``qwen3_vl``).
        box_frame: frame of the boxes the language model writes.
        side: the picture is scaled to side x side pixels for the model.
        modalities: what it was trained on; others are abstained on.
        labels: targets it may name.
        field_mm: target -> (least, most) mm across of the images it was learned on, where spacing was known.
        licence: of the weights.
        training_data: sets with their licences.
        training: steps, batch and seed.
        metrics: figures that `wetread evaluate --record` wrote: data and part -> label -> figures.
        head: keyword arguments of `GroundingSize`.
        weights_sha256: over all weight files, set when loaded from a folder.
        folder: where it lies.
    """

    name: str
    version: str
    family: str
    box_frame: BoxFrame
    side: int
    modalities: tuple[Modality, ...]
    labels: tuple[str, ...]
    field_mm: dict[str, tuple[float, float]]
    licence: str
    training_data: tuple[str, ...]
    training: dict[str, Any]
    metrics: dict[str, Any]
    head: dict[str, Any]
    weights_sha256: str
    folder: Path

    @property
    def device_uid(self) -> str:
        """DICOM UID of this device: changes whenever a weight changes."""
        return uids.derived(uids.DEVICES, self.weights_sha256)


def locate(model: str | Path) -> Path:
    """The folder of a shipped model's name or of a path.

    Raises:
        ModelUnavailable: neither; the message tells how to get it.
    """
    for folder in (Path(model), SHIPPED / str(model)):
        if (folder / MODEL_FILE).is_file():
            return folder
    shipped = ", ".join(sorted(p.parent.name for p in SHIPPED.glob(f"*/{MODEL_FILE}"))) or "none"
    raise ModelUnavailable(
        "no such model", model, f"give a folder with {MODEL_FILE}, or one of the shipped models ({shipped})"
    )


def read_info(model: str | Path) -> ModelInfo:
    """What a model says of itself; loads no weights and no torch."""
    folder = locate(model)
    path = folder / MODEL_FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return ModelInfo(
            name=said["name"],
            version=said["version"],
            family=said["family"],
            box_frame=BoxFrame(said["box_frame"]),
            side=int(said["side"]),
            modalities=tuple(Modality(m) for m in said["modalities"]),
            labels=tuple(said["labels"]),
            field_mm={label: (float(least), float(most)) for label, (least, most) in said["field_mm"].items()},
            licence=said["licence"],
            training_data=tuple(said["training_data"]),
            training=dict(said["training"]),
            metrics=dict(said["metrics"]),
            head=dict(said["head"]),
            weights_sha256=_hash_of_weights(folder),
            folder=folder,
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"unreadable {MODEL_FILE} ({error})", path, "repair or download it again") from error


def _hash_of_weights(folder: Path) -> str:
    digest = hashlib.sha256()
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelUnavailable("no safetensors weights", folder, "download the model again; other formats are not read")
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def head_size(info: dict[str, Any], language: int) -> GroundingSize:
    """The head's size from `wetread.json` and the backbone's width."""
    from wetread.model.grounding import GroundingSize

    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in info.items()}
    return GroundingSize(language=language, **given)


def load_model(info: ModelInfo) -> tuple[GroundedModel, PreTrainedTokenizerFast]:
    """Backbone, head and tokenizer, float32, on the CPU, ready to read.

    Raises:
        ModelUnavailable: weights that are missing or do not fit the configuration.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torch import float32
    from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast
    from transformers.utils import logging

    from wetread.model.grounded import GroundedModel
    from wetread.model.grounding import GroundingHead

    logging.disable_progress_bar()
    try:
        backbone = AutoModelForImageTextToText.from_pretrained(
            info.folder, dtype=float32, attn_implementation="sdpa", local_files_only=True, use_safetensors=True
        )
        tokenizer = PreTrainedTokenizerFast.from_pretrained(info.folder, local_files_only=True)
        head = GroundingHead(head_size(info.head, backbone.config.text_config.hidden_size))
        weights = load_file(info.folder / GROUNDING_FILE)
        head.load_state_dict({name: value.float() if value.is_floating_point() else value
                              for name, value in weights.items()})  # fmt: skip
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise ModelUnavailable(f"weights do not load ({type(error).__name__}: {error})", info.folder,
                               "repair the folder or download the model again") from error  # fmt: skip
    return GroundedModel(backbone, head).eval(), tokenizer


def save_model(
    model: GroundedModel, tokenizer: PreTrainedTokenizerFast, statement: dict[str, Any], folder: Path
) -> None:
    """Write a model folder in bfloat16 safetensors.

    Args:
        model: backbone and head; left as they are.
        tokenizer: saved beside.
        statement: the content of `wetread.json`.
        folder: made where missing; files of the same names are replaced.
    """
    import copy

    from safetensors.torch import save_file
    from torch import bfloat16

    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model.backbone).to(bfloat16).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    head = {
        name: (value.to(bfloat16) if value.is_floating_point() else value).contiguous()
        for name, value in model.head.state_dict().items()
    }
    save_file(head, folder / GROUNDING_FILE)
    (folder / MODEL_FILE).write_text(json.dumps(statement, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
