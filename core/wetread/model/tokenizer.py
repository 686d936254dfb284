"""The small model's own tokenizer: byte-level BPE with Qwen's chat tokens.

Any text can be written (bytes are the fallback); digits stay single tokens so that every coordinate has one
spelling. `<seg>` is one special token: its hidden state is what the grounding head turns into a mask, and special
tokens vanish from decoded text, which leaves plain JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wetread.model.families import IMAGE_TOKEN, TURN_END, VIDEO_TOKEN, VISION_END, VISION_START

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedTokenizerFast

SEG_TOKEN = "<seg>"
PAD_TOKEN = "<|endoftext|>"
SPECIAL_TOKENS = (
    PAD_TOKEN, "<|im_start|>", TURN_END, VISION_START, VISION_END, IMAGE_TOKEN, VIDEO_TOKEN, SEG_TOKEN,
)  # fmt: skip

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(corpus: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train the byte-level BPE on a corpus of prompts and answers.

    Args:
        corpus: texts without image placeholders.
        vocabulary: number of tokens including the 256 bytes and the special tokens.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        eos_token=TURN_END,
        additional_special_tokens=[token for token in SPECIAL_TOKENS if token not in (PAD_TOKEN, TURN_END)],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=2048,
    )
