"""What the engine saves, as ratios measured in one run: a repeated question, eight waiting clients, hidden states.

Everything runs in this process on the shipped model; pictures are drawn tissue, answers are the model's own unless a
length is stated. Each figure is the median of several rounds after one that warms up, and what is compared is
measured in turn within a round, so that a busy machine slows both. Tokens are compared, not only times.

    python benchmarks/engines.py --json benchmarks/results/engines.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from wetread import DEFAULT_MODEL, __version__
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.prompts import FIND_ALL, segment_question, user_text
from wetread.reading import Reader
from wetread.reading.engine import InProcessEngine, Written
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei

CLIENTS = 8
FIXED = 64
QUESTION = user_text(Modality.PATHOLOGY, segment_question("nuclei"))
OTHER_QUESTION = user_text(Modality.PATHOLOGY, FIND_ALL)


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall time of some work, and its result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def first_token(engine: InProcessEngine, picture: np.ndarray, question: str = QUESTION) -> tuple[float, Written]:
    """Seconds from the picture to the first piece of the answer, and the answer."""
    heard: list[float] = []
    begun = time.perf_counter()
    encoded = engine.encode([picture], "picture")
    written = engine.write(encoded, question, lambda _: heard.append(time.perf_counter() - begun))
    return heard[0], written


def repeated_question(engine: InProcessEngine, rounds: int) -> dict[str, Any]:
    """First token of a question on a picture not seen before, and of a repeated and another one on it."""
    cold, warm, other, equal = [], [], [], True
    for number in range(rounds + 1):
        picture = tissue(engine, 1000 + number)
        before, answer = first_token(engine, picture)
        after, again = first_token(engine, picture)
        besides, _ = first_token(engine, picture, OTHER_QUESTION)
        if number:
            cold.append(before)
            warm.append(after)
            other.append(besides)
        equal = equal and answer.answer == again.answer
    return {
        "cold_first_token_ms": ms(cold),
        "repeated_first_token_ms": ms(warm),
        "other_question_first_token_ms": ms(other),
        "repeated_over_cold": ratio(warm, cold),
        "other_question_over_cold": ratio(other, cold),
        "tokens_identical": equal,
    }


def clients(work: Callable[[int], Any], same: Callable[[Any, Any], bool], rounds: int) -> dict[str, Any]:
    """Throughput of several clients at once over one after the other; `work` takes a client's number."""
    ratios, serial, together, equal = [], [], [], True
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(rounds + 1):
            alone, one = seconds(lambda: [work(client) for client in range(CLIENTS)])
            at_once, other = seconds(lambda: list(pool.map(work, range(CLIENTS))))
            equal = equal and all(same(a, b) for a, b in zip(one, other, strict=True))
            if number:
                serial.append(alone)
                together.append(at_once)
                ratios.append(alone / at_once)
    return {
        "one_at_a_time_ms": ms(serial), "eight_at_once_ms": ms(together),
        "throughput_ratio": round(statistics.median(ratios), 2), "equal": equal,
    }  # fmt: skip


def hidden_states(engine: InProcessEngine, rounds: int) -> dict[str, Any]:
    """Grounding with the states seen while writing, and with a second forward; largest difference of the states."""
    model, known, again, differences = engine.load(), [], [], []
    for number in range(rounds + 1):
        encoded = engine.encode([tissue(engine, 2000 + number)])
        written = engine.write(encoded, QUESTION)
        with torch.inference_mode():
            forward = model.hidden_states(model.sequences(written.prompt, written.answer), encoded)
        assert written.hidden is not None
        differences.append(float((forward[0, len(written.prompt) :] - written.hidden).abs().max()))
        short, _ = seconds(lambda e=encoded, w=written: engine.ground(e, w))
        long, _ = seconds(lambda e=encoded, w=written: engine.ground(e, replace(w, hidden=None)))
        if number:
            known.append(short)
            again.append(long)
    return {
        "largest_difference": max(differences), "ground_ms": ms(known), "ground_with_second_forward_ms": ms(again),
        "saved_share": round(1 - ratio(known, again), 3),
    }  # fmt: skip


def tissue(engine: InProcessEngine, seed: int) -> np.ndarray:
    """A drawn picture at the size the model sees."""
    return engine.fit(drawn_nuclei(np.random.default_rng(seed))[0])


def sample(seed: int) -> Sample:
    """A drawn picture as a Sample."""
    plane = Plane(drawn_nuclei(np.random.default_rng(seed))[0], Source("1", "2", "3", f"2.25.{seed + 1}"))
    return Sample(SampleKind.IMAGE, Modality.PATHOLOGY, (plane,), ())


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Median of the ratios within a round."""
    return round(statistics.median(a / b for a, b in zip(one, other, strict=True)), 3)


def ms(values: Sequence[float]) -> float:
    """Median in milliseconds."""
    return round(1000 * statistics.median(values), 1)


def measure(rounds: int) -> dict[str, Any]:
    """All figures."""
    reader = Reader(DEFAULT_MODEL)
    engine = reader.engine
    assert isinstance(engine, InProcessEngine)
    pictures = [tissue(engine, number) for number in range(CLIENTS)]
    shown = [engine.encode([picture]) for picture in pictures]
    samples = [sample(number) for number in range(CLIENTS)]
    question = segment_question("nuclei")
    own = engine.write(shown[0], QUESTION)

    def fixed(client: int) -> tuple[int, ...]:
        return engine.write(shown[client], QUESTION, longest=FIXED, shortest=FIXED).answer

    def from_picture(client: int) -> tuple[int, ...]:
        return engine.write(engine.encode([pictures[client]]), QUESTION).answer

    def same_picture(client: int) -> tuple[int, ...]:
        asked = (QUESTION, OTHER_QUESTION)[client % 2]
        return engine.write(engine.encode([pictures[0]], "one picture"), asked).answer

    def read_new(client: int) -> Any:
        engine.visions.clear()
        engine.prefixes.clear()
        return reader.read(samples[client], question)

    def read_again(client: int) -> Any:
        return reader.read(samples[client], question)

    def same_read(one: Any, other: Any) -> bool:
        return one.answer == other.answer and [f.box for f in one.findings] == [f.box for f in other.findings]

    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "repeated_question": lambda: repeated_question(engine, rounds),
        f"clients, answers of {FIXED} tokens": lambda: clients(fixed, tuple.__eq__, rounds),
        "clients, picture and own answer": lambda: clients(from_picture, tuple.__eq__, rounds),
        "clients, questions on one picture": lambda: clients(same_picture, tuple.__eq__, rounds),
        "clients, whole reads of new pictures": lambda: clients(read_new, same_read, rounds),
        "clients, whole reads of known pictures": lambda: clients(read_again, same_read, rounds),
        "hidden_states": lambda: hidden_states(engine, rounds),
    }
    results: dict[str, Any] = {"own_answer_tokens": len(own.answer), "prompt_tokens": len(own.prompt)}
    for name, part in parts.items():
        results[name] = part()
        print(f"{name}: {results[name]}", file=sys.stderr, flush=True)
    reader.close()
    return results


def main() -> None:
    """Measure, print and, where asked, store."""
    parser = argparse.ArgumentParser(description="What the in-process engine saves, as one-run ratios.")
    parser.add_argument("--rounds", type=int, default=7, help="of each figure, after one that warms up")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {
        "model": DEFAULT_MODEL,
        "rounds": options.rounds,
        **measure(options.rounds),
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": {"wetread": __version__, "python": platform.python_version(), "torch": torch.__version__,
                     "transformers": transformers.__version__, "numpy": np.__version__},
    }  # fmt: skip
    text = json.dumps(results, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
