"""GRPO, RLOO, ReMax, the policy loss and the KL estimates against published numbers and written-out formulas."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wetread.training.advantages import TRL_EPS, grpo, remax, rloo
from wetread.training.policy_loss import kl_tokens, masked_mean, policy_loss

PUBLISHED = json.loads((Path(__file__).parent / "published_numbers.json").read_text())
STEP = PUBLISHED["runs"][0][0]
LOSS = PUBLISHED["policy_loss"]


class TestAdvantages:
    def test_grpo_is_that_of_qoqmed_and_verl(self):
        np.testing.assert_allclose(grpo(STEP["reward"], STEP["qid"]), PUBLISHED["plain"]["grpo"], atol=1e-6)

    def test_grpo_with_the_guard_of_trl(self):
        from trl.trainer.utils import nanstd

        rewards = torch.tensor(STEP["reward"]).view(-1, 5)
        expected = (rewards - rewards.nanmean(1, keepdim=True)) / (nanstd(rewards, dim=1)[:, None] + 1e-4)
        found = grpo(STEP["reward"], STEP["qid"], TRL_EPS)
        np.testing.assert_allclose(found, expected.ravel(), atol=2e-4)  # equal groups differ in the last bit of a mean

    def test_rloo(self):
        np.testing.assert_allclose(rloo(STEP["reward"], STEP["qid"]), PUBLISHED["plain"]["rloo"], atol=1e-6)
        np.testing.assert_allclose(rloo([1, 0, 0.5], ["a"] * 3), [0.75, -0.75, 0.0])

    def test_remax(self):
        np.testing.assert_allclose(remax([1, 0.25], [0.5, 0.5]), [0.5, -0.25])

    @pytest.mark.parametrize("method", [grpo, rloo])
    def test_one_rollout_has_no_baseline(self, method):
        with pytest.raises(ValueError, match="two rollouts"):
            method([1.0], ["a"])

    def test_lengths_must_agree(self):
        with pytest.raises(ValueError, match="One reward"):
            grpo([1.0, 2.0], ["a"])
        with pytest.raises(ValueError, match="One baseline"):
            remax([1.0, 2.0], [0.5])


class TestPolicyLoss:
    old, new, ref, mask = (torch.tensor(LOSS[key], dtype=torch.float32) for key in ("old", "new", "ref", "mask"))
    advantages = torch.tensor(LOSS["adv"])

    def test_golden_numbers(self):
        low, high, dual = LOSS["clip"]
        found = policy_loss(self.old, self.new, self.advantages, self.mask, clip_low=low, clip_high=high,
                            clip_dual=dual)  # fmt: skip
        assert found.loss.item() == pytest.approx(LOSS["pg_loss"], abs=1e-5)
        assert found.clipped_high.item() == pytest.approx(LOSS["clipfrac_hi"], abs=1e-5)
        assert found.clipped_low.item() == pytest.approx(LOSS["clipfrac_lo"], abs=1e-5)
        assert found.approximate_kl.item() == pytest.approx(LOSS["ppo_kl"], abs=1e-5)

    def test_low_variance_kl(self):
        mean = masked_mean(kl_tokens(self.new, self.ref), self.mask)
        assert mean.item() == pytest.approx(LOSS["low_var_kl_masked_mean"], abs=1e-5)

    def test_the_other_estimates_and_the_clamp(self):
        one, zero = torch.tensor([[1.0]]), torch.tensor([[0.0]])
        assert kl_tokens(one, zero, "k1").item() == 1
        assert kl_tokens(one, zero, "k2").item() == 0.5
        assert kl_tokens(zero, torch.tensor([[50.0]])).item() == 10
        with pytest.raises(ValueError, match="estimate"):
            kl_tokens(one, zero, "k4")

    def test_the_dual_clip_bounds_what_a_bad_token_costs(self):
        old, new, mask = torch.tensor([[0.0]]), torch.tensor([[3.0]]), torch.ones(1, 1)
        advantage = torch.tensor([-1.0])
        assert policy_loss(old, new, advantage, mask).loss.item() == pytest.approx(3.0)
        assert policy_loss(old, new, advantage, mask).clipped_low.item() == 1
        assert policy_loss(old, new, advantage, mask, clip_dual=None).loss.item() == pytest.approx(np.exp(3), rel=1e-6)

    def test_a_long_response_weighs_more_by_token_and_not_by_sequence(self):
        values, mask = torch.tensor([[1.0, 1.0, 1.0], [0.0, 9.0, 9.0]]), torch.tensor([[1.0, 1, 1], [1, 0, 0]])
        assert masked_mean(values, mask).item() == pytest.approx(0.75)
        assert masked_mean(values, mask, "sequence").item() == pytest.approx(0.5)

    def test_the_gradient_pushes_up_what_was_better(self):
        new = self.old.clone().requires_grad_()
        policy_loss(self.old, new, torch.tensor([1.0, -1.0]), self.mask).loss.backward()
        assert (new.grad[0, :2] < 0).all()
        assert (new.grad[1] > 0).all()
        assert new.grad[0, 2] == 0
