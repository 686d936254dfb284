"""CLIMB: annotation files of the single data sets and the trainer's consolidated JSON lines, as items.

Per set: ``<root>/<domain>/<folder>/annotation_{train,test,valid}.jsonl``, paths relative to the data set's folder, a
conversation of one question and one answer. Consolidated: one file in the root with `problem`, `answer`, media lists,
`segmentation_path`, `bbox`, `dataset`, `data_source` and `demo`, paths relative to the file's folder. Label sets are
read from the question. Most sets name no patient: where the path holds a patient's number it is the group, else the
picture stands for itself, and `wetread data check` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import Box, BoxFrame
from wetread.training.data.climb_catalogue import ClimbSet, find_set
from wetread.training.data.climb_masks import MASK_FINDERS, volume_mask_beside
from wetread.training.data.item import MaskSource, TrainingItem
from wetread.training.data.jsonl import JsonLines, inside
from wetread.training.data.label_sets import read_label_set, without_placeholders
from wetread.training.data.stream import FaultyItem

ClimbPart = Literal["train", "test", "valid"]
PARTS: tuple[ClimbPart, ...] = ("train", "test", "valid")

_PATIENT = re.compile(
    r"patient[_-]?\d+|(?<=/)p\d{8}(?=/)|LNDb-\d+|case_\d+|(?<=/)D[12]-\d+|TCGA-\w{2}-\w{4}|PAT_\d+"
    r"|(?<=jpegs/)[0-9a-f]{32}(?=/)",
    re.IGNORECASE,
)
"""Patient numbers in paths: CheXpert, MIMIC-CXR, LNDb, KiTS, CMMD, BCSS, PAD-UFES; VinDr-Mammo's examination."""
_GROUP_KEYS = ("group", "patient_id", "subject_id", "patient")
_DEMOGRAPHICS = ("sex", "gender", "age", "race", "ethnicity")
_MEDIA_KEYS = {
    "images": ("images", "image"),
    "videos": ("videos", "video"),
    "waveforms": ("time-series", "time_series"),
}
_PLACEHOLDERS = {"images": "<image>", "videos": "<video>", "waveforms": "<time-series>"}
_KINDS = {"images": "image", "videos": "video", "waveforms": "time series"}


class ClimbLines:
    """The lines of one annotation file or consolidated file as items.

    Args:
        path: the file.
        domain: of a per-set file; "" for a consolidated one, whose lines say it.
        dataset: of a per-set file; "" for a consolidated one.

    Raises:
        RefusedInput: the file cannot be read.
    """

    def __init__(self, path: str | Path, domain: str = "", dataset: str = "") -> None:
        self.name = "/".join(filter(None, (domain, dataset, Path(path).name)))
        self.lines = JsonLines(Path(path), self.name)
        self.base, self.domain, self.dataset = self.lines.path.parent, domain, dataset

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> TrainingItem:
        """One line.

        Raises:
            FaultyItem: broken, without question or answer, or a file it names is missing or outside the folder.
        """
        where = self.lines.where(index)
        line = self.lines[index]
        try:
            return self._item(line, where)
        except (TypeError, ValueError, KeyError, AttributeError, OSError, RefusedInput) as error:
            if isinstance(error, FaultyItem):
                raise
            raise FaultyItem("broken line", where, " ".join(str(error).split())[:200]) from error

    def _item(self, line: dict[str, Any], where: str) -> TrainingItem:
        asked, answer = question_and_answer(line)
        if not asked.strip():
            raise FaultyItem("empty question", where)
        if not answer.strip():
            raise FaultyItem("empty answer", where)
        named = {kind: _paths(line, keys) for kind, keys in _MEDIA_KEYS.items()}
        domain, dataset = self._place(line, named)
        files = {kind: self._files(kind, paths, where) for kind, paths in named.items()}
        for kind, placeholder in _PLACEHOLDERS.items():
            if asked.count(placeholder) > len(files[kind]):
                raise FaultyItem(f"more placeholders than {kind}", where, f"{placeholder} without its file")
        mask, extra = self._mask(line, files, domain, dataset, where)
        return TrainingItem(
            id=f"{domain}/{dataset}/{where.rsplit('/', 1)[-1]}",
            question=without_placeholders(asked),
            answer=answer.strip(),
            domain=domain,
            dataset=dataset,
            group=_group(line, named, f"{domain}/{dataset}"),
            images=tuple(files["images"]),
            videos=tuple(files["videos"]),
            waveforms=tuple(files["waveforms"]),
            mask=mask,
            boxes=truth_boxes(line.get("bbox"), where),
            label_set=read_label_set(asked, answer),
            demographics=read_demographics(line),
            extra=extra,
            location=where,
        )

    def _place(self, line: dict[str, Any], named: Mapping[str, list[str]]) -> tuple[str, str]:
        """Domain and data set: of the file, of the line, or the first two parts of its first path."""
        if self.domain:
            return self.domain, self.dataset
        first = next((PurePosixPath(p).parts for paths in named.values() for p in paths), ())
        domain = str(line.get("data_source") or (first[0] if len(first) > 2 else "unknown"))
        dataset = str(line.get("dataset") or (first[1] if len(first) > 2 else domain))
        return domain, PurePosixPath(dataset).name

    def _roots(self, path: object) -> tuple[Path, ...]:
        """A data set may lie on another disk: the layout's two upper folders may be links, their content not."""
        first, second = (*PurePosixPath(path).parts[:2], "", "")[:2] if isinstance(path, str) else ("", "")
        return () if self.domain or ".." in (first, second) else (self.base / first, self.base / first / second)

    def _files(self, kind: str, paths: Iterable[str], where: str) -> list[Path]:
        found = []
        for path in paths:
            full = inside(self.base, path, where, roots=self._roots(path))
            if not full.is_file():
                raise FaultyItem(f"missing {_KINDS[kind]}", where, path)
            found.append(full)
        return found

    def _mask(
        self, line: dict[str, Any], files: Mapping[str, list[Path]], domain: str, dataset: str, where: str
    ) -> tuple[MaskSource | None, dict[str, str]]:
        """The mask of the first image, and what is to be said about it."""
        extra: dict[str, str] = {}
        if line.get("segmentation_path"):
            named = line["segmentation_path"]
            path = inside(self.base, named, where, roots=self._roots(named))
            return (path, extra) if path.is_file() else (None, {"missing": "mask"})
        known = find_set(domain, dataset)
        if known is None or not known.masks:
            return None, extra
        if known.masks == "volume":
            volume = volume_mask_beside(files["videos"][0]) if files["videos"] else None
            return None, {"missing": "mask"} if volume is None else {"volume_mask": str(volume)}
        if not files["images"]:
            return None, extra
        root = self.base if self.domain else self.base / domain / dataset
        mask = MASK_FINDERS[known.masks](root, files["images"][0])
        return mask, extra if mask is not None else {"missing": "mask"}


