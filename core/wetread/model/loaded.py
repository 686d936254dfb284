"""A model in memory, whatever its family: pictures in, prompt and tensors for its backbone, states and masks out.

Everything that reads or trains with a backbone goes through this facade; it holds no conversation, cache or lock. All
tensors that leave it lie on `device`, and gradients flow through it: who only reads wraps calls in
`torch.inference_mode()`. Where a model has no grounding head, its findings are the boxes of its words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wetread.model.backbone import IMAGE_TYPE, VIDEO_TYPE
from wetread.model.chat import object_ends, prompt_ids
from wetread.model.checkpoint import TAUGHT_FILE
from wetread.model.ecg import ECGTower, load_ecg
from wetread.model.encoded import Encoded, EncodedVideo, bundle
from wetread.model.families import TIME_SERIES_TOKEN
from wetread.model.grounded import GroundedModel, Sequences, pad_marked
from wetread.model.loading import load_backbone, load_head, load_tokenizer, resolved
from wetread.model.processing import normalise, patchify, patchify_video
from wetread.model.tokenizer import SEG_TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from wetread.model.checkpoint import ModelInfo
    from wetread.model.families import Family
    from wetread.model.grounding import Grounding, GroundingHead
    from wetread.model.options import ModelOptions
    from wetread.model.processing import Preprocessing

__all__ = ["Encoded", "EncodedVideo", "LoadedModel", "load_model"]

HEAD_CELL = 32
"""The head's pictures have sides that are multiples of this."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """Backbone, tokenizer and, where the model has them, grounding head and ECG encoder.

    Args:
        info: what the model says of itself.
        family: its row of the table.
        preprocessing: how it wants pictures, from the files beside the weights.
        backbone: a `…ForConditionalGeneration` of transformers, in evaluation mode.
        tokenizer: with the chat template of the checkpoint.
        grounded: backbone and head together, for training and grounding; None without a head.
        ecg: float32, from ECGs to soft tokens (`ecg.ECGTower`); None without one.
        device: where backbone and head lie.
        dtype: of the backbone; the head is float32 always.
        taught: the same backbone with the head for taught targets; None where a site taught none.
    """

    info: ModelInfo
    family: Family
    preprocessing: Preprocessing
    backbone: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    grounded: GroundedModel | None
    ecg: ECGTower | None
    device: torch.device
    dtype: torch.dtype
    taught: GroundedModel | None = None

    @property
    def head(self) -> GroundingHead | None:
        """The grounding head; None where the model has none."""
        return self.grounded.head if self.grounded is not None else None

    @property
    def width(self) -> int:
        """D, of the hidden states and of the merged visual tokens."""
        return int(self.backbone.config.text_config.hidden_size)

    @property
    def ends(self) -> tuple[int, ...]:
        """Token ids that end an answer: the end of the turn and what `generation_config.json` adds.

        Ids beyond the vocabulary, as small copies of a checkpoint keep them, are never written.
        """
        config = self.backbone.generation_config
        said = config.eos_token_id if config is not None else None
        listed = [said] if isinstance(said, int) else list(said or [])
        known = [token for token in listed if token < self.backbone.config.text_config.vocab_size]
        return tuple(dict.fromkeys([int(self.tokenizer.convert_tokens_to_ids(self.family.turn_end)), *known]))

    @property
    def pad(self) -> int:
        """Token id for padding."""
        return int(self.tokenizer.pad_token_id) if self.tokenizer.pad_token_id is not None else self.ends[0]

    def fit(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture (rows, columns, 3) at the size this model sees; boxes convert by `Resize(picture, fitted)`."""
        return self.preprocessing.fit(picture)

    def encode(self, pictures: Sequence[NDArray[np.uint8]]) -> Encoded:
        """Fitted pictures, (H, W, 3) uint8 each, sizes may differ, to visual tokens.

        Pictures of one size are normalised and cut together; all go through the encoder as one batch.
        """
        rule = self.preprocessing
        if not len(pictures):
            return Encoded((), None, torch.zeros((0, 3), dtype=torch.long, device=self.device))
        cut = [patchify(normalise(p[None], rule.mean, rule.std), rule.patch, rule.merge, rule.temporal)
               for p in pictures]  # fmt: skip
        values, grid = torch.cat([c[0] for c in cut]).to(self.device), torch.cat([c[1] for c in cut]).to(self.device)
        features = _slim(self.backbone.model.get_image_features(values, grid))
        seen = tuple(normalise(p[None])[0].to(self.device) for p in pictures)
        return Encoded(seen, features, grid)

    def encode_video(self, pictures: Sequence[NDArray[np.uint8]], times: Sequence[float] | None = None) -> Encoded:
        """A stack of fitted pictures of one size as one native video before any pictures.

        Args:
            pictures: N of (H, W, 3) uint8 in order; `family.temporal` of them share one visual token.
            times: seconds (cine) or position along the normal in cm (volume) of each picture; one per second when None.

        Raises:
            ValueError: the family has no videos (wetread-mini), or the sizes differ.
        """
        rule = self.preprocessing
        if not self.family.videos:
            raise ValueError(f"{self.family.name} takes no videos; give the planes as pictures.")
        if len({p.shape for p in pictures}) != 1:
            raise ValueError("The pictures of a video have one size.")
        stack = normalise(np.stack(list(pictures)), rule.mean, rule.std)
        values, grid = patchify_video(stack, rule.patch, rule.merge, rule.temporal)
        grid = grid.to(self.device)
        features = _slim(self.backbone.model.get_video_features(values.to(self.device), grid))
        given = [float(i) for i in range(len(pictures))] if times is None else list(times)
        steps = [given[i : i + rule.temporal] for i in range(0, len(given), rule.temporal)]
        middles = tuple((step[0] + step[-1]) / 2 for step in steps)
        none = torch.zeros((0, 3), dtype=torch.long, device=self.device)
        return Encoded((), None, none, EncodedVideo(features, grid, middles))

    def visual_tokens(self, encoded: Encoded) -> list[int]:
        """Number of visual tokens of each picture."""
        return (encoded.grid.prod(dim=-1) // self.preprocessing.merge**2).tolist()

    def prompt(self, text: str, encoded: Encoded, waveforms: int = 0) -> list[int]:
        """Token ids of one user turn: video, pictures in order, the words, one time-series token per waveform."""
        video = encoded.video
        return prompt_ids(
            self.tokenizer,
            text,
            self.visual_tokens(encoded),
            video_tokens=int(video.grid.prod()) // self.preprocessing.merge**2 if video else 0,
            video_times=video.times if video and self.family.frame_times else (),
            waveform_token=TIME_SERIES_TOKEN,
            waveforms=waveforms,
        )

    def forward_inputs(self, ids: Tensor, encoded: Encoded, present: Tensor | None = None) -> dict[str, Any]:
        """Keyword arguments for `backbone.generate`, `backbone.forward` and `backbone.model.forward`.

        Args:
            ids: (B, S) prompts, or prompts with answers.
            encoded: the pictures of all rows, row after row.
            present: (B, S) bool, False on padding; left padding for generate().
        """
        ids = ids.to(self.device)
        config = self.backbone.config
        types = (ids == config.image_token_id).int() * IMAGE_TYPE + (ids == config.video_token_id).int() * VIDEO_TYPE
        inputs = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids) if present is None else present.long().to(self.device),
            "mm_token_type_ids": types,
        }
        outputs = {}
        if len(encoded):
            outputs["image"] = encoded.features
            inputs["image_grid_thw"] = encoded.grid
        if encoded.video is not None:
            outputs["video"] = encoded.video.features
            inputs["video_grid_thw"] = encoded.video.grid
        return inputs | {"mm_encoder_outputs": outputs} if outputs else inputs

    def marks(self, answer: Sequence[int]) -> list[int]:
        """Indices of the tokens of an answer whose states are grounded: one per object, in order.

        `<seg>` where the tokenizer has it, else the token that closes each JSON object with a label.
        """
        seg = self.tokenizer.get_vocab().get(SEG_TOKEN)
        if seg is not None:
            return [index for index, token in enumerate(answer) if token == seg]
        return list(object_ends(self.tokenizer, answer))

    def sequences(self, prompt: Sequence[int], answer: Sequence[int], count: int = 1) -> Sequences:
        """A finished answer as a batch of `count` equal rows, its marks found."""
        row = [*prompt, *answer]
        marked = [len(prompt) + index for index in self.marks(answer)]
        return pad_marked([row] * count, [len(prompt)] * count, [marked] * count, self.pad).to(self.device)

    def hidden_states(self, sequences: Sequences, encoded: Encoded) -> Tensor:
        """Last hidden states (B, S, D) of prompts and answers by one prefill; what the head reads."""
        inputs = self.forward_inputs(sequences.ids, encoded, sequences.present)
        return self.backbone.model(**inputs, use_cache=False).last_hidden_state

    def ground(
        self, encoded: Encoded, sequences: Sequences, hidden: Tensor, own: int = 0, *, taught: bool = False,
        **loop: Any,
    ) -> Grounding:  # fmt: skip
        """Masks, boxes and presence at every mark.

        Args:
            encoded: the pictures of all rows, row after row, the same number for each row; those grounded of one size.
            sequences: B rows.
            hidden: (B, S, D) from `hidden_states` or from a hook on `backbone.model.language_model.norm`.
            own: which picture of each row is grounded.
            taught: by the head for taught targets.
            loop: passed on to `GroundedModel.ground`.

        Raises:
            ValueError: the model has no head.
        """
        model = self.taught if taught else self.grounded
        if model is None:
            raise ValueError(f"{self.info.name} has no grounding head.")
        per_row = len(encoded) // len(hidden)
        seen = encoded.picked([row * per_row + own for row in range(len(hidden))])
        pictures = torch.stack([_for_head(picture) for picture in seen.pictures])
        features = bundle([tokens.float() for tokens in seen.features.pooler_output], None)
        return model.ground(pictures, sequences, features, seen.grid, hidden.float(), **loop)


