"""Model families and known checkpoints as data: everything that differs between them is a row here.

Nothing else in Wetread asks which Qwen it has. Patch, merge and pixel figures are those of the published
`preprocessor_config.json` files and are only fallbacks: what lies beside the weights goes first. Box frames:
Qwen2-VL writes 0-1000 (arXiv 2409.12191, section 2), Qwen2.5-VL pixels of the resized picture (QwenLM/Qwen3-VL#866),
Qwen3-VL 0-1000 again (#1486, #2020). No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wetread.findings import BoxFrame

IMAGE_TOKEN, VIDEO_TOKEN = "<|image_pad|>", "<|video_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
TURN_END = "<|im_end|>"
TIME_SERIES_TOKEN = "<|time_series_pad|>"
"""One per ECG. Its id is never assumed: 151665 of QoQ-Med is `<tool_response>` in Qwen3's tokenizer."""

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)


class PromptVariant(StrEnum):
    """What is said around the question; see `prompts`."""

    MINI = "wetread-mini"
    """The modality's word and the question, nothing else: what wetread-mini was trained on."""
    PLAIN = "plain"
    """For a model without training on medical boxes: the answer format is explained."""
    QOQ_MED = "qoq-med"
    """QoQ-Med: reasoning, objects as JSON, boxed diagnosis (its `medical_format`)."""
    QOQ_MED3 = "qoq-med3"
    """QoQ-Med3: reasoning and boxed diagnosis, nothing about boxes (its `default`)."""


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture and how its pictures and boxes are meant.

    Args:
        name: as in `wetread.json`.
        model_types: `model_type` values of `config.json` that belong to it.
        patch: patch side in pixels.
        merge: patches merged per side into one visual token.
        temporal: frames per visual token.
        mean: of RGB in 0 to 1.
        std: of RGB in 0 to 1.
        least_pixels: pictures are enlarged to this many pixels.
        most_pixels: pictures are reduced to this many pixels.
        box_frame: frame of the boxes the language model writes.
        prompt: variant where the checkpoint has no row of its own.
        frame_times: a video is written as one placeholder per pair of frames after its time, not as one in all.
        side: pictures are squeezed to side x side instead of keeping their aspect; None for all published models.
        turn_end: the token that ends a turn.
        most_pictures: pictures in one question that its models learned to see.
        overview_tokens: most visual tokens of the overview of a volume or cine, see `reading/overview.py`.
        key_tokens: most visual tokens of its key slices.
    """

    name: str
    model_types: tuple[str, ...]
    patch: int
    merge: int
    temporal: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    least_pixels: int
    most_pixels: int
    box_frame: BoxFrame
    prompt: PromptVariant = PromptVariant.PLAIN
    frame_times: bool = False
    side: int | None = None
    turn_end: str = TURN_END
    most_pictures: int = 64
    overview_tokens: int = 2600
    key_tokens: int = 2600

    @property
    def videos(self) -> bool:
        """True where a stack can be given as native video."""
        return self.temporal > 1


QWEN2_VL = Family("qwen2_vl", ("qwen2_vl",), 14, 2, 2, CLIP_MEAN, CLIP_STD, 56 * 56, 12_845_056, BoxFrame.MODEL)
QWEN2_5_VL = Family(
    "qwen2_5_vl", ("qwen2_5_vl", "time_series_qwen2_5_vl"), 14, 2, 2, CLIP_MEAN, CLIP_STD, 56 * 56, 12_845_056,
    BoxFrame.RESIZED,
)  # fmt: skip
QWEN3_VL = Family(
    "qwen3_vl", ("qwen3_vl",), 16, 2, 2, HALF, HALF, 256 * 256, 4096 * 4096, BoxFrame.MODEL, frame_times=True
)
WETREAD_MINI = Family(
    "wetread_mini", (), 16, 2, 1, HALF, HALF, 256 * 256, 256 * 256, BoxFrame.MODEL, PromptVariant.MINI,
    frame_times=True, side=256, most_pictures=1,
)  # fmt: skip
"""Qwen3-VL's classes at a small size; its `wetread.json` says family ``qwen3_vl`` and a side."""

