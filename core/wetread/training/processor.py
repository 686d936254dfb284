"""What TRL asks of a processor: conversations and pictures in, token ids and Qwen's tensors out, without torchvision.

Pictures are fitted and cut by `wetread.model.processing`, the code that reads, so that training sees what reading
sees. One picture shared by all rollouts of a question is cut once. Videos and volumes come as frames: several
pictures of one question, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import BatchFeature, ProcessorMixin

from wetread.model.chat import harmless
from wetread.model.families import TIME_SERIES_TOKEN
from wetread.model.processing import normalise, patchify
from wetread.model.tokenizer import CHAT_TEMPLATE, IMAGE_TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast

    from wetread.model.processing import Preprocessing

IMAGE_TYPE = 1


class _ImageSide:
    """The two facts TRL reads from an image processor."""

    def __init__(self, merge_size: int) -> None:
        self.merge_size = merge_size


class PictureProcessor(ProcessorMixin):
    """A tokenizer and the rule for pictures.

    Args:
        tokenizer: its chat template is used where it has one.
        rule: how the model wants its pictures; None for a model of words alone.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, rule: Preprocessing | None = None) -> None:
        template = tokenizer.chat_template or CHAT_TEMPLATE
        tokenizer.padding_side = "left"
        ProcessorMixin.__init__(self, tokenizer, chat_template=template)
        self.rule = rule
        self.image_processor = _ImageSide(rule.merge if rule else 1)

    def save_pretrained(self, save_directory: Any, **_: Any) -> list[str]:
        """The tokenizer; the rule for pictures stays with the model folder."""
        return list(self.tokenizer.save_pretrained(save_directory))

    def apply_chat_template(self, conversation: Any, tokenize: bool = False, **options: Any) -> Any:
        """One conversation or a list of them, as text or, with `tokenize`, as ids and pictures."""
        several = bool(conversation) and isinstance(conversation[0], list)
        turns = conversation if several else [conversation]
        options.pop("return_dict", None)
        template = options.pop("chat_template", None) or self.chat_template
        texts = [self.tokenizer.apply_chat_template(self._safe(turn), tokenize=False, chat_template=template, **options)
                 for turn in turns]  # fmt: skip
        if not tokenize:
            return texts if several else texts[0]
        images = [_pictures_of(turn) for turn in turns]
        return self(text=texts, images=images if any(images) else None)

    def __call__(
        self, images: Sequence[Sequence[Any] | None] | None = None, text: str | list[str] | None = None,
        padding: bool = False, return_tensors: str | None = None, **_: Any,
    ) -> BatchFeature:  # fmt: skip
        """Expand the placeholders of each text by its pictures and tokenise.

        Args:
            images: for each text its pictures, in order.
            text: rendered conversations.
            padding: to the longest, on the left.
            return_tensors: "pt" for tensors.

        Raises:
            ValueError: placeholders and pictures of a text differ in number.
        """
        texts = [text] if isinstance(text, str) else list(text or [])
        data: dict[str, Any] = {}
        if images is not None and any(images):
            values, grids, counts = self._cut(images)
            texts = [_expanded(one, count) for one, count in zip(texts, counts, strict=True)]
            data = {"pixel_values": values, "image_grid_thw": grids}
        encoded = self.tokenizer(texts, add_special_tokens=False, padding=padding, return_tensors=return_tensors)
        ids, mask = encoded["input_ids"], encoded["attention_mask"]
        data |= {"input_ids": ids, "attention_mask": mask}
        if "pixel_values" in data:
            place = int(self.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
            data["mm_token_type_ids"] = (ids == place).long() * IMAGE_TYPE if isinstance(ids, torch.Tensor) else [
                [IMAGE_TYPE * (token == place) for token in row] for row in ids]  # fmt: skip
        return BatchFeature(data)

    def _cut(self, images: Sequence[Sequence[Any] | None]) -> tuple[torch.Tensor, torch.Tensor, list[list[int]]]:
        if self.rule is None:
            raise ValueError("This model takes no pictures.")
        rule, known = self.rule, {}
        values, grids = [], []
        counts: list[list[int]] = []
        for pictures in images:
            counts.append([])
            for picture in pictures or ():
                if id(picture) not in known:
                    fitted = rule.fit(np.asarray(picture))
                    known[id(picture)] = patchify(normalise(fitted[None], rule.mean, rule.std), rule.patch, rule.merge,
                                                  rule.temporal)  # fmt: skip
                value, grid = known[id(picture)]
                values.append(value)
                grids.append(grid)
                counts[-1].append(int(grid.prod()) // rule.merge**2)
        return torch.cat(values), torch.cat(grids), counts

    def _safe(self, turn: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same turn with words that cannot spell a control token; a waveform's placeholder is a part of its own."""
        safe = []
        for message in turn:
            content = message["content"]
            if isinstance(content, str):
                content = [{"type": "text", "text": content}]
            parts = []
            for part in content:
                if part["type"] == "waveform":
                    parts.append({"type": "text", "text": TIME_SERIES_TOKEN})
                elif part["type"] == "text":
                    parts.append({"type": "text", "text": harmless(self.tokenizer, part["text"])})
                else:
                    parts.append(part)
            safe.append({**message, "content": parts})
        return safe


def _pictures_of(turn: list[dict[str, Any]]) -> list[Any]:
    return [part["image"] for message in turn if isinstance(message["content"], list) for part in message["content"]
            if part["type"] == "image"]  # fmt: skip


def _expanded(text: str, counts: list[int]) -> str:
    first, *rest = text.split(IMAGE_TOKEN)
    if len(rest) != len(counts):
        raise ValueError(f"{len(rest)} placeholders for {len(counts)} pictures.")
    return first + "".join(IMAGE_TOKEN * count + part for count, part in zip(counts, rest, strict=True))
