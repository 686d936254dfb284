"""The in-process engine: many callers at once, each with exactly what it would have got alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_checkpoints import build_checkpoint
from wetread.errors import ModelUnavailable, ReadCancelled, RefusedInput
from wetread.imaging.sample import Plane, Sample, SampleKind, Source
from wetread.model.backbone import seg_id
from wetread.model.checkpoint import SHIPPED, read_info
from wetread.model.encoded import Encoded
from wetread.model.grounded import GroundedModel
from wetread.model.grounding import GroundingHead
from wetread.model.prompts import FIND_ALL, segment_question, user_text
from wetread.model.write_back import written_back
from wetread.reading import Reader
from wetread.reading.batching import Limits
from wetread.reading.caches import ByteBoundedCache
from wetread.reading.decoding import Decoder, Row
from wetread.reading.engine import InProcessEngine
from wetread.reading.prefill import placeholders
from wetread.terminology import Modality
from wetread.training.phantoms import drawn_nuclei

needs_weights = pytest.mark.skipif(not (SHIPPED / "wetread-mini").is_dir(), reason="wetread-mini is not in the package")
FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
NUCLEI = user_text(Modality.PATHOLOGY, segment_question("nuclei"))
QUESTIONS = (NUCLEI, user_text(Modality.PATHOLOGY, FIND_ALL), "Modality: CT. Is there anything else at all?", "Why?")


@pytest.fixture(scope="module")
def mini() -> Iterator[InProcessEngine]:
    engine = InProcessEngine(read_info("wetread-mini"))
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessEngine]:
    folder = build_checkpoint(request.param, tmp_path_factory.mktemp("checkpoints"))
    engine = InProcessEngine(read_info(folder))
    yield engine
    engine.close()


def tissue(engine: InProcessEngine, seed: int) -> np.ndarray:
    return engine.fit(drawn_nuclei(np.random.default_rng(seed))[0])


def noise(engine: InProcessEngine, rows: int, columns: int) -> np.ndarray:
    return engine.fit(np.random.default_rng(rows).integers(0, 255, (rows, columns, 3), dtype=np.uint8))


def generated(engine: InProcessEngine, encoded: Encoded, text: str, longest: int) -> tuple[int, ...]:
    """What transformers' own greedy generate() writes."""
    model = engine.load()
    ids = torch.tensor([model.prompt(text, encoded)])
    with torch.inference_mode():
        output = model.backbone.generate(
            **model.forward_inputs(ids, encoded), do_sample=False, max_new_tokens=longest,
            eos_token_id=list(model.ends), pad_token_id=model.pad, suppress_tokens=placeholders(model.backbone),
        )[0, ids.shape[1] :].tolist()  # fmt: skip
    return tuple(output[:-1] if output[-1] in model.ends else output)


def at_once(work, count: int) -> list:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


