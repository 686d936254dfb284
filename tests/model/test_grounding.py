"""The closed-loop head: round 1 is the open-loop baseline, and the gates can learn."""

from __future__ import annotations

import pytest
import torch

from wetread.model.grounded import pad_sequences
from wetread.model.grounding import GroundingHead, GroundingSize

SIZE = GroundingSize(language=32, width=32, heads=4, rounds=3, detail=(8, 8, 16, 16), mask=8)


def inputs(batch: int = 2, queries: int = 3, words: int = 7) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    mask = torch.ones(batch, words, dtype=torch.bool)
    mask[0, 5:] = False
    return (torch.randn(batch, 3, 64, 96), torch.randn(batch, 2, 3, 32), torch.randn(batch, words, 32), mask,
            torch.randn(batch, queries, 32))  # fmt: skip


def head() -> GroundingHead:
    torch.manual_seed(1)
    return GroundingHead(SIZE).eval()


def test_shapes_of_every_round() -> None:
    out = head()(*inputs())
    assert out.mask_logits.shape == (2, 3, 32, 48)
    assert len(out.coarse_logits) == len(out.boxes) == len(out.presence_logits) == 3
    assert out.coarse_logits[0].shape == (2, 3, 4, 6)
    assert out.boxes[0].shape == (2, 3, 4)
    assert ((out.boxes[-1] >= 0) & (out.boxes[-1] <= 1)).all()


def test_round_one_is_the_open_loop_baseline() -> None:
    one, three = head()(*inputs(), rounds=1), head()(*inputs(), rounds=3)
    torch.testing.assert_close(one.coarse_logits[0], three.coarse_logits[0])
    torch.testing.assert_close(one.presence_logits[0], three.presence_logits[0])


def test_closed_gates_leave_pixels_alone_and_open_gates_do_not() -> None:
    model = head()
    closed = model(*inputs()).mask_logits
    model.gate_pixel.data.fill_(0.7)
    assert not torch.allclose(closed, model(*inputs()).mask_logits)


def test_the_gates_receive_gradient_though_they_start_at_zero() -> None:
    model = head()
    model(*inputs()).mask_logits.square().sum().backward()
    assert model.gate_pixel.grad is not None
    assert model.gate_pixel.grad.abs() > 0
    assert model.focus.grad is not None
    assert model.focus.grad.abs() > 0


def test_states_that_are_not_there_do_not_count() -> None:
    pictures, vision, language, mask, query = inputs()
    other = language.clone()
    other[0, 5:] = 99.0
    torch.testing.assert_close(
        head()(pictures, vision, language, mask, query).mask_logits,
        head()(pictures, vision, other, mask, query).mask_logits,
    )


@pytest.mark.parametrize("queries", [1, 4])
def test_queries_do_not_see_each_other_in_one_open_round(queries: int) -> None:
    pictures, vision, language, mask, query = inputs(queries=queries)
    together = head()(pictures, vision, language, mask, query, rounds=1).coarse_logits[0][:, :1]
    alone = head()(pictures, vision, language, mask, query[:, :1], rounds=1).coarse_logits[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_padding_finds_the_seg_tokens_of_the_answer_only() -> None:
    sequences = pad_sequences([[9, 1, 9, 2], [1, 1, 3]], starts=[1, 2], seg=9, pad=0)
    assert sequences.seg_positions.tolist() == [[2], [0]]
    assert sequences.seg_present.tolist() == [[True], [False]]
    assert sequences.present.tolist() == [[True] * 4, [True] * 3 + [False]]