def load_model(info: ModelInfo, options: ModelOptions | None = None) -> LoadedModel:
    """Everything of a model that is needed to read, in memory and on its device.

    Args:
        info: from `checkpoint.read_info`.
        options: device, number format, attention, quantisation; those of `info` when None.

    Raises:
        ModelUnavailable: weights that are missing, of another format, or do not fit the configuration.
    """
    chosen = resolved(options or info.options)
    tokenizer = load_tokenizer(info)
    family, preprocessing, backbone = load_backbone(info, tokenizer, chosen)
    head = load_head(info, int(backbone.config.text_config.hidden_size))
    grounded = GroundedModel(backbone, head.to(chosen.device)).eval() if head is not None else None
    second = load_head(info, int(backbone.config.text_config.hidden_size), TAUGHT_FILE) if info.taught else None
    taught = GroundedModel(backbone, second.to(chosen.device)).eval() if second is not None else None
    ecg = load_ecg(info, int(backbone.config.text_config.hidden_size)).to(chosen.device) if info.ecg else None
    return LoadedModel(info, family, preprocessing, backbone, tokenizer, grounded, ecg,
                       torch.device(str(chosen.device)), backbone.dtype, taught)  # fmt: skip


def _slim(features: Any) -> Any:
    return bundle(features.pooler_output, features.get("deepstack_features"))


def _for_head(picture: Tensor) -> Tensor:
    """A picture (3, H, W) with sides enlarged to the next multiples of 32."""
    size = [-(-side // HEAD_CELL) * HEAD_CELL for side in picture.shape[-2:]]
    if list(picture.shape[-2:]) == size:
        return picture
    resized = torch.nn.functional.interpolate(picture[None], size=size, mode="bilinear", antialias=True)
    return resized[0]
