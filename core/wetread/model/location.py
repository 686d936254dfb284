"""Where a model lies: a shipped name, a folder, or a hub id in huggingface_hub's cache.

A folder always wins over a hub id of the same spelling. Gigabytes are never fetched behind a person's back: what is
not in the cache is named with the command that gets it, unless WETREAD_DOWNLOAD=1 allows it to be fetched at once.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from wetread.errors import ModelUnavailable

MODEL_FILE, CONFIG_FILE, ADAPTER_FILE = "wetread.json", "config.json", "adapter_config.json"
INDEX_FILE = "model.safetensors.index.json"
SHIPPED = Path(__file__).parent / "weights"
REPAIR = "repair the folder or download the model again"
DOWNLOAD = "WETREAD_DOWNLOAD"
HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_WANTED = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
_UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def is_hub_id(name: str) -> bool:
    """True for ``organisation/name`` as the hub spells it."""
    return HUB_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def find(model: str | Path) -> Path:
    """The folder of a model.

    Args:
        model: name of a shipped model, folder, or hub id.

    Raises:
        ModelUnavailable: none of these is there; the message tells how to get it.
    """
    for folder in (Path(model), SHIPPED / str(model)):
        if any((folder / name).is_file() for name in (MODEL_FILE, CONFIG_FILE, ADAPTER_FILE)):
            return folder
    if Path(model).is_dir():
        raise ModelUnavailable(
            "not a model folder", model, f"it needs {CONFIG_FILE} and safetensors weights, or {MODEL_FILE}"
        )
    if is_hub_id(str(model)):
        return _in_cache(str(model))
    raise ModelUnavailable(
        "no such model", model,
        f"give a folder with {MODEL_FILE} or {CONFIG_FILE}, a hub id like Qwen/Qwen3-VL-8B-Instruct, or one of the "
        f"shipped models ({', '.join(shipped()) or 'none'})",
    )  # fmt: skip


def shipped() -> list[str]:
    """Names of the models inside this package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MODEL_FILE}"))


def _in_cache(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    allowed = os.environ.get(DOWNLOAD) == "1"
    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True, allow_patterns=list(_WANTED)))
    except LocalEntryNotFoundError as error:
        if not allowed:
            raise ModelUnavailable("no such model on this computer", hub_id, how_to_get(hub_id)) from error
    else:
        if not allowed or is_whole(folder):
            return folder
    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(_WANTED)))
    except (HfHubHTTPError, OSError) as error:
        why = f"the hub did not give it ({type(error).__name__})"
        raise ModelUnavailable(why, hub_id, how_to_get(hub_id)) from error


def how_to_get(hub_id: str) -> str:
    """One line: how a checkpoint of the hub comes to this computer."""
    return (
        f"run `hf download {hub_id}` (for a gated model set HF_TOKEN to a token that was granted access), or copy its "
        f"folder here and give the folder's path; {DOWNLOAD}=1 lets Wetread fetch it"
    )


def is_whole(folder: Path) -> bool:
    """True where the configuration and every weight file are there."""
    return (folder / CONFIG_FILE).is_file() and bool(list(folder.glob("*.safetensors"))) and not missing_shards(folder)


def missing_shards(folder: Path) -> list[str]:
    """Names of weight files that the shard index lists and the folder lacks."""
    index = folder / INDEX_FILE
    if not index.is_file():
        return []
    try:
        listed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelUnavailable(f"unreadable shard index ({error})", index, "download the model again") from error
    return sorted(name for name in listed if not (folder / name).is_file())


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, by name.

    Raises:
        ModelUnavailable: there are none, or some of the listed ones are missing.
    """
    missing = missing_shards(folder)
    if missing:
        raise ModelUnavailable(
            f"{len(missing)} weight files are missing, {missing[0]} first", folder, "finish or repeat the download"
        )
    files = sorted(folder.glob("*.safetensors"))
    if files and any("-of-" in file.stem for file in files) and not (folder / INDEX_FILE).is_file():
        raise ModelUnavailable(f"shards without {INDEX_FILE}", folder, "finish or repeat the download")
    if files:
        return files
    pickled = sorted(file.name for pattern in _UNSAFE for file in folder.glob(pattern))
    if pickled:
        raise ModelUnavailable(
            f"only pickled weights ({pickled[0]}), which can run code when they are opened", folder,
            "get or convert to safetensors",
        )  # fmt: skip
    raise ModelUnavailable("no safetensors weights", folder, "download the model again; other formats are not read")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ModelUnavailable: unreadable, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"unreadable {path.name} ({error})", path, REPAIR) from error
    if not isinstance(content, dict):
        raise ModelUnavailable(f"unreadable {path.name} (not an object)", path, REPAIR)
    return content


def said_by(folder: Path) -> dict[str, Any]:
    """The content of a folder's `wetread.json`; empty where it has none."""
    return read_object(folder / MODEL_FILE) if (folder / MODEL_FILE).is_file() else {}


def display_name(folder: Path) -> str:
    """What a folder of foreign weights is called: the repository's name for a snapshot of the hub's cache."""
    for part in reversed(folder.absolute().parts):
        if part.startswith("models--"):
            return part.split("--")[-1]
    return folder.resolve().name
