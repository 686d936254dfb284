"""What a warm read costs: one 256 x 256 picture, 128 generated tokens, mask and box, on one core.

The picture is scikit-image's stained tissue. One read warms up, then the median of five counts, in CPU seconds of
this process with torch on one thread. So that every model is charged alike, exactly 128 tokens are generated and
timed whatever the answer's own length is; the answer that is grounded is the model's own, lengthened to 128 tokens
for the prefill. Stages that run the network (looking, writing, grounding) are the model's share, the rest (imaging,
parsing, scaling masks up, describing, SEG, SR) is not.

    python benchmarks/warm_read.py --json benchmarks/results/warm-read.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import transformers

from wetread import DEFAULT_MODEL, __version__
from wetread.errors import WetreadError
from wetread.imaging import to_sample
from wetread.imaging.wrap_picture import wrap_picture
from wetread.model.backbone import seg_id
from wetread.model.prompts import segment_question
from wetread.reading import Reader
from wetread.reading.engine import Encoded, Grounded, InProcessEngine, Written
from wetread.reporting import build_seg, build_sr
from wetread.terminology import Modality

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

TOKENS = 128
SIDE = 256
REPEATS = 5
NETWORK = ("looking", "writing", "grounding")
Result = TypeVar("Result")


class Stopwatch:
    """CPU seconds of this process, added up by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], Result]) -> Result:
        """Do some work and charge a stage with it."""
        begun = time.process_time()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - begun
        return result


class TimedEngine(InProcessEngine):
    """The engine as it is, with a watch on its three steps and a fixed number of generated tokens."""

    watch: Stopwatch
    own: Written | None = None

    def encode(self, pictures: Sequence[NDArray[np.uint8]], key: str | Sequence[str] | None = None) -> Encoded:
        """Timed; nothing is kept, so that every read looks at its picture itself."""
        return self.watch.time("looking", lambda: super(TimedEngine, self).encode(pictures))

    def write(
        self,
        encoded: Encoded,
        text: str,
        on_text: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
        longest: int = TOKENS,
        shortest: int = TOKENS,
    ) -> Written:
        """Exactly 128 tokens, timed; returned is the model's own answer with as many tokens to ground."""
        if self.own is None:
            self.own = super().write(encoded, text)
        fixed = self.watch.time(
            "writing", lambda: super(TimedEngine, self).write(encoded, text, longest=TOKENS, shortest=TOKENS)
        )
        seg = seg_id(self.load().tokenizer)
        filler = [token for token in fixed.answer if token != seg][len(self.own.answer) :]
        longer = (*self.own.answer, *filler)[: max(TOKENS, len(self.own.answer))]
        return replace(self.own, answer=longer, hidden=None)

    def ground(
        self, encoded: Encoded, written: Written, cancel: threading.Event | None = None, own: int = 0,
        *, fixed: bool = False,
    ) -> Grounded:  # fmt: skip
        """Timed, with the prefill that a picture other than the one written about costs."""
        return self.watch.time("grounding", lambda: super(TimedEngine, self).ground(encoded, written, fixed=fixed))


def tissue() -> NDArray[np.uint8]:
    """The middle 256 x 256 pixels of scikit-image's immunohistochemistry picture."""
    from skimage.data import immunohistochemistry

    return np.ascontiguousarray(immunohistochemistry()[128 : 128 + SIDE, 128 : 128 + SIDE])


def one_read(reader: Reader, engine: TimedEngine, picture: NDArray[np.uint8], question: str) -> dict[str, float]:
    """CPU seconds of one read by stage.

    Raises:
        SystemExit: the model marked nothing, so that the time of a mask cannot be told.
    """
    watch = engine.watch = Stopwatch()
    sample = watch.time("imaging", lambda: to_sample([wrap_picture(picture, Modality.PATHOLOGY)]))
    begun = time.process_time()
    read = reader.read(sample, question)
    watch.seconds["rest of the read"] = time.process_time() - begun - sum(watch.seconds.get(s, 0.0) for s in NETWORK)
    if not any(finding.mask is not None and finding.box is not None for finding in read.findings):
        sys.exit("The model marked nothing on the stained tissue; the time of a mask cannot be measured.")
    seg = watch.time("SEG", lambda: build_seg(read, sample))
    watch.time("SR", lambda: build_sr(read, sample, seg))
    return watch.seconds


def help_seconds() -> float:
    """CPU seconds of `wetread --help` in a process of its own, the median of five."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "wetread", "--help"], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    once()
    return statistics.median(once() for _ in range(REPEATS))


def measure(model: str, label: str) -> dict[str, Any]:
    """Everything that is reported, times in CPU seconds."""
    torch.set_num_threads(1)
    reader = Reader(model)
    engine = TimedEngine(reader.info)
    # The reader makes its engine on first use; here it is given the timed one.
    reader._engine = engine
    picture, question = tissue(), segment_question(label)
    one_read(reader, engine, picture, question)
    runs = [one_read(reader, engine, picture, question) for _ in range(REPEATS)]
    stages = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    totals = [sum(run.values()) for run in runs]
    reads = [sum(run[s] for s in (*NETWORK, "rest of the read")) for run in runs]
    shares = [1 - sum(run[s] for s in NETWORK) / sum(run.values()) for run in runs]
    assert engine.own is not None
    return {
        "model": {"name": reader.info.name, "version": reader.info.version},
        "picture": [SIDE, SIDE],
        "tokens": TOKENS,
        "own_answer_tokens": len(engine.own.answer),
        "repeats": REPEATS,
        "read_cpu_seconds": round(statistics.median(reads), 4),
        "read_cpu_seconds_all": [round(v, 4) for v in reads],
        "with_imaging_seg_and_sr_cpu_seconds": round(statistics.median(totals), 4),
        "tokens_per_cpu_second": round(TOKENS / stages["writing"], 1),
        "stages_cpu_seconds": {stage: round(seconds, 4) for stage, seconds in stages.items()},
        "non_model_share": round(statistics.median(shares), 4),
        "help_cpu_seconds": round(help_seconds(), 3),
        "versions": {"wetread": __version__, "python": platform.python_version(), "torch": torch.__version__,
                     "transformers": transformers.__version__, "numpy": np.__version__},
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="CPU seconds of a warm read on one core.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name or folder")
    parser.add_argument("--label", default="nuclei", help="what is asked for")
    parser.add_argument("--json", type=Path, help="write the report here")
    options = parser.parse_args()
    report = measure(options.model, options.label)
    text = json.dumps(report, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WetreadError as error:
        sys.exit(str(error))
