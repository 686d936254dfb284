"""A reader without a network, for tests of everything around the model: it marks the brightest of 8 x 8 tiles.

It takes the arguments of `wetread.reading.Reader` and answers at once; what it says follows from the pixels alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from PIL import Image

from wetread.errors import ReadCancelled
from wetread.findings import Finding, Mask, Provenance, Read
from wetread.imaging.sample import Sample
from wetread.imaging.waveform import Waveform
from wetread.reading import ReadEvent
from wetread.terminology import TARGETS, Target

REASONING = "Some pixels are brighter than the others.\nThey are marked."
NOT_COVERED = "This kind of image is not covered."


class ThresholdReader:
    """Args: as `wetread.reading.Reader`; `abstain` makes it cover nothing; it has no pixels to go by on an ECG."""

    def __init__(
        self, model: str = "threshold", seed: int = 0, engine: str = "local", urls: Sequence[str] = (), *,
        blanked: str = "picture", second_look: int = 0, adapter: object = None, options: object = None,
        abstain: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.seed, self.abstain = model, seed, abstain

    def read(
        self,
        sample: Sample | Waveform,
        question: str | None = None,
        *,
        on_event: Callable[[ReadEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Read:
        if cancel is not None and cancel.is_set():
            raise ReadCancelled("The read was cancelled; nothing was written.")
        asked = question or "What is bright?"
        abstain = self.abstain or isinstance(sample, Waveform)
        key = f"{sample.source.sop_instance_uid} {asked} {self.seed} {abstain}"
        read_uid = f"2.25.{uuid5(NAMESPACE_OID, key).int}"
        finding = None if abstain else self._finding(sample, f"2.25.{uuid5(NAMESPACE_OID, key + ' bright').int}")
        return Read(
            uid=read_uid,
            question=asked,
            reasoning=REASONING,
            findings=(finding,) if finding else (),
            diagnoses=(finding.label,) if finding else (),
            abstention=NOT_COVERED if abstain else None,
            answer=REASONING,
            provenance=Provenance(
                "threshold", "1", "0" * 64, "2.25.77", "0.1.0", self.seed, 3, 5, 0.01, datetime(2026, 1, 2, tzinfo=UTC)
            ),
        )

    @staticmethod
    def _finding(sample: Sample, tracking_uid: str) -> Finding:
        bright = []
        for plane in sample.planes:
            size = (plane.columns, plane.rows)
            tiles = Image.fromarray(plane.picture()).convert("L").resize((8, 8), Image.Resampling.BOX)
            brightest = Image.fromarray(np.asarray(tiles) >= np.quantile(np.asarray(tiles), 0.75))
            bright.append(np.asarray(brightest.resize(size, Image.Resampling.NEAREST)))
        mask = Mask.from_dense(np.stack(bright))
        target: Target = next((t for t in TARGETS if sample.modality in t.modalities), TARGETS[-1])
        plane_index = mask.key_plane
        return Finding(target, tracking_uid, 0.75, plane_index, mask.box(plane_index), mask, description="Bright.")