@needs_weights
class TestTokens:
    def test_alone_and_together_every_answer_is_that_of_generate(self, mini: InProcessEngine) -> None:
        shown = [mini.encode([tissue(mini, n)]) for n in range(5)]
        texts = [QUESTIONS[n % 4] for n in range(5)]  # prompts and answers of several lengths
        expected = [generated(mini, e, t, 100) for e, t in zip(shown, texts, strict=True)]
        assert len({len(answer) for answer in expected}) > 1
        alone = [mini.write(e, t, longest=100) for e, t in zip(shown, texts, strict=True)]
        together = at_once(lambda n: mini.write(shown[n], texts[n], longest=100), 5)
        assert [w.answer for w in alone] == [w.answer for w in together] == expected
        assert any(w.finished for w in together)

    def test_an_answer_that_joins_a_batch_under_way_changes_nothing(self, mini: InProcessEngine) -> None:
        first, second = mini.encode([tissue(mini, 1)]), mini.encode([tissue(mini, 2)])
        expected = mini.write(second, QUESTIONS[1]).answer
        joined: list[tuple[int, ...]] = []
        threads: list[threading.Thread] = []

        def join(piece: str) -> None:
            if not threads:
                late = threading.Thread(target=lambda: joined.append(mini.write(second, QUESTIONS[1]).answer))
                threads.append(late)
                late.start()

        mini.write(first, NUCLEI, join)
        threads[0].join()
        assert joined == [expected]

    def test_the_length_limits_hold(self, mini: InProcessEngine) -> None:
        shown = mini.encode([tissue(mini, 1)])
        short = mini.write(shown, NUCLEI, longest=5)
        assert len(short.answer) == 5
        assert not short.finished
        own = mini.write(shown, NUCLEI)
        longer = mini.write(shown, NUCLEI, longest=len(own.answer) + 9, shortest=len(own.answer) + 9)
        assert longer.answer[: len(own.answer)] == own.answer
        assert len(longer.answer) == len(own.answer) + 9

    def test_pieces_join_to_the_text_for_everybody(self, mini: InProcessEngine) -> None:
        shown = [mini.encode([tissue(mini, n)]) for n in range(4)]
        heard: list[list[str]] = [[] for _ in shown]
        written = at_once(lambda n: mini.write(shown[n], QUESTIONS[n], heard[n].append), 4)
        assert ["".join(pieces) for pieces in heard] == [w.text for w in written]
        assert all(len(pieces) > 5 for pieces in heard)

    def test_who_cancels_stops_within_one_token_and_the_others_go_on(self, mini: InProcessEngine) -> None:
        shown = [mini.encode([tissue(mini, n)]) for n in range(3)]
        cancel, pieces = threading.Event(), []

        def stop(piece: str) -> None:
            pieces.append(piece)
            cancel.set()

        def work(n: int) -> object:
            if n:
                return mini.write(shown[n], NUCLEI).answer
            with pytest.raises(ReadCancelled):
                mini.write(shown[0], NUCLEI, stop, cancel)
            return None

        results = at_once(work, 3)
        assert len(pieces) == 1
        assert results[1:] == [mini.write(e, NUCLEI).answer for e in shown[1:]]

    def test_memory_that_runs_out_changes_no_token(self, mini: InProcessEngine, monkeypatch) -> None:
        shown = [mini.encode([tissue(mini, n)]) for n in range(6)]
        expected = [mini.write(e, NUCLEI, longest=24) for e in shown]
        backbone = mini.load().backbone
        forward = backbone.model.forward
        most, refused = 2, []

        def hungry(**inputs):
            count = inputs["inputs_embeds"].shape[0] if "inputs_embeds" in inputs else 1
            if count > most:
                refused.append(count)
                raise torch.OutOfMemoryError("CUDA out of memory (injected).")
            return forward(**inputs)

        monkeypatch.setattr(backbone.model, "forward", hungry)
        together = at_once(lambda n: mini.write(shown[n], NUCLEI, longest=24), 6)
        assert refused
        assert [w.answer for w in together] == [w.answer for w in expected]
        for ours, theirs in zip(together, expected, strict=True):
            torch.testing.assert_close(ours.hidden, theirs.hidden, atol=1e-4, rtol=1e-4)
        most = 0
        with pytest.raises(ModelUnavailable, match="not enough memory"):
            mini.write(shown[0], NUCLEI)


class TestFamilies:
    def test_steps_of_fixed_shapes_write_the_same(self, family: InProcessEngine) -> None:
        model = family.load()
        shown = [family.encode([noise(family, 40 + 30 * n, 70)]) for n in range(3)]
        prompts = [tuple(model.prompt(QUESTIONS[n], shown[n])) for n in range(3)]

        @torch.inference_mode()
        def written(static: bool) -> list[Row]:
            decoder = Decoder(model, ByteBoundedCache(0), static=static)
            rows = [Row(prompts[n], shown[n], frozenset(model.ends), (9, 300, 20)[n]) for n in range(3)]
            decoder.start(rows)
            while decoder.rows:  # one leaves early, and the last outgrows the room of its buffers
                decoder.step()
            return rows

        for moving, fixed in zip(written(False), written(True), strict=True):
            assert fixed.answer == moving.answer
            torch.testing.assert_close(torch.stack(fixed.hidden), torch.stack(moving.hidden), atol=1e-5, rtol=1e-5)

    def test_pictures_of_other_sizes_and_numbers_are_written_about_together(self, family: InProcessEngine) -> None:
        sizes = ((40, 90), (64, 64), (130, 50), (56, 56))
        shown = [family.encode([noise(family, *size)]) for size in sizes]
        shown.append(family.encode([noise(family, *size) for size in sizes[:3]]))
        texts = [*QUESTIONS, NUCLEI]
        expected = [generated(family, e, t, 24) for e, t in zip(shown, texts, strict=True)]
        alone = [family.write(e, t, longest=24) for e, t in zip(shown, texts, strict=True)]
        together = at_once(lambda n: family.write(shown[n], texts[n], longest=24), 5)
        assert [w.answer for w in alone] == [w.answer for w in together] == expected
        assert len(set(expected)) > 1

    def test_a_repeated_question_starts_from_the_picture_and_writes_the_same(self, family: InProcessEngine) -> None:
        picture = noise(family, 100, 70)
        cold = family.write(family.encode([picture], "a"), NUCLEI, longest=16)
        hits = family.prefixes.hits
        warm = family.write(family.encode([picture], "a"), NUCLEI, longest=16)
        other = family.write(family.encode([picture], "a"), QUESTIONS[2], longest=16)
        assert family.prefixes.hits == hits + 2
        assert warm.answer == cold.answer
        assert other.answer == generated(family, family.encode([picture]), QUESTIONS[2], 16)

    def test_the_states_that_passed_by_are_those_of_a_second_forward(self, family: InProcessEngine) -> None:
        shown = [family.encode([noise(family, 50 + 20 * n, 90)], "hidden") for n in range(3)]
        for written in at_once(lambda n: family.write(shown[n], QUESTIONS[n], longest=12), 3):
            assert _distance(family, written) < 1e-5


