"""Training items as the questions that a trainer asks: loaded when they are needed, checked, and replaced when broken.

A picture that is missing, a mask of another size, an empty answer or a prompt longer than the context never ends a
run: the item is counted by its kind, said once in the report, and the next item that can be used takes its place. The
replacement depends on the files alone, so that every process of a run asks the same question in the same place.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from wetread.errors import RefusedInput
from wetread.findings import BoxFrame
from wetread.training.box_scores import truth_boxes
from wetread.training.data.item import Faults, TrainingItem
from wetread.training.data.media import resize_mask
from wetread.training.data.stream import FaultyItem, ItemSource
from wetread.training.ecg_batch import signals_of
from wetread.training.rewards import Truth, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

    from wetread.model.ecg_input import Normalisation
    from wetread.training.processor import PictureProcessor

KEPT_LOADED, KEPT_TRUTHS = 256, 65_536


class Joined:
    """Several sources as one.

    Args:
        sources: one after the other.
    """

    def __init__(self, sources: Sequence[ItemSource]) -> None:
        self.sources = tuple(sources)
        self.name = ", ".join(source.name for source in sources)
        self._ends = np.cumsum([len(source) for source in sources], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> TrainingItem:
        source = int(np.searchsorted(self._ends, index, side="right"))
        return self.sources[source][index - (int(self._ends[source - 1]) if source else 0)]


class Questions:
    """Items behind row numbers.

    Args:
        items: the part of the data to train on or to measure; a broken line of it raises `FaultyItem`.
        processor: of the model.
        prompt_tokens: longest prompt, pictures included.
        frames: pictures a video or volume is shown as.
        box_frame: in which the model writes its boxes.
        instruction: said after every question; how the model is to answer.
        normalisation: of the model's ECG encoder; None for a model without one, items with a waveform are left out.
        faults: where broken items are counted.

    Raises:
        RefusedInput: no item can be used.
    """

    def __init__(
        self, items: Sequence[TrainingItem] | ItemSource, processor: PictureProcessor, *, prompt_tokens: int = 4096,
        frames: int = 4, box_frame: BoxFrame = BoxFrame.MODEL, instruction: str = "",
        normalisation: Normalisation | None = None, faults: Faults | None = None,
    ) -> None:  # fmt: skip
        if not len(items):
            raise RefusedInput("no training items", "data", "name a data set that is on disk")
        self.items = items
        self.faults = faults if faults is not None else Faults()
        self._processor, self._prompt_tokens, self._frames = processor, prompt_tokens, frames
        self._box_frame, self._instruction, self._normalisation = box_frame, instruction, normalisation
        self._standing: dict[int, int] = {}
        self._broken: set[int] = set()
        self._loaded: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._truths: OrderedDict[int, Truth] = OrderedDict()

    def __len__(self) -> int:
        return len(self.items)

    def dataset(self) -> Dataset:
        """A `datasets.Dataset` of row numbers that loads a row when it is asked for."""
        from datasets import Dataset

        rows = Dataset.from_dict({"row": list(range(len(self.items)))})
        return rows.with_transform(self._columns)

    def _columns(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows = [self.row(row) for row in batch["row"]]
        return {key: [row[key] for row in rows] for key in rows[0]}

    def row(self, number: int) -> dict[str, Any]:
        """What the trainer is given for a row: prompt, images, domain, dataset, group, and the row that stands for it.

        Raises:
            RefusedInput: no item can be used.
        """
        standing = self._standing.get(number, number)
        if standing in self._loaded:
            self._loaded.move_to_end(standing)
            return self._loaded[standing]
        for step in range(len(self.items)):
            standing = (number + step) % len(self.items)
            if standing in self._broken:
                continue
            try:
                found = self._loaded.get(standing) or self._load(standing)
            except FaultyItem as error:
                self._count(standing, error.kind, error.where, error.why)
                continue
            except RefusedInput as error:
                # The file's own name may be a patient's; the kind of fault and the line are enough.
                self._count(standing, error.what, self._where(standing), error.remedy)
                continue
            self._standing[number] = standing
            self._loaded[standing] = found
            while len(self._loaded) > KEPT_LOADED:
                self._loaded.popitem(last=False)
            return found
        raise RefusedInput(f"none of {len(self.items)} items can be used", "data", "; ".join(self.faults.lines()))

    def pixels(self, number: int) -> tuple[np.ndarray | None, list[float] | None]:
        """(mask, box) of a row in the model's own frame, as the released reward functions take them."""
        item = self.items[number].loaded(frames=self._frames)
        picture, rule = item.images[0] if item.images else None, self._processor.rule
        if not isinstance(picture, np.ndarray) or rule is None:
            return None, None
        size = rule.size(*picture.shape[:2])
        mask = resize_mask(item.mask, size) if isinstance(item.mask, np.ndarray) else None
        boxes = truth_boxes(item.boxes[:1], picture.shape[:2], size)
        scale = np.array([size[1] / picture.shape[1], size[0] / picture.shape[0]] * 2)
        return mask, (boxes[0] * scale).tolist() if len(boxes) else None

    def _count(self, number: int, kind: str, where: str, why: str) -> None:
        if number not in self._broken:
            self._broken.add(number)
            self.faults.add(kind, where, why)

    def _where(self, number: int) -> str:
        item = self.items[number]
        return item.location or item.id

    def truth(self, number: int) -> Truth:
        """What is true of a row that was asked."""
        if number not in self._truths:
            self.row(number)
        self._truths.move_to_end(number)
        return self._truths[number]

    def _load(self, number: int) -> dict[str, Any]:
        from PIL import Image

        item = self.items[number]
        if not item.answer.strip():
            raise RefusedInput("empty answer", item.location, "left out")
        if item.waveforms and self._normalisation is None:
            raise RefusedInput("waveform for a model without an ECG encoder", item.location, "left out")
        if len(item.waveforms) > 1:
            raise RefusedInput("more than one waveform", item.location, "left out")
        loaded = item.loaded(frames=self._frames)
        pictures = [Image.fromarray(picture) for picture in loaded.images if isinstance(picture, np.ndarray)]
        content: list[dict[str, Any]] = [{"type": "image"} for _ in pictures]
        asked = loaded.question + (f"\n{self._instruction}" if self._instruction else "")
        content += [{"type": "text", "text": asked}]
        content += [{"type": "waveform"} for _ in loaded.waveforms]
        turn = [{"role": "user", "content": content}]
        text = self._processor.apply_chat_template(turn, add_generation_prompt=True)
        length = len(self._processor(text=[text], images=[pictures] if pictures else None)["input_ids"][0])
        if length > self._prompt_tokens:
            raise RefusedInput(
                "prompt longer than the context", item.location, f"{length} > {self._prompt_tokens} tokens"
            )
        self._keep_truth(number, loaded, pictures[0].size[::-1] if pictures else None)
        demographics = ",".join(f"{key}={value}" for key, value in sorted(loaded.demographics.items()) if key == "sex")
        return {
            "prompt": turn,
            "images": pictures,
            "waveforms": [
                signals_of(np.asarray(w), self._normalisation)
                for w in loaded.waveforms
                if self._normalisation is not None
            ],
            "row": number,
            "dataset": item.dataset,
            "domain": item.domain,
            "group": demographics or "UNK",
        }

    def _keep_truth(self, number: int, item: TrainingItem, size: tuple[int, int] | None) -> None:
        rule = self._processor.rule
        resized = rule.size(*size) if rule is not None and size is not None else None
        mask = item.mask if isinstance(item.mask, np.ndarray) else None
        self._truths[number] = prepare(item.answer, mask=mask, boxes=item.boxes, size=size, frame=self._box_frame,
                                       resized=resized)  # fmt: skip
        while len(self._truths) > KEPT_TRUTHS:
            self._truths.popitem(last=False)