def open_climb(
    root: str | Path,
    part: ClimbPart = "train",
    sets: Iterable[str] | None = None,
    consolidated: str | Path | None = None,
) -> list[ClimbLines]:
    """The sources of one part.

    Args:
        root: CLIMB's root folder, or a consolidated JSON lines file.
        part: "train", "test" or "valid"; not used for a consolidated file, which is one part by itself.
        sets: ``domain/folder`` or folder names; all that are on disk where it is None.
        consolidated: a consolidated file of this part below the root, in place of the single sets.

    Raises:
        RefusedInput: nothing there.
    """
    place = Path(root)
    if consolidated is not None or place.is_file():
        return [ClimbLines(place if consolidated is None else place / consolidated)]
    wanted = None if sets is None else {name.lower() for name in sets}
    found = [
        ClimbLines(path, *path.parent.relative_to(place).parts[:2])
        for path in annotation_files(place)
        if path.stem.split("_")[1] == part and _wanted(path.parent.relative_to(place), wanted)
    ]
    if not found:
        names = ", ".join(sorted(wanted)) if wanted else "any data set"
        raise RefusedInput(f"no annotation_{part}.jsonl of {names}", place,
                           "give CLIMB's root; `wetread data check` says what is there")  # fmt: skip
    return found


def annotation_files(root: Path) -> list[Path]:
    """Every ``<domain>/<folder>/annotation_<part>*.jsonl``, sorted."""
    named = (path for path in root.glob("*/*/annotation_*.jsonl") if path.stem.split("_")[1] in PARTS)
    return sorted(named)


def question_and_answer(line: Mapping[str, Any]) -> tuple[str, str]:
    """Of either layout; the first turn of each side of a conversation."""
    if "conversations" in line:
        turns = line["conversations"]
        asked = next((t["value"] for t in turns if t["from"] in ("human", "user")), "")
        told = next((t["value"] for t in turns if t["from"] in ("gpt", "assistant")), "")
        return str(asked), _text(told)
    return str(line.get("problem") or line.get("question") or ""), _text(line.get("answer"))


def truth_boxes(value: object, where: str) -> tuple[Box, ...]:
    """``[x1, y1, x2, y2]`` or a list of such, in the file's own pixels; boxes without area say that there is none.

    Raises:
        FaultyItem: not numbers.
    """
    if not value:
        return ()
    try:
        rows = np.asarray(value, dtype=np.float64).reshape(-1, 4)
    except (ValueError, TypeError) as error:
        raise FaultyItem("unusable box", where) from error
    if not np.isfinite(rows).all():
        raise FaultyItem("unusable box", where, "not finite")
    ordered = np.concatenate([np.minimum(rows[:, :2], rows[:, 2:]), np.maximum(rows[:, :2], rows[:, 2:])], axis=1)
    corners = (tuple(map(float, row)) for row in ordered if row[2] > row[0] and row[3] > row[1])
    return tuple(Box(x1, y1, x2, y2, BoxFrame.IMAGE) for x1, y1, x2, y2 in corners)


def read_demographics(line: Mapping[str, Any]) -> dict[str, str]:
    """Of keys of the line and of its `demo` (``"sex: Male, age: 68"``); gender counts as sex where there is no sex."""
    found = {key: str(line[key]).strip() for key in _DEMOGRAPHICS if line.get(key) not in (None, "")}
    for part in str(line.get("demo") or "").split(","):
        name, colon, value = part.partition(":")
        if colon and value.strip():
            found[name.strip().lower()] = value.strip()
    if "gender" in found:
        found.setdefault("sex", found["gender"])
        del found["gender"]
    return found


def _paths(line: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    found: list[str] = []
    for key in keys:
        value = line.get(key)
        found += [value] if isinstance(value, str) and value else list(value or ())
    return found


def _group(line: Mapping[str, Any], named: Mapping[str, list[str]], dataset: str) -> str:
    for key in _GROUP_KEYS:
        if line.get(key) not in (None, ""):
            return f"{dataset}:{line[key]}"
    first = next((path for paths in named.values() for path in paths), "")
    patient = _PATIENT.search("/" + first)
    return f"{dataset}:{patient.group() if patient else first}"


def _text(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _wanted(place: Path, wanted: set[str] | None) -> bool:
    return wanted is None or place.as_posix().lower() in wanted or place.name.lower() in wanted


def set_of(source: ClimbLines) -> ClimbSet | None:
    """The catalogue's entry of a per-set source."""
    return find_set(source.domain, source.dataset)