def _distance(engine: InProcessEngine, written) -> float:
    """Largest difference of the kept hidden states to a re-forward of the finished answer."""
    model = engine.load()
    with torch.inference_mode():
        again = model.hidden_states(model.sequences(written.prompt, written.answer), written.about)
    assert len(written.hidden) == len(written.answer)
    return float((again[0, len(written.prompt) :] - written.hidden).abs().max())


@needs_weights
class TestStates:
    @pytest.mark.parametrize("longest", [9, 320])
    def test_alone_together_and_at_the_length_limit(self, mini: InProcessEngine, longest: int) -> None:
        shown = [mini.encode([tissue(mini, n)], "k") for n in range(4)]
        for _ in range(2):  # the second time from the prefix cache
            for written in at_once(lambda n: mini.write(shown[n], QUESTIONS[n], longest=longest), 4):
                assert _distance(mini, written) < 1e-5

    def test_the_written_picture_is_grounded_without_a_forward_of_the_language_model(
        self, mini: InProcessEngine, monkeypatch
    ) -> None:
        picture = tissue(mini, 4)
        written = mini.write(mini.encode([picture]), NUCLEI)
        again = mini.ground(mini.encode([picture]), replace(written, hidden=None))
        language = mini.load().backbone.model.language_model
        monkeypatch.setattr(language, "forward", lambda **_: pytest.fail("a second forward"))
        known = mini.ground(mini.encode([picture]), written)
        np.testing.assert_allclose(known.logits, again.logits, atol=1e-3)
        np.testing.assert_allclose(known.presence, again.presence, atol=1e-5)

    def test_other_pictures_are_grounded_by_their_own_states(self, mini: InProcessEngine) -> None:
        written = mini.write(mini.encode([tissue(mini, 4)]), NUCLEI)
        pictures = [tissue(mini, 4), tissue(mini, 9), np.zeros_like(tissue(mini, 4))]
        both = mini.ground(mini.encode(pictures), written)
        for index, picture in enumerate(pictures):
            alone = mini.ground(mini.encode([picture]), replace(written, hidden=None))
            np.testing.assert_allclose(both.logits[index], alone.logits[0], atol=1e-3)
        assert np.abs(both.logits[0] - both.logits[1]).max() > 1

    def test_answers_of_several_callers_are_grounded_together(self, mini: InProcessEngine) -> None:
        shown = [mini.encode([tissue(mini, n)]) for n in range(4)]
        written = [mini.write(e, NUCLEI) for e in shown]
        swapped = [(shown[(n + 1) % 4], written[n]) for n in range(4)]
        alone = [mini.ground(*pair) for pair in swapped]
        for one, other in zip(alone, at_once(lambda n: mini.ground(*swapped[n]), 4), strict=True):
            np.testing.assert_allclose(one.logits, other.logits, atol=1e-3)

    def test_an_answer_without_marks_has_no_masks(self, mini: InProcessEngine) -> None:
        shown = mini.encode([tissue(mini, 4)])
        written = mini.write(shown, NUCLEI, longest=3)
        assert mini.segs(written) == 0
        assert mini.ground(shown, written).logits.shape[:2] == (1, 0)


