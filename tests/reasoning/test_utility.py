from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import CausalLMOutput

from entropylab.reasoning.utility import information_gain, is_monotone, resample, slope, trajectories


class Oracle(torch.nn.Module):
    """A Bayes inspector: Y is uniform on 0..99; token 100 + m says "Y is m modulo 10"; token 200 is the marker."""

    device = torch.device("cpu")

    def forward(self, ids, use_cache):
        logits = torch.full((*ids.shape, 201), -torch.inf, dtype=torch.float64)
        for row, tokens in enumerate(ids.tolist()):
            allowed = np.ones(100, dtype=bool)
            for place, token in enumerate(tokens):
                if 100 <= token < 110:
                    allowed &= np.arange(100) % 10 == token - 100
                logits[row, place, :100][torch.from_numpy(allowed)] = 0.0
        return CausalLMOutput(logits=logits)


def test_an_exact_source():
    """ln 100, then ln 10 once the last digit is known; noise changes nothing; a false statement looks as useful."""
    chain = [[150], [150, 103], [150, 103, 160]]
    false = [[150], [150, 104]]
    good, bad = trajectories(Oracle(), [chain, false], [[43], [43]], marker=[200])
    assert good.entropy == pytest.approx([4.605170185988092, 2.302585092994046, 2.302585092994046], abs=1e-12)
    assert good.surprisal == pytest.approx(good.entropy, abs=1e-12)
    assert bad.entropy == pytest.approx(good.entropy[:2], abs=1e-12)
    assert np.isinf(bad.surprisal[1])
    assert information_gain(good.entropy) == pytest.approx([2.302585092994046, 0], abs=1e-12)


class Fixed(torch.nn.Module):
    """Says the same distributions whatever it reads: row n of the table for the token at place n + 1."""

    device = torch.device("cpu")

    def __init__(self, table):
        super().__init__()
        self.table = torch.tensor(table, dtype=torch.float64).log()

    def forward(self, ids, use_cache):
        return CausalLMOutput(logits=self.table[: ids.shape[1]].expand(len(ids), -1, -1))


def test_the_span_is_a_mean_over_tokens():
    """Reference case 1: two distributions by hand."""
    table = [[0.7, 0.2, 0.1, 0.0], [0.97, 0.01, 0.01, 0.01]]
    (found,) = trajectories(Fixed(table), [[[0]]], [[0, 0]])
    assert found.entropy == pytest.approx([0.4847595446915737], abs=1e-12)
    first, second = (trajectories(Fixed([row]), [[[0]]], [[0]])[0].entropy[0] for row in table)
    assert (first, second) == pytest.approx((0.8018185525433372, 0.16770053683981007), abs=1e-12)


def test_entropy_is_not_the_surprisal_of_the_truth():
    """Reference case 4: sure of a wrong answer."""
    (found,) = trajectories(Fixed([[0.7, 0.28, 0.02]]), [[[0]]], [[2]])
    assert found.entropy == pytest.approx([0.6843433100932841], abs=1e-12)
    assert found.surprisal == pytest.approx([3.912023005428146], abs=1e-12)


class Digits(torch.nn.Module):
    """A Bayes inspector that answers tens, then units; token 20 + m says "the units are m"."""

    device = torch.device("cpu")

    def forward(self, ids, use_cache):
        logits = torch.zeros((*ids.shape, 31), dtype=torch.float64)
        logits[..., 10:] = -torch.inf
        for row, tokens in enumerate(ids.tolist()):
            known = [token - 20 for token in tokens if 20 <= token < 30]
            for place, token in enumerate(tokens):
                if known and token < 10:  # the tens were said
                    logits[row, place] = torch.full((31,), -torch.inf, dtype=torch.float64)
                    logits[row, place, known[-1]] = 0.0
        return CausalLMOutput(logits=logits)


def test_an_answer_of_two_digits():
    """Reference case 6: once the units are known, half of the mean is left."""
    (found,) = trajectories(Digits(), [[[30], [30, 23]]], [[4, 3]])
    assert found.entropy == pytest.approx([2.302585092994046, 1.151292546497023], abs=1e-12)


def test_batches_and_padding_do_not_matter(policy):
    generator = np.random.default_rng(0)
    prefixes = [
        [generator.integers(2, 100, size).tolist() for size in generator.integers(1, 30, cuts)]
        for cuts in (1, 4, 2)
    ]
    answers = [[7, 8, 9], [5], [30, 31, 32, 33, 34]]
    together = trajectories(policy, prefixes, answers, marker=[50, 51])
    apart = trajectories(policy, prefixes, answers, marker=[50, 51], tokens_at_once=1)
    for chain, cuts, answer, one in zip(together, prefixes, answers, apart, strict=True):
        assert chain.entropy == pytest.approx(one.entropy, abs=1e-5)
        assert chain.surprisal == pytest.approx(one.surprisal, abs=1e-5)
        for cut, entropy, surprisal in zip(cuts, *chain, strict=True):
            ids = [*cut, 50, 51, *answer]
            with torch.no_grad():
                law = torch.log_softmax(policy(torch.tensor([ids])).logits[0].double(), -1)
            law = law[len(cut) + 1 : -1]
            assert entropy == pytest.approx(float(-(law.exp() * law).sum(1).mean()), abs=1e-5)
            assert surprisal == pytest.approx(float(-law[range(len(answer)), answer].mean()), abs=1e-5)


def test_trajectories_by_hand():
    falling, wandering = (2.5, 2.1, 1.5, 0.8, 0.3), (1.0, 1.3, 0.9, 1.1, 1.0)
    assert information_gain(falling) == pytest.approx([0.4, 0.6, 0.7, 0.5])
    assert information_gain(falling).sum() / falling[0] == pytest.approx(0.88)
    assert slope(falling) == pytest.approx(-0.57) and slope(wandering) == pytest.approx(-0.02)
    assert is_monotone(falling) and not is_monotone(wandering) and is_monotone(wandering, tolerance=0.31)
    assert (np.diff(wandering) > 0).sum() == 2 and information_gain(wandering).sum() == pytest.approx(0)


def test_splines_by_hand():
    found = resample((2, 1, 0.8, 0.1), (0, 0.25, 0.5, 0.75, 1))
    assert found == pytest.approx([2, 1.12421875, 0.88125, 0.72265625, 0.1], abs=1e-12)
    assert resample((2, 1, 0.5), (0, 0.25, 0.5, 0.75, 1)) == pytest.approx([2, 1.4375, 1, 0.6875, 0.5])
    assert resample((2, 1), (0.5,)) == pytest.approx([1.5])
    assert resample((2, 1, 0.5), (0.25,), "linear") == pytest.approx([1.5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information_gain([]), "entropy: got shape \\(0,\\)"),
        (lambda: information_gain([[1.0]]), "entropy: got shape \\(1, 1\\)"),
        (lambda: slope([1.0]), "2 or more"),
        (lambda: is_monotone([1.0, np.nan]), "finite"),
        (lambda: resample([1, 2], [1.5]), "grid: got 1.5"),
        (lambda: resample([1, 2], [0.5], "quartic"), "kind: got 'quartic'"),
        (lambda: trajectories(Oracle(), [[[1]]], []), "answers: got 0"),
        (lambda: trajectories(Oracle(), [[[]]], [[1]]), "got an empty one"),
        (lambda: trajectories(Oracle(), [[[1]]], [[]]), "got an empty one"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
