"""Grounding of finished answers, several at once: one prefill where the hidden states are not known, then the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from wetread.model.encoded import joined
from wetread.model.grounded import pad_marked
from wetread.reading.prefill import visual_runs
from wetread.reading.written import Grounded

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from torch import Tensor

    from wetread.model.loaded import Encoded, LoadedModel
    from wetread.reading.written import Written


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One answer to be grounded on one picture.

    Args:
        shown: the pictures of the sequence, the one to be grounded at `own`.
        own: its index.
        prompt: token ids, with as many placeholders as `shown` has visual tokens.
        answer: token ids.
        hidden: (T, D) states of the answer's tokens where they are known.
        taught: to be grounded by the head for taught targets.
    """

    shown: Encoded
    own: int
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    hidden: Tensor | None
    taught: bool = False

    def group(self, marks: int) -> Hashable:
        """Tasks of one group can share a batch: number and size of pictures, number of marks, head."""
        sizes = tuple(tuple(picture.shape) for picture in self.shown.pictures)
        return sizes, self.shown.video is None, self.own, marks, self.taught


def task_for(model: LoadedModel, picture: Encoded, written: Written, own: int = 0, *, fixed: bool = False) -> Task:
    """A written answer on one encoded picture, which takes the place of the answer's own picture `own`.

    What else was shown stays. The hidden states of the writing serve where the picture is the very one that was
    written about, or for any picture where the query is to be `fixed`: then only its visual tokens are new.
    """
    about = written.about
    if written.dictated:
        return Task(picture, 0, written.prompt, written.answer, None, taught=True)
    if fixed and written.hidden is not None and len(written.hidden) == len(written.answer):
        return Task(picture, 0, written.prompt, written.answer, written.hidden)
    if about is None or not len(about):
        return Task(picture, 0, written.prompt, written.answer, None)
    same = _equal(picture.pictures[0], about.pictures[own])
    if same and written.hidden is not None and len(written.hidden) == len(written.answer):
        return Task(about, own, written.prompt, written.answer, written.hidden)
    before, after = about.picked(range(own)), about.picked(range(own + 1, len(about)))
    shown = joined([before, picture, _without_video(after)])
    prompt = _with_tokens(model, written.prompt, own, model.visual_tokens(picture)[0])
    return Task(shown, own, prompt, written.answer, None)


def ground_tasks(model: LoadedModel, tasks: Sequence[Task]) -> list[Grounded]:
    """Masks and presence of tasks of one group, each (1, K, h, w) and (1, K)."""
    known = [task.hidden for task in tasks]
    unknown = [index for index, hidden in enumerate(known) if hidden is None]
    for index, hidden in zip(unknown, _states(model, [tasks[i] for i in unknown]), strict=True):
        known[index] = hidden
    marks = [list(model.marks(task.answer)) for task in tasks]
    sequences = pad_marked([list(t.answer) for t in tasks], [0] * len(tasks), marks, model.pad).to(model.device)
    states = torch.nn.utils.rnn.pad_sequence([h for h in known if h is not None], batch_first=True)
    own = joined([_without_video(task.shown.picked([task.own])) for task in tasks])
    grounding = model.ground(own, sequences, states, taught=tasks[0].taught)
    logits = grounding.mask_logits.float().cpu().numpy()
    presence = grounding.presence_logits[-1].sigmoid().float().cpu().numpy()
    return [Grounded(logits[i : i + 1], presence[i : i + 1]) for i in range(len(tasks))]


def stacked(parts: Sequence[Grounded]) -> Grounded:
    """Several in one; all logits have one size."""
    return Grounded(np.concatenate([p.logits for p in parts]), np.concatenate([p.presence for p in parts]))


def _states(model: LoadedModel, tasks: Sequence[Task]) -> list[Tensor]:
    """Hidden states (T, D) of each answer by one prefill, right-padded; sequences with a video go one by one."""
    if not tasks:
        return []
    if len(tasks) > 1 and any(task.shown.video is not None for task in tasks):
        return [state for task in tasks for state in _states(model, [task])]
    rows = [[*task.prompt, *task.answer] for task in tasks]
    starts = [len(task.prompt) for task in tasks]
    marks = [[start + mark for mark in model.marks(task.answer)] for start, task in zip(starts, tasks, strict=True)]
    sequences = pad_marked(rows, starts, marks, model.pad).to(model.device)
    hidden = model.hidden_states(sequences, joined([task.shown for task in tasks]))
    return [hidden[index, start : len(row)] for index, (start, row) in enumerate(zip(starts, rows, strict=True))]


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.shape == other.shape and bool(torch.equal(one, other)))


def _without_video(encoded: Encoded) -> Encoded:
    from dataclasses import replace

    return replace(encoded, video=None) if encoded.video is not None else encoded


def _with_tokens(model: LoadedModel, prompt: tuple[int, ...], own: int, count: int) -> tuple[int, ...]:
    """The prompt with `count` placeholders for its picture `own`."""
    token = model.backbone.config.image_token_id
    start, end = visual_runs(prompt, token)[own]
    return (*prompt[:start], *[token] * count, *prompt[end:])
