"""What a model says of itself: `wetread.json`, or what a foreign checkpoint's own files tell.

Four kinds of folder are read, all without torch, so that a server can list its models before any weight is loaded:
a model of ours (backbone, `grounding.safetensors`, `wetread.json`); any Qwen-VL checkpoint in Hugging Face layout;
a companion, `wetread.json` and a head without a backbone, which names its ``base``; and a PEFT adapter. Weights are
safetensors only. The Device UID derives from the hash of all weights: every fine-tune is a new device (IHE AIR).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread import uids
from wetread.errors import ModelUnavailable
from wetread.findings import BoxFrame
from wetread.model.adapters import Adapter, base_of_adapter, read_adapter
from wetread.model.families import FAMILIES, PromptVariant, family_of_type, known_checkpoint
from wetread.model.location import (
    ADAPTER_FILE,
    CONFIG_FILE,
    MODEL_FILE,
    SHIPPED,
    display_name,
    find,
    is_hub_id,
    read_object,
    said_by,
    shipped,
    weight_files,
)
from wetread.model.options import ModelOptions
from wetread.model.tensor_names import has_published_ecg
from wetread.model.weights_hash import combined, hash_of_files
from wetread.terminology import TARGETS, Modality

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from wetread.model.grounded import GroundedModel
    from wetread.model.grounding import GroundingSize

__all__ = ["GROUNDING_FILE", "MODEL_FILE", "SHIPPED", "ModelInfo", "head_size", "locate", "read_info", "save_model"]

GROUNDING_FILE = "grounding.safetensors"
ECG_FILE = "ecg.safetensors"
TAUGHT_FILE = "taught.safetensors"
"""A second grounding head, for the targets that a site taught by corrections (`ModelInfo.taught`)."""
PUBLISHED_ECG = {"embed_dim": 768, "depth": 12, "num_heads": 16, "normalisation": "z-score"}
"""Of QoQ-Med-Omni (DDVD233/QoQ_Med @97f7f3d); its normalisation is that of EasyR1's preparation, nobody states it."""
LONGEST_NAME = 64
"""Of a DICOM LO value, where the model's name goes."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model covers, and where it was found.

    Args:
        name: e.g. ``wetread-mini``.
        version: of these weights.
        family: architecture whose classes load it (``qwen3_vl``).
        box_frame: frame of the boxes the language model writes.
        side: the picture is scaled to side x side pixels for the model; 0 where it keeps its aspect (`LoadedModel.fit`
            knows both).
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
        prompt: what is said around the question.
        instruction: replaces the variant's own words after the question; empty keeps them.
        pixels: least and most pixels of a picture; None where the family and `preprocessor_config.json` decide.
        backbone: folder of the backbone's weights, where it is not `folder`.
        adapter: a LoRA adapter that is merged into the backbone.
        grounds: False where there is no grounding head: findings are boxes without masks.
        options: how it is to be loaded; part of no statement.
        images: most pictures that it learned to see in one question.
        volume_query: how an answer is grounded on further planes: ``own`` (the language model reads each with the
            answer) or ``fixed`` (the `<seg>` states of the written answer serve all).
        ecg: settings of the ECG encoder (`ecg.ECGSettings`); empty where there is none.
        taught: target -> how many patients' corrections taught it. The language model never learned its name: it is
            found where a question names it, by the second head.
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
    prompt: PromptVariant = PromptVariant.MINI
    instruction: str = ""
    pixels: tuple[int, int] | None = None
    backbone: Path | None = None
    adapter: Adapter | None = None
    grounds: bool = True
    options: ModelOptions = field(default_factory=ModelOptions)
    images: int = 1
    volume_query: str = "own"
    ecg: dict[str, Any] = field(default_factory=dict)
    taught: dict[str, int] = field(default_factory=dict)

    @property
    def device_uid(self) -> str:
        """DICOM UID of this device: changes whenever a weight changes."""
        return uids.derived(uids.DEVICES, self.weights_sha256)

    @property
    def backbone_folder(self) -> Path:
        """Where `config.json` and the backbone's weights lie."""
        return self.backbone or self.folder


