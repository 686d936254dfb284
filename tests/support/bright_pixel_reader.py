"""A test double for the Reader, and nothing more: it marks the brighter pixels and says that it is a double.

The service's own behaviour (jobs, events, errors, storing) is tested with it; what a model finds is not. The real
Reader is run through the service in `test_real_reader.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from wetread.errors import ReadCancelled
from wetread.findings import BoxFrame, Finding, Mask, Provenance, Read
from wetread.imaging.sample import Sample
from wetread.model.checkpoint import ModelInfo
from wetread.pointing import Pointing
from wetread.reading import ReadEvent
from wetread.terminology import Modality, find_target

INFO = ModelInfo(
    name="test-double",
    version="0",
    family="none",
    box_frame=BoxFrame.MODEL,
    side=64,
    modalities=(Modality.CT,),
    labels=("liver",),
    licence="Apache-2.0",
    training_data=(),
    training={},
    metrics={},
    field_mm={},
    head={},
    weights_sha256="0" * 64,
    folder=Path("."),
)


class BrightPixelReader:
    """Marks pixels above the mean on the first plane; waits at `gate` (in "writing") until it is set."""

    info = INFO

    def __init__(self, gate: threading.Event | None = None, error: Exception | None = None) -> None:
        self.gate, self.error, self.reads, self.beside = gate, error, 0, 0
        self.pointing: Pointing | None = None

    def read(
        self,
        sample: Sample,
        question: str | None = None,
        *,
        beside: Sequence[Sample] = (),
        pointing: Pointing | None = None,
        on_event: Callable[[ReadEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Read:
        tell = on_event or (lambda event: None)
        tell(ReadEvent("looking", 0.1))
        tell(ReadEvent("writing", 0.2, "I am a test double, "))
        while self.gate is not None and not self.gate.wait(0.02):
            if cancel is not None and cancel.is_set():
                raise ReadCancelled("cancelled")
        if self.error is not None:
            raise self.error
        tell(ReadEvent("writing", 0.4, "I mark bright pixels."))
        self.reads, self.beside, self.pointing = self.reads + 1, len(beside), pointing
        values = np.asarray(sample.planes[0].values, dtype=float)
        values = values.mean(axis=2) if values.ndim == 3 else values
        mask = Mask(sample.shape, {0: values > values.mean()})
        target = find_target("liver")
        assert target is not None
        uid = f"2.25.{1000 + self.reads}{abs(hash((question, sample.study_uid))) % 10**9}"
        finding = Finding(target, f"{uid}.1", 0.75, 0, mask.box(0), mask, description="Bright pixels.")
        return Read(
            uid=uid,
            question=question or "everything",
            reasoning="I mark pixels above the mean.",
            findings=(finding,),
            diagnoses=("liver",),
            abstention=None,
            answer="I am a test double, I mark bright pixels.",
            provenance=Provenance("test-double", "0", "0" * 64, INFO.device_uid, "0", 0, 1, 9, 0.01),
        )
