"""The closed-loop head: round 1 is the open-loop baseline, and the gates can learn."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional

from wetread.model.grounded import pad_sequences
from wetread.model.grounding import Classes, GroundingHead, GroundingSize, mask_agreement

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


@pytest.mark.parametrize(
    ("switch", "gate"), [("vision_to_language", "gate_language"), ("language_to_vision", "gate_pixel")]
)
def test_a_way_that_is_switched_off_stays_closed_whatever_its_gate(switch: str, gate: str) -> None:
    torch.manual_seed(1)
    model = GroundingHead(dataclasses.replace(SIZE, **{switch: False})).eval()
    closed = model(*inputs()).mask_logits
    getattr(model, gate).data.fill_(0.7)
    assert torch.equal(closed, model(*inputs()).mask_logits)


def test_a_picture_stops_when_its_masks_stand_still_and_the_others_go_on() -> None:
    model = head()
    model.gate_pixel.data.fill_(2.0)
    whole = model(*inputs(), rounds=5)
    agree = [mask_agreement(a.flatten(2), b.flatten(2)).amin(1)
             for a, b in zip(whole.coarse_logits[1:], whole.coarse_logits, strict=False)]  # fmt: skip
    threshold = (float(agree[0].min()) + float(agree[0].max())) / 2
    stopped = model(*inputs(), rounds=5, stop_iou=threshold)
    assert stopped.rounds is not None
    assert whole.rounds is not None
    assert whole.rounds.tolist() == [5, 5]
    first, last = int(stopped.rounds.argmin()), int(stopped.rounds.argmax())
    assert stopped.rounds[first] == 2
    assert stopped.rounds[last] > 2
    torch.testing.assert_close(stopped.coarse_logits[-1][first], whole.coarse_logits[1][first])
    alone = int(stopped.rounds[last]) - 1
    torch.testing.assert_close(stopped.coarse_logits[-1][last], whole.coarse_logits[alone][last])


def test_two_rounds_never_stop_early() -> None:
    assert head()(*inputs(), rounds=2, stop_iou=0.0).rounds.tolist() == [2, 2]


def test_agreement_is_the_iou_of_two_masks() -> None:
    first = torch.tensor([[[1.0, 1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, -1.0]]])
    second = torch.tensor([[[1.0, -1.0, 1.0, -1.0], [-1.0, -1.0, -1.0, -1.0]]])
    assert mask_agreement(first, second).tolist() == [[pytest.approx(1 / 3), 1.0]]


def test_every_round_can_give_its_fine_mask() -> None:
    out = head()(*inputs(), every_fine=True)
    assert len(out.fine_logits) == 3
    torch.testing.assert_close(out.fine_logits[-1], out.mask_logits)
    torch.testing.assert_close(out.mask_logits, head()(*inputs()).mask_logits)


def test_a_class_is_the_cosine_of_the_span_with_each_label_over_the_temperature() -> None:
    torch.manual_seed(1)
    model = GroundingHead(dataclasses.replace(SIZE, rounds=1, classes=True)).eval()
    spans = torch.zeros(2, 3, 7, dtype=torch.bool)
    spans[:, :, 2:4] = True
    labels = torch.randn(5, 32)
    pictures, vision, language, mask, query = inputs()
    (logits,) = model(pictures, vision, language, mask, query, classes=Classes(spans, labels)).class_logits
    states = model.language_norm(model.language_in(language))
    named = model.class_out(states[:, 2:4].mean(1))
    by_hand = functional.cosine_similarity(named[:, None], model.label_in(labels)[None], dim=-1) / 0.07
    torch.testing.assert_close(logits, by_hand[:, None].expand(-1, 3, -1))
