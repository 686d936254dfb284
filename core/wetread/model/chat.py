"""One user turn as token ids: pictures, words, waveforms, in the checkpoint's own chat template.

The template writes one placeholder per picture; each is expanded to the picture's number of visual tokens. Words
are broken up wherever they spell a token of the tokenizer, so a question can never write a control token, a
placeholder or a mark. The think tags are left: the instruction itself speaks of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wetread.model.location import read_object
from wetread.model.tokenizer import CHAT_TEMPLATE, IMAGE_TOKEN, SEG_TOKEN, VIDEO_TOKEN, VISION_END, VISION_START

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

SPOKEN_TOKENS = frozenset({"<think>", "</think>"})


def harmless(tokenizer: PreTrainedTokenizerFast, text: str) -> str:
    """The text without any spelling of an added token."""
    safe = text.replace("<|", "< |").replace(SEG_TOKEN, "< seg >")
    added = {token for token in tokenizer.get_added_vocab() if len(token) > 1} - SPOKEN_TOKENS
    while found := next((token for token in sorted(added) if token in safe), None):
        safe = safe.replace(found, f"{found[0]} {found[1:]}")
    return safe


def template_for(tokenizer: PreTrainedTokenizerFast, folder: Path) -> str:
    """The chat template of a checkpoint: the processor's, else the tokenizer's, else ours.

    Args:
        tokenizer: as loaded; a text-only template of it is passed over.
        folder: Qwen2-VL and Qwen2.5-VL keep the processor's template in `chat_template.json`.
    """
    beside = folder / "chat_template.json"
    kept = read_object(beside).get("chat_template") if beside.is_file() else None
    for template in (kept, tokenizer.chat_template):
        if isinstance(template, str) and _shows_pictures(tokenizer, template):
            return template
    return CHAT_TEMPLATE


def _shows_pictures(tokenizer: PreTrainedTokenizerFast, template: str) -> bool:
    from jinja2 import TemplateError

    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "x"}]}]
    try:
        rendered = tokenizer.apply_chat_template(turn, tokenize=False, chat_template=template)
    except (TemplateError, TypeError, ValueError):  # a template for text only
        return False
    return str(rendered).count(IMAGE_TOKEN) == 2


def prompt_ids(
    tokenizer: PreTrainedTokenizerFast,
    text: str,
    visual_tokens: int | Sequence[int],
    *,
    video_tokens: int = 0,
    video_times: Sequence[float] = (),
    waveform_token: str = "",
    waveforms: int = 0,
) -> list[int]:
    """Token ids of one user turn, up to and including the assistant's opening.

    Args:
        tokenizer: its chat template is used where it has one.
        text: the user's words, see `prompts.user_text`.
        visual_tokens: of each picture, in order; a number stands for one picture.
        video_tokens: of the video before the pictures; 0 without one.
        video_times: one per time step where the family marks times, else none.
        waveform_token: one added special token, written after the words once per waveform.
        waveforms: number of waveforms.
    """
    pictures = [visual_tokens] if isinstance(visual_tokens, int) else list(visual_tokens)
    content = [{"type": "video"}] if video_tokens else []
    content += [{"type": "image"} for _ in pictures]
    content += [{"type": "text", "text": harmless(tokenizer, text) + waveform_token * waveforms}]
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=False, add_generation_prompt=True, chat_template=tokenizer.chat_template or CHAT_TEMPLATE,
    )  # fmt: skip
    if video_tokens:
        rendered = _with_video(rendered, video_tokens, video_times)
    first, *rest = rendered.split(IMAGE_TOKEN)
    if len(rest) != len(pictures):
        raise ValueError(f"The chat template wrote {len(rest)} placeholders for {len(pictures)} pictures.")
    expanded = first + "".join(IMAGE_TOKEN * count + part for count, part in zip(pictures, rest, strict=True))
    return list(tokenizer(expanded, add_special_tokens=False, verbose=False)["input_ids"])


def _with_video(rendered: str, tokens: int, times: Sequence[float]) -> str:
    """The video's placeholder expanded, with the time before each step where times are given."""
    if not times:
        return rendered.replace(VIDEO_TOKEN, VIDEO_TOKEN * tokens)
    step = VISION_START + VIDEO_TOKEN * (tokens // len(times)) + VISION_END
    steps = "".join(f"<{time:.1f} seconds>{step}" for time in times)
    return rendered.replace(VISION_START + VIDEO_TOKEN + VISION_END, steps)


def object_ends(tokenizer: PreTrainedTokenizerFast, answer: Sequence[int]) -> Iterator[int]:
    """Index of the token that closes each JSON object of an answer; where a tokenizer has no `<seg>`.

    An object is what lies between braces and holds a quoted label; nested lists are no objects.
    """
    depth, text = 0, ""
    for index, token in enumerate(answer):
        for letter in tokenizer.decode([token]):
            text += letter
            if letter == "{":
                depth, text = depth + 1, "{"
            elif letter == "}" and depth:
                depth -= 1
                if '"label"' in text:
                    yield index
                text = ""