FAMILIES = (QWEN2_VL, QWEN2_5_VL, QWEN3_VL, WETREAD_MINI)

QOQ_PIXELS = (65_536, 524_288)
"""Least and most pixels of a picture in the training of QoQ-Med and QoQ-Med3 (DDVD233/QoQ_Med)."""


@dataclass(frozen=True, slots=True)
class KnownCheckpoint:
    """A published checkpoint.

    Args:
        hub_id: where it is published.
        families: names of the families in whose layout it exists; `config.json` decides which one is at hand.
        prompt: variant it was trained on.
        licence: of the weights, as the publisher states it.
        pixels: least and most pixels of its training; None where `preprocessor_config.json` is right.
    """

    hub_id: str
    families: tuple[str, ...]
    prompt: PromptVariant
    licence: str
    pixels: tuple[int, int] | None = None


_NOTE = "see the model's page on the hub"
KNOWN_CHECKPOINTS = (
    KnownCheckpoint("ddvd233/QoQ-Med-VL-7B", ("qwen2_vl", "qwen2_5_vl"), PromptVariant.QOQ_MED, _NOTE, QOQ_PIXELS),
    KnownCheckpoint("ddvd233/QoQ-Med-Omni-7B", ("qwen2_5_vl",), PromptVariant.QOQ_MED, _NOTE, QOQ_PIXELS),
    KnownCheckpoint("ddvd233/QoQ-Med3-VL-8B", ("qwen3_vl",), PromptVariant.QOQ_MED3, _NOTE, QOQ_PIXELS),
    KnownCheckpoint("ddvd233/QoQ-Med3-VL-8B-MIMIC", ("qwen3_vl",), PromptVariant.QOQ_MED3,
                    f"{_NOTE}; trained on credentialed MIMIC-IV data", QOQ_PIXELS),
    KnownCheckpoint("ddvd233/Qwen3-VL-8B-MIMIC", ("qwen3_vl",), PromptVariant.QOQ_MED3,
                    f"{_NOTE}; trained on credentialed MIMIC-IV data", QOQ_PIXELS),
    KnownCheckpoint("Qwen/Qwen2-VL-2B-Instruct", ("qwen2_vl",), PromptVariant.PLAIN, "Apache-2.0"),
    KnownCheckpoint("Qwen/Qwen2-VL-7B-Instruct", ("qwen2_vl",), PromptVariant.PLAIN, "Apache-2.0"),
    KnownCheckpoint("Qwen/Qwen2.5-VL-3B-Instruct", ("qwen2_5_vl",), PromptVariant.PLAIN, "Qwen Research Licence"),
    KnownCheckpoint("Qwen/Qwen2.5-VL-7B-Instruct", ("qwen2_5_vl",), PromptVariant.PLAIN, "Apache-2.0"),
    KnownCheckpoint("Qwen/Qwen3-VL-2B-Instruct", ("qwen3_vl",), PromptVariant.PLAIN, "Apache-2.0"),
    KnownCheckpoint("Qwen/Qwen3-VL-4B-Instruct", ("qwen3_vl",), PromptVariant.PLAIN, "Apache-2.0"),
    KnownCheckpoint("Qwen/Qwen3-VL-8B-Instruct", ("qwen3_vl",), PromptVariant.PLAIN, "Apache-2.0"),
)  # fmt: skip


def family_named(name: str, side: int | None = None) -> Family | None:
    """The family of a `wetread.json`; one that states a side is the small model's kind."""
    if side and name in (QWEN3_VL.name, WETREAD_MINI.name):
        return WETREAD_MINI
    return next((family for family in FAMILIES if family.name == name), None)


def family_of_type(model_type: str) -> Family | None:
    """The family of a `config.json`'s `model_type`; None where no family has it."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def known_checkpoint(name: str) -> KnownCheckpoint | None:
    """The known checkpoint of a hub id, or of a folder that is named like one; letter case does not matter."""
    wanted = name.lower()
    for known in KNOWN_CHECKPOINTS:
        if wanted in (known.hub_id.lower(), known.hub_id.split("/")[1].lower()):
            return known
    return None