def locate(model: str | Path) -> Path:
    """The folder with `wetread.json` of a shipped model's name or of a path.

    Raises:
        ModelUnavailable: neither; the message tells how to get it.
    """
    for folder in (Path(model), SHIPPED / str(model)):
        if (folder / MODEL_FILE).is_file():
            return folder
    raise ModelUnavailable("no such model", model, f"give a folder with {MODEL_FILE}, or one of the shipped models "
                           f"({', '.join(shipped()) or 'none'})")  # fmt: skip


def read_info(model: str | Path, adapter: str | Path | None = None, options: ModelOptions | None = None) -> ModelInfo:
    """What a model says of itself; loads no weights and no torch.

    Args:
        model: a shipped model's name, a folder of one of the four kinds, or a hub id.
        adapter: folder of a LoRA adapter for it.
        options: kept for when it is loaded; chosen from the hardware then when None.

    Raises:
        ModelUnavailable: not there, not readable, or an adapter for another base.
    """
    folder = find(model)
    said = said_by(folder)
    if adapter is None and (folder / ADAPTER_FILE).is_file() and not (folder / CONFIG_FILE).is_file():
        adapter = folder
    base = folder
    if not (folder / CONFIG_FILE).is_file():
        base = _base(folder, said, adapter)
    complete = said if base == folder else said_by(base)
    statement = (complete or _derived(base, model if base == folder else None)) | said
    digests = [hash_of_files(weight_files(base))]
    own = [folder / name for name in (GROUNDING_FILE, ECG_FILE, TAUGHT_FILE) if (folder / name).is_file()]
    if base != folder and own:
        digests.append(hash_of_files(own))
    merged = None
    if adapter is not None:
        merged = read_adapter(Path(adapter), base, digests[0])
        digests.append(hash_of_files(weight_files(Path(adapter))))
    info = _info(statement, folder, base, merged, combined(digests))
    return replace(info, options=options) if options is not None else info


def _info(said: dict[str, Any], folder: Path, base: Path, adapter: Adapter | None, digest: str) -> ModelInfo:
    try:
        side = int(said["side"])
        pixels = said.get("pixels")
        return ModelInfo(
            name=said["name"],
            version=said["version"],
            family=said["family"],
            box_frame=BoxFrame(said["box_frame"]),
            side=side,
            modalities=tuple(Modality(m) for m in said["modalities"]),
            labels=tuple(said["labels"]),
            field_mm={label: (float(least), float(most)) for label, (least, most) in said["field_mm"].items()},
            licence=said["licence"],
            training_data=tuple(said["training_data"]),
            training=dict(said["training"]),
            metrics=dict(said["metrics"]),
            head=dict(said["head"]),
            weights_sha256=digest,
            folder=folder,
            prompt=PromptVariant(said.get("prompt", PromptVariant.MINI if side else PromptVariant.PLAIN)),
            instruction=str(said.get("instruction", "")),
            pixels=(int(pixels[0]), int(pixels[1])) if pixels else None,
            backbone=base if base != folder else None,
            adapter=adapter,
            images=int(said.get("images", 1)),
            volume_query=str(said.get("volume_query", "own")),
            grounds=any((place / GROUNDING_FILE).is_file() for place in (folder, base)),
            ecg=dict(said.get("ecg", {})),
            taught={str(label): int(count) for label, count in said.get("taught", {}).items()},
        )
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ModelUnavailable(
            f"unreadable {MODEL_FILE} ({type(error).__name__}: {error})", folder, "repair or download it again"
        ) from error


