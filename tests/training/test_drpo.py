"""DRPO against the numbers of the published functions, and `robust` against the properties it promises."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wetread.training.clusters import elbow, published_clusters, steady_clusters
from wetread.training.drpo import DRPOAdvantage, damped_as_coded, damped_as_printed
from wetread.training.drpo_robust import WIDEST
from wetread.training.fair_grpo import FairGRPOAdvantage

PUBLISHED = json.loads((Path(__file__).parent / "published_numbers.json").read_text())
MODES = [("reference-qoqmed", "qoqmed"), ("reference-qoqmed3", "qoqmed3")]
pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


def numbers(values):
    return np.array([np.nan if value is None else value for value in values])


class TestThePublishedNumbers:
    @pytest.mark.parametrize(
        ("mode", "key"),
        [("reference-qoqmed", "qoq_med_97f7f3d_kmax10"), ("reference-qoqmed3", "qoq_med3_d50c24d_kmax3")],
    )
    def test_two_consecutive_steps_of_both_releases(self, mode, key):
        advantage = DRPOAdvantage(mode)
        for step, expected in zip(PUBLISHED["golden"]["steps"], PUBLISHED["golden"][key], strict=True):
            found = advantage(step["reward"], step["qid"], step["domain"])
            np.testing.assert_allclose(found, expected, atol=1e-5)

    @pytest.mark.parametrize(("mode", "key"), MODES)
    @pytest.mark.parametrize("run", range(len(PUBLISHED["runs"])))
    def test_runs_of_several_domains_and_group_sizes_nan_for_nan(self, mode, key, run):
        advantage = DRPOAdvantage(mode)
        for step in PUBLISHED["runs"][run]:
            found = advantage(np.array(step["reward"]), step["qid"], step["domain"])
            np.testing.assert_allclose(found, numbers(step[key]), atol=1e-5)

    @pytest.mark.parametrize("run", range(len(PUBLISHED["runs"])))
    def test_fair_grpo(self, run):
        advantage = FairGRPOAdvantage()
        for step in PUBLISHED["runs"][run]:
            found = advantage(step["reward"], step["qid"], step["domain"], step["group"])
            np.testing.assert_allclose(found, numbers(step["fair_grpo"]), atol=1e-5)

    def test_the_paper_without_damping(self):
        advantage = DRPOAdvantage("paper")
        for step in PUBLISHED["golden"]["steps"]:
            found = advantage(step["reward"], step["qid"], step["domain"])
        expected = [-0.959424, -0.639616, 1.59904, -0.643864, -0.643864, 1.287727, -0.929334, 0, 0.929333, 0.695075,
                    0.695075, -1.390149]  # fmt: skip
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_both_dampings(self):
        scores, kl = np.array([1.2, -0.4, 0.9, -1.7]), np.array([0.05, 0.2, 0.01, 0.4])
        np.testing.assert_allclose(damped_as_coded(scores, kl), [0.951724, -0.296774, 0.866109, -0.429670], atol=1e-6)
        np.testing.assert_allclose(damped_as_printed(scores, kl), [0.951724, -0.4, 0.866109, -1.7], atol=1e-6)


class TestThePublishedDefectsAreKept:
    def test_an_all_zero_domain_makes_qoqmed_nan_and_leaves_qoqmed3_alone(self):
        batch = ([0, 0, 1, 0.5, 0, 1], ["a", "a", "b", "b", "c", "c"], ["x", "x", "y", "y", "y", "y"])
        assert np.isnan(DRPOAdvantage("reference-qoqmed")(*batch)).all()
        assert np.isfinite(DRPOAdvantage("reference-qoqmed3")(*batch)).all()

    def test_the_order_of_rollouts_matters_there_and_not_in_ours(self):
        rng = np.random.default_rng(3)
        rewards = rng.random((12, 5))
        shuffled = rng.permuted(rewards, axis=1)
        ids = np.repeat(np.arange(12), 5)
        for mode, same in (("reference-qoqmed", False), ("robust", True)):
            one = np.sort(DRPOAdvantage(mode)(rewards.ravel(), ids, ["d"] * 60).reshape(12, 5), axis=1)
            two = np.sort(DRPOAdvantage(mode)(shuffled.ravel(), ids, ["d"] * 60).reshape(12, 5), axis=1)
            assert np.allclose(one, two, atol=1e-6) is same

    @pytest.mark.parametrize("mode", ["reference-qoqmed", "reference-qoqmed3", "paper"])
    def test_unequal_groups_are_refused(self, mode):
        with pytest.raises(ValueError, match="same number of rollouts"):
            DRPOAdvantage(mode)([1, 0, 1], ["a", "a", "b"], ["x"] * 3)

    def test_negative_rewards_flip_signs_there_and_not_in_ours(self):
        batch = ([-1.0, -0.5, -0.2, -0.9], ["a", "a", "b", "b"], ["x"] * 4)
        assert DRPOAdvantage("reference-qoqmed")(*batch)[1] < 0 < DRPOAdvantage("robust")(*batch)[1]


@st.composite
def batches(draw, least=0.0, most=1.0):
    """One step: questions of unequal groups in up to four domains; coarse rewards, so that ties are common."""
    groups = draw(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("wxyz")), min_size=1, max_size=10))
    rewards, ids, domains = [], [], []
    for question, (size, domain) in enumerate(groups):
        values = st.integers(int(least * 8), int(most * 8)) if draw(st.booleans()) else st.just(0)
        rewards += [draw(values) / 8 for _ in range(size)]
        ids += [question] * size
        domains += [domain] * size
    return np.array(rewards), np.array(ids), np.array(domains)


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class TestRobust:
    @quick
    @given(st.lists(batches(least=-1.0), min_size=1, max_size=3))
    def test_zero_mean_in_each_group_unit_deviation_in_the_batch_and_never_nan(self, steps):
        advantage = DRPOAdvantage()
        for rewards, ids, domains in steps:
            found = advantage(rewards, ids, domains)
            assert np.isfinite(found).all()
            for question in np.unique(ids):
                assert abs(found[ids == question].mean()) < 1e-9
            assert found.any() == any(np.ptp(rewards[ids == q]) > 0 for q in np.unique(ids))
            if found.any():
                assert found.std(ddof=1) == pytest.approx(1)

    @quick
    @given(st.lists(batches(), min_size=1, max_size=3), st.randoms(use_true_random=False))
    def test_the_order_of_rollouts_and_questions_plays_no_part(self, steps, random):
        one, two = DRPOAdvantage(), DRPOAdvantage()
        for rewards, ids, domains in steps:
            order = list(range(len(rewards)))
            random.shuffle(order)
            np.testing.assert_allclose(
                two(rewards[order], ids[order], domains[order]), one(rewards, ids, domains)[order], atol=1e-9
            )

    @quick
    @given(st.lists(batches(least=-1.0), min_size=1, max_size=3), st.sampled_from([2**-10, 0.5, 4.0, 2.0**20]))
    def test_the_scale_of_all_rewards_plays_no_part(self, steps, scale):
        one, two = DRPOAdvantage(), DRPOAdvantage()
        for rewards, ids, domains in steps:
            np.testing.assert_allclose(two(rewards * scale, ids, domains), one(rewards, ids, domains), atol=1e-9)

    @quick
    @given(st.lists(batches(), min_size=2, max_size=4))
    def test_better_rollouts_get_more(self, steps):
        advantage = DRPOAdvantage()
        for rewards, ids, domains in steps:
            found = advantage(rewards, ids, domains)
            for question in np.unique(ids):
                rows = ids == question
                assert (np.diff(found[rows][np.argsort(rewards[rows], kind="stable")]) >= -1e-12).all()

    def test_an_all_zero_domain_gets_zero_and_disturbs_nobody(self):
        found = DRPOAdvantage()([0, 0, 1, 0.5], ["a", "a", "b", "b"], ["x", "x", "y", "y"])
        assert found[:2].tolist() == [0, 0]
        assert found[2] > 0 > found[3]

    @pytest.mark.parametrize("rewards", [[0.3], [0.2, 0.9], [0.1, 0.1, 0.1]])
    def test_a_single_question(self, rewards):
        found = DRPOAdvantage()(rewards, ["a"] * len(rewards), ["x"] * len(rewards))
        assert np.isfinite(found).all()
        assert found.std(ddof=1) == pytest.approx(1) if np.ptp(rewards) else not found.any()

    def test_the_rarer_domain_gets_the_larger_advantages(self):
        rng = np.random.default_rng(0)
        rewards = rng.random((20, 4))
        domains = np.repeat(["common"] * 18 + ["rare"] * 2, 4)
        advantage = DRPOAdvantage()
        advantage(rewards.ravel(), np.repeat(np.arange(20), 4), domains)
        assert advantage.last["rare"].scale > 1.5 * advantage.last["common"].scale

    def test_the_harder_domain_gets_the_larger_advantages(self):
        easy = np.random.default_rng(1).random((10, 4))
        rewards = np.concatenate([easy, easy * 0.25])
        advantage = DRPOAdvantage()
        advantage(rewards.ravel(), np.repeat(np.arange(20), 4), np.repeat(["easy"] * 10 + ["hard"] * 10, 4))
        assert advantage.last["hard"].scale > 1.5 * advantage.last["easy"].scale

    def test_no_question_is_the_whole_step(self):
        rewards = np.concatenate([np.tile([0.9, 1.0], 200), [0, 0, 0, 1e-3]])
        ids = np.concatenate([np.repeat(np.arange(200), 2), [500] * 4])
        found = np.abs(DRPOAdvantage()(rewards, ids, ["d"] * 400 + ["e"] * 4))
        assert found.max() < 3 * WIDEST * np.median(found)

    def test_rollouts_that_could_not_be_scored_are_left_out(self):
        found = DRPOAdvantage()([1, 0, np.nan, np.inf, 1, 1], ["a", "a", "a", "b", "b", "b"], ["x"] * 6)
        assert found[2:].tolist() == [0, 0, 0, 0]
        assert found[0] == -found[1] > 0

    def test_memory_and_cost_are_bounded_by_the_window(self):
        advantage = DRPOAdvantage(history="window:64")
        rng = np.random.default_rng(2)
        for step in range(30):
            advantage(rng.random(40), np.repeat([f"{step}-{q}" for q in range(10)], 4), np.repeat(list("ab") * 5, 4))
        assert len(advantage.state_dict()["history"]["entries"]) == 64

    def test_a_window_smaller_than_the_step(self):
        found = DRPOAdvantage(history="window:2")(np.random.default_rng(0).random(40), np.repeat(np.arange(10), 4),
                                                   np.repeat(list("abcde") * 2, 4))  # fmt: skip
        assert np.isfinite(found).all()

    @pytest.mark.parametrize("mode", ["reference-qoqmed", "reference-qoqmed3", "paper", "robust"])
    def test_a_domain_that_a_small_window_forgets_within_the_step(self, mode):
        rewards = np.random.default_rng(0).random(12)
        found = DRPOAdvantage(mode, history="window:2")(
            rewards, np.repeat(np.arange(6), 2), np.repeat(list("baaaaa"), 2)
        )
        assert np.isfinite(found).all()
        assert np.abs(found).min() > 0


@pytest.mark.parametrize("mode", ["reference-qoqmed", "reference-qoqmed3", "paper", "robust"])
def test_lists_arrays_and_tensors_of_words_and_numbers_are_the_same_step(mode):
    rewards, ids, domains = [0.875, 0.5, 0.75, 0.25, 0.125, 0.0], [1, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1]
    expected = DRPOAdvantage(mode)(rewards, ids, domains)
    for given_rewards in (
        np.array(rewards),
        torch.tensor(rewards, requires_grad=True),
        torch.tensor(rewards).bfloat16(),
    ):
        for given_ids in (
            np.array(ids),
            torch.tensor(ids),
            list(torch.tensor(ids)),
            list("aaabbb"),
            np.array(list("aaabbb")),
        ):
            found = DRPOAdvantage(mode)(given_rewards, given_ids, torch.tensor(domains))
            assert isinstance(found, np.ndarray)
            np.testing.assert_array_equal(found, expected)


class TestResume:
    @pytest.mark.parametrize("mode", ["reference-qoqmed", "reference-qoqmed3", "paper", "robust"])
    @pytest.mark.parametrize("history", ["run", "step", "window:20", "ema"])
    def test_a_restored_run_goes_on_bit_for_bit_through_json(self, mode, history):
        rng = np.random.default_rng(5)
        whole, first = DRPOAdvantage(mode, history=history), DRPOAdvantage(mode, history=history)
        second = DRPOAdvantage(mode, history=history)
        for step in range(20):
            batch = (rng.random(32) + 0.1, np.repeat(np.arange(8) + 8 * step, 4), np.repeat(list("aabbbbcc"), 4))
            expected = whole(*batch)
            if step < 11:
                first(*batch)
            if step == 10:
                second.load_state_dict(json.loads(json.dumps(first.state_dict())))
            if step > 10:
                assert second(*batch).tobytes() == expected.tobytes()

    def test_another_mode_is_refused(self):
        with pytest.raises(ValueError, match="Saved by mode"):
            DRPOAdvantage("robust").load_state_dict(DRPOAdvantage("paper").state_dict())


class TestSwitches:
    def test_a_pair_gives_the_data_set_or_the_modality(self):
        batch = ([1, 0, 0.5, 0, 0.2, 0.4], list("aabbcc"), [("vindr", "xray")] * 2 + [("vindr", "mammography")] * 4)
        by_set, by_modality = DRPOAdvantage(), DRPOAdvantage(domain_level="modality")
        by_set(*batch)
        by_modality(*batch)
        assert set(by_set.last) == {"vindr"}
        assert set(by_modality.last) == {"xray", "mammography"}

    def test_kl_damps_the_rollouts_that_went_far(self):
        batch = ([1.0, 0.0, 0.5, 1.0, 0.0, 0.5], list("aaabbb"), ["x"] * 6)
        free = DRPOAdvantage(kl_damping="off")(*batch)
        damped = DRPOAdvantage(kl_damping="code")(*batch, kl=[5.0, 0, 0, 0.1, 0.1, 0.1])
        assert 0 < damped[0] < 0.5 * free[0]
        paper = DRPOAdvantage("paper")
        assert (paper(*batch, kl=np.full(6, 0.2)) != DRPOAdvantage("paper")(*batch)).any()

    def test_damping_without_kl_is_refused(self):
        with pytest.raises(ValueError, match="needs kl"):
            DRPOAdvantage(kl_damping="code")([1, 0], ["a", "a"], ["x", "x"])

    @pytest.mark.parametrize(
        "wrong", [{"mode": "best"}, {"history": "window:0"}, {"history": "all"}, {"kl_damping": "on"}, {"k": 3},
                  {"k_max": 0}, {"domain_level": "organ"}]
    )  # fmt: skip
    def test_a_wrong_switch_says_what_there_is(self, wrong):
        with pytest.raises(ValueError, match=r"(?i)one of|written|is 'run'|there are|or more"):
            DRPOAdvantage(**wrong)

    def test_an_average_forgets(self):
        advantage = DRPOAdvantage("paper", history="ema")
        for level in (0.8, 0.2):
            advantage([level, level / 2], ["a", "a"], ["x", "x"])
        assert advantage.last["x"].mean_reward == pytest.approx(0.9 * 0.6 + 0.1 * 0.15)

    def test_an_empty_step_is_no_step(self):
        assert DRPOAdvantage()([], [], []).shape == (0,)


class TestClusters:
    def test_the_elbow(self):
        assert elbow([100, 20, 15, 14], 0.10) == 2
        assert elbow([100, 50, 20, 5], 0.10) is None
        assert elbow([3.0], 0.10) is None

    @pytest.mark.parametrize("method", [published_clusters, steady_clusters])
    def test_well_separated_questions_are_told_apart(self, method):
        rng = np.random.default_rng(0)
        vectors = np.concatenate([level + 0.01 * rng.random((20, 4)) for level in (0, 0.5, 1)]).astype(np.float32)
        clusters = method(vectors, 10, 0.10)
        assert sorted(clusters.sizes) == [20, 20, 20]
        assert [len(set(clusters.assignment[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]

    def test_a_warm_start_keeps_its_clusters(self):
        vectors = np.concatenate([np.full((5, 2), 0.1), np.full((5, 2), 0.9)])
        cold = steady_clusters(vectors, 10, 0.10)
        warm = steady_clusters(vectors, 10, 0.10, cold.centroids)
        assert warm.sizes.tolist() == cold.sizes.tolist()
