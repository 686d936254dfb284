"""Where in an answer the class of each `<seg>` is named: the tokens of the object's label.

The answer's JSON writes ``"label": "nuclei"}`` before each `<seg>` (`model/answers.py`); the class of a finding is
judged on the states of those tokens (docs/model.md, after RCMed's arrow from class name to classification).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

_LABEL = re.compile(r'"label":\s*"([^"]*)"')


def class_spans(tokenizer: PreTrainedTokenizerBase, answer: Sequence[int], seg: int) -> list[tuple[int, int]]:
    """(first, past the last) token of the label before each `<seg>`; empty spans where none is written.

    Args:
        tokenizer: decodes single tokens.
        answer: token ids of an answer.
        seg: id of the `<seg>` token.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for place, token in enumerate(answer):
        if token != seg:
            continue
        pieces = [tokenizer.decode([part]) for part in answer[start:place]]
        labels = list(_LABEL.finditer("".join(pieces)))
        spans.append(_tokens_of(pieces, labels[-1].span(1), start) if labels else (start, start))
        start = place + 1
    return spans


def span_masks(spans: Sequence[Sequence[tuple[int, int]]], queries: int, length: int) -> Tensor:
    """(B, K, L) bool from the spans of each row."""
    masks = torch.zeros(len(spans), queries, length, dtype=torch.bool)
    for row, found in enumerate(spans):
        for query, (first, past) in enumerate(found):
            masks[row, query, first:past] = True
    return masks


def label_embeddings(backbone: object, tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> Tensor:
    """(C, D): mean input embedding of each label's tokens."""
    table = backbone.get_input_embeddings()  # type: ignore[attr-defined]
    rows = tokenizer(list(labels), add_special_tokens=False)["input_ids"]
    ids = torch.tensor([token for row in rows for token in row], device=table.weight.device)
    label = torch.tensor([index for index, row in enumerate(rows) for _ in row], device=ids.device)
    lengths = torch.tensor([[max(len(row), 1)] for row in rows], device=ids.device)
    total = torch.zeros(len(rows), table.weight.shape[1], dtype=table.weight.dtype, device=ids.device)
    return total.index_add(0, label, table(ids)) / lengths


def _tokens_of(pieces: list[str], characters: tuple[int, int], start: int) -> tuple[int, int]:
    """The tokens that overlap a range of characters of their joined text."""
    at, touched = 0, []
    for index, piece in enumerate(pieces):
        if at < characters[1] and at + len(piece) > characters[0]:
            touched.append(index)
        at += len(piece)
    return (start + touched[0], start + touched[-1] + 1) if touched else (start, start)