@needs_weights
def test_words_after_a_mark_see_its_mask_where_the_head_writes_back(mini: InProcessEngine) -> None:
    plain = mini.load()
    torch.manual_seed(0)
    head = GroundingHead(replace(plain.head.size, write_back=True)).eval()
    with torch.no_grad():
        head.gate_write.fill_(40.0)  # far from the zero it starts with, so that words change
    model = replace(plain, grounded=GroundedModel(plain.backbone, head).eval())
    shown = mini.encode([tissue(mini, 4)])
    prompt = tuple(model.prompt(NUCLEI, shown))
    longest = 100

    def residual(states: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        tokens = [0] * states.shape[1]
        tokens[int(place)] = seg_id(model.tokenizer)
        return model.ground(shown, model.sequences((), tokens), states).residual

    norm = model.backbone.model.language_model.norm
    with torch.inference_mode():
        ids = torch.tensor([prompt])
        with written_back(model.backbone, seg_id(model.tokenizer), residual, norm=norm):
            expected = model.backbone.generate(
                **model.forward_inputs(ids, shown), do_sample=False, max_new_tokens=longest,
                eos_token_id=list(model.ends), pad_token_id=model.pad, suppress_tokens=placeholders(model.backbone),
            )[0, len(prompt) :].tolist()  # fmt: skip
        decoder = Decoder(model, ByteBoundedCache(0))
        rows = [Row(prompt, shown, frozenset(model.ends), longest) for _ in range(2)]
        decoder.start(rows)
        while decoder.rows:
            decoder.step()
    assert all(row.answer == [t for t in expected if t not in model.ends] for row in rows)
    assert tuple(rows[0].answer) != mini.write(shown, NUCLEI, longest=longest).answer


@needs_weights
class TestWhatIsKept:
    def test_only_named_pictures_are_kept_and_pixels_are_part_of_the_name(self) -> None:
        engine = InProcessEngine(read_info("wetread-mini"))
        first, second = tissue(engine, 1), tissue(engine, 2)
        engine.encode([first])
        assert len(engine.visions) == 0
        one = engine.encode([first], "same name")
        other = engine.encode([second], "same name")
        again = engine.encode([first, second], ["same name", "same name"])
        assert (len(engine.visions), engine.visions.hits) == (2, 2)
        for index, encoded in enumerate((one, other)):
            torch.testing.assert_close(again.features.pooler_output[index], encoded.features.pooler_output[0])
            torch.testing.assert_close(again.pictures[index], encoded.pictures[0])
        engine.close()

    def test_caches_stay_within_their_bytes(self) -> None:
        engine = InProcessEngine(read_info("wetread-mini"), cache_bytes=400_000)
        for seed in range(6):
            engine.write(engine.encode([tissue(engine, seed)], str(seed)), NUCLEI, longest=2)
            assert engine.visions.bytes_held <= 400_000
            assert engine.prefixes.bytes_held <= 400_000
        assert 0 < len(engine.visions) < 6
        engine.close()

    def test_closing_ends_reads_under_way_and_lets_go(self) -> None:
        engine = InProcessEngine(read_info("wetread-mini"), Limits(rows=2))
        shown = engine.encode([tissue(engine, 1)], "a")
        first = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            endless = pool.submit(engine.write, shown, NUCLEI, lambda _: first.set(), None, 1500, 1500)
            assert first.wait(30)
            engine.close()
            with pytest.raises(ReadCancelled):
                endless.result(30)
        assert not engine.is_loaded
        assert len(engine.visions) == len(engine.prefixes) == 0
        with pytest.raises(ReadCancelled):
            engine.encode([np.zeros((256, 256, 3), np.uint8)])


@needs_weights
def test_reads_of_several_threads_are_those_of_one() -> None:
    reader = Reader("wetread-mini")
    samples = []
    for seed in range(3):
        plane = Plane(drawn_nuclei(np.random.default_rng(seed))[0], Source("1", "2", "3", "same for all"))
        samples.append(Sample(SampleKind.IMAGE, Modality.PATHOLOGY, (plane,), ()))
    alone = [reader.read(sample, segment_question("nuclei")) for sample in samples]
    together = at_once(lambda n: reader.read(samples[n], segment_question("nuclei")), 3)
    for one, other in zip(alone, together, strict=True):
        assert one.answer == other.answer
        assert [f.box for f in one.findings] == [f.box for f in other.findings]
    reader.close()


@needs_weights
def test_a_prompt_longer_than_the_model_holds_is_refused(mini: InProcessEngine) -> None:
    with pytest.raises(RefusedInput, match="the question"):
        mini.write(mini.encode([tissue(mini, 1)]), "why not " * 2000)


def test_a_model_that_computes_no_numbers_writes_no_answer(tmp_path: Path) -> None:
    engine = InProcessEngine(read_info(build_checkpoint("qwen3_vl", tmp_path)))
    with torch.no_grad():
        engine.load().backbone.model.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(ModelUnavailable, match="no numbers in float32"):
        engine.write(engine.encode([noise(engine, 64, 64)]), "Why?")
    engine.close()


def test_a_checkpoint_without_a_head_writes_and_has_nothing_to_ground(tmp_path: Path) -> None:
    engine = InProcessEngine(read_info(build_checkpoint("qwen2_vl", tmp_path)))
    assert engine.write(engine.encode([noise(engine, 60, 60)]), NUCLEI, longest=4).answer
    engine.close()