def _base(folder: Path, said: dict[str, Any], adapter: str | Path | None) -> Path:
    """The folder of the backbone that a companion or an adapter names; a path may be relative to the folder."""
    named = said.get("base") or (base_of_adapter(Path(adapter)) if adapter is not None else None)
    if not isinstance(named, str) or not named:
        raise ModelUnavailable(f"neither {CONFIG_FILE} nor a base", folder, f'name it in {MODEL_FILE}: "base": "..."')
    beside = folder / named
    if (beside / CONFIG_FILE).is_file():
        return beside
    if Path(named).is_absolute() and not Path(named).is_dir() and known_checkpoint(Path(named).name):
        named = str(known_checkpoint(Path(named).name).hub_id)  # type: ignore[union-attr] # trained elsewhere
    found = find(named)
    if not (found / CONFIG_FILE).is_file():
        raise ModelUnavailable(f"its base {named!r} is no whole model", folder, f"name a model with {CONFIG_FILE}")
    return found


def _derived(folder: Path, asked: str | Path | None) -> dict[str, Any]:
    """A statement for weights without one, from `config.json` and the table; a `wetread.json` beside them wins."""
    config = read_object(folder / CONFIG_FILE)
    model_type = str(config.get("model_type"))
    family = family_of_type(model_type)
    if family is None:
        raise ModelUnavailable(
            f"no family reads model_type {model_type!r}", folder,
            f"use a checkpoint of {', '.join(t for f in FAMILIES for t in f.model_types)}",
        )  # fmt: skip
    named = str(asked) if asked is not None and is_hub_id(str(asked)) else display_name(folder)
    known = known_checkpoint(named) or known_checkpoint(str(config.get("_name_or_path", "")))
    ecg = PUBLISHED_ECG if has_published_ecg(folder) else {}
    without = set() if ecg else {Modality.ECG}
    return {
        "name": named.split("/")[-1][:LONGEST_NAME],
        "version": folder.name[:12] if folder.parent.name == "snapshots" else "unstated",
        "family": family.name,
        "box_frame": family.box_frame,
        "side": 0,
        "modalities": [modality for modality in Modality if modality not in without],
        "labels": [target.label for target in TARGETS],
        "field_mm": {},
        "licence": known.licence if known else "unstated; see where the weights come from",
        "training_data": [],
        "training": {},
        "metrics": {},
        "head": {},
        "ecg": ecg,
        "prompt": known.prompt if known else family.prompt,
        "pixels": known.pixels if known else None,
        "images": family.most_pictures,
        "volume_query": "fixed",  # the language model never reads every slice of a volume
    }


def head_size(info: dict[str, Any], language: int) -> GroundingSize:
    """The head's size from `wetread.json` and the backbone's width."""
    from wetread.model.grounding import GroundingSize

    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in info.items()}
    return GroundingSize(language=language, **given)


def load_model(info: ModelInfo) -> tuple[GroundedModel, PreTrainedTokenizerFast]:
    """Backbone and head as one module and the tokenizer, float32 on the CPU: where training begins.

    Raises:
        ModelUnavailable: weights that do not load, or no grounding head.
    """
    from wetread.model.loaded import load_model as load

    model = load(info, ModelOptions(device="cpu", dtype="float32"))
    if model.grounded is None:
        raise ModelUnavailable("no grounding head", info.folder, f"a model to train on needs {GROUNDING_FILE}")
    return model.grounded, model.tokenizer


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

    from torch import bfloat16

    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model.backbone).to(bfloat16).save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    save_head(model.head, folder)
    (folder / MODEL_FILE).write_text(json.dumps(statement, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def save_head(head: Any, folder: Path, name: str = GROUNDING_FILE) -> None:
    """Write a grounding head alone, bfloat16: all that a companion folder needs beside its `wetread.json`."""
    from safetensors.torch import save_file
    from torch import bfloat16

    weights = {
        key: (value.to(bfloat16) if value.is_floating_point() else value).contiguous()
        for key, value in head.state_dict().items()
    }
    save_file(weights, folder / name)
