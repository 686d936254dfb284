"""LoRA adapters (PEFT): checked against their base before anything is loaded, then merged into it.

An adapter on another base loads without a word where the shapes happen to agree, and the model then says nonsense.
So the base is compared by the hash of its weights where the adapter's `wetread.json` keeps one (``base_sha256``),
else by name, and in any case by the shape of every matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wetread.errors import ModelUnavailable
from wetread.model.location import ADAPTER_FILE, CONFIG_FILE, display_name, read_object, said_by, weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class Adapter:
    """A checked adapter.

    Args:
        folder: where it lies.
        base: the base it names.
    """

    folder: Path
    base: str


def base_of_adapter(folder: Path) -> str | None:
    """The base that an adapter names; None where it names none."""
    named = _config(folder).get("base_model_name_or_path")
    return str(named) if named else None


def read_adapter(folder: Path, base: Path, base_sha256: str) -> Adapter:
    """An adapter that was made for this base.

    Args:
        folder: with `adapter_config.json` and `adapter_model.safetensors`.
        base: folder of the backbone.
        base_sha256: of its weights.

    Raises:
        ModelUnavailable: not a LoRA adapter, or for another base; one line says for which.
    """
    config = _config(folder)
    if config.get("peft_type", "LORA") != "LORA":
        raise ModelUnavailable(f"an adapter of kind {config['peft_type']}", folder, "only LoRA adapters are read")
    named = str(config.get("base_model_name_or_path") or "")
    recorded = said_by(folder).get("base_sha256")
    fits = recorded == base_sha256 if recorded else _last(named) in _names(base)
    if not fits:
        raise ModelUnavailable(
            f"an adapter for another base ({_last(named) or 'unnamed'}, not {display_name(base)})", folder,
            "give the model it was trained on, or another adapter",
        )  # fmt: skip
    weight_files(folder)
    return Adapter(folder, named)


def merge_adapter(backbone: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """The backbone with the adapter's low-rank updates added to its weights.

    Raises:
        ModelUnavailable: PEFT is missing, or a matrix of the adapter does not fit the backbone.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelUnavailable("PEFT is not installed", adapter.folder, "pip install 'wetread[train]'") from error
    _check_shapes(backbone, adapter)
    try:
        merged = PeftModel.from_pretrained(backbone, str(adapter.folder), is_trainable=False).merge_and_unload()
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise ModelUnavailable(
            f"the adapter does not fit ({type(error).__name__}: {error})", adapter.folder, "give its own base model"
        ) from error
    return merged


def _check_shapes(backbone: PreTrainedModel, adapter: Adapter) -> None:
    """Every low-rank pair has its linear layer, of its size."""
    from safetensors import safe_open

    modules = dict(backbone.named_modules())
    for file in weight_files(adapter.folder):
        with safe_open(file, framework="pt") as weights:
            for key in weights.keys():  # noqa: SIM118 - not a dict
                module, _, kind = key.removeprefix(_PREFIX).partition(".lora_")
                side = {"A": 1, "B": 0}.get(kind[:1])
                if side is None:
                    continue
                size = weights.get_slice(key).get_shape()[side]
                layer: Any = modules.get(module)
                expected = None if layer is None else (layer.in_features if side else layer.out_features)
                if size != expected:
                    found = "is not in it" if layer is None else f"is {expected} wide in it, {size} in the adapter"
                    raise ModelUnavailable(
                        f"an adapter for another base: {module} {found}", adapter.folder, "give its own base model"
                    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_FILE
    if not path.is_file():
        raise ModelUnavailable("not an adapter folder", folder, f"it needs {ADAPTER_FILE} and safetensors weights")
    return read_object(path)


def _last(name: str) -> str:
    """The part of a name or path that is compared: letter case and where it lay do not matter."""
    path = Path(name)
    for part in reversed(path.parts):
        if part.startswith("models--"):
            return part.split("--")[-1].lower()
    return path.name.lower()


def _names(base: Path) -> set[str]:
    """Names by which a base may be known: its folder's, its statement's, and what its configuration keeps."""
    names = {display_name(base), str(said_by(base).get("name", ""))}
    names.add(str(read_object(base / CONFIG_FILE).get("_name_or_path", "")))
    return {_last(name) for name in names if name}
