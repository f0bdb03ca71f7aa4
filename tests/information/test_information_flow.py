"""The flow from prompt to text: exact values, martingale facts, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.information_flow import (
    exact_flow,
    information_flow,
    mixture_marginal,
    ville_exceedance,
)
from entropylab.sources.prompted_chains import PromptedChains

SOURCE = PromptedChains([[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.7], [0.6, 0.4]]], [0.5, 0.5])


def test_the_reference_case():
    flows = [exact_flow(SOURCE.path_laws(k)) for k in range(1, 6)]
    expected = [0, 0.1456713255, 0.2560706055, 0.3407747789, 0.4069390190]
    assert [flow.own for flow in flows] == pytest.approx(expected, abs=1e-10)
    shuffled = [-0.1722558308, -0.3773927051, -0.6146840461]
    assert [flow.shuffled for flow in flows[1:4]] == pytest.approx(shuffled, abs=1e-10)


def test_the_mixture_is_the_law_of_texts_without_their_prompt():
    texts = np.array([[0, 0, 1, 1], [1, 0, 1, 0]])
    marginal = mixture_marginal(SOURCE.log_probabilities(texts))
    mixture = SOURCE.path_laws(4).mean(0)
    assert np.exp(marginal.sum(1)) == pytest.approx(mixture[[0b0011, 0b1010]])
    assert np.exp(marginal[:, :3].sum(1)) == pytest.approx(SOURCE.path_laws(3).mean(0)[[0b001, 0b101]])


def test_sampled_paths_have_the_exact_mean_and_keep_the_bound():
    prompts, texts = SOURCE.sample(5000, 6, seed=0)
    logs = SOURCE.log_probabilities(texts)
    marginal = mixture_marginal(logs)
    flow = information_flow(logs[np.arange(5000), prompts], marginal)
    exact = exact_flow(SOURCE.path_laws(6))
    assert abs(flow[:, -1].mean() - exact.own) < 4 * flow[:, -1].std() / np.sqrt(5000)
    assert flow.max() <= np.log(2) + 1e-12
    assert ville_exceedance(flow, 0.1) <= 0.1
    every = information_flow(logs, np.broadcast_to(marginal[:, None], logs.shape))
    assert np.exp(every).mean(1) == pytest.approx(1)  # over both prompts, for each text


def test_the_order_of_averaging_matters():
    """After a text has told its prompt, the mixture knows it; the mean of the next-token laws does not."""
    certain = np.log([[[0.99, 0.99], [0.01, 0.01]]])
    assert mixture_marginal(certain)[0, 1] == pytest.approx(np.log((0.99**2 + 0.01**2) / 1.0))


def test_exceedance_counts_a_text_once():
    flow = np.log([[1.0, 0.05, 0.05], [1.0, 1.0, 1.0], [0.2, 1.0, 0.1]])
    assert ville_exceedance(flow, 0.1) == pytest.approx(2 / 3)


def test_a_prompt_that_rules_a_text_out_has_no_finite_flow():
    assert exact_flow([[1.0, 0.0], [0.5, 0.5]]).shuffled == -np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mixture_marginal([[0.0]]), "log_p: got shape"),
        (lambda: mixture_marginal([[[0.5]]]), "log_p: got an array"),
        (lambda: mixture_marginal([[[np.nan]]]), "log_p: got an array"),
        (lambda: mixture_marginal([[[-np.inf]]]), "log_p: got a text that no prompt allows"),
        (lambda: information_flow([-1.0], [-1.0, -2.0]), "log_p_marginal: got shape"),
        (lambda: information_flow([-1.0], [-np.inf]), "log_p_marginal: got -inf"),
        (lambda: information_flow([1.0], [-1.0]), "log_p_given: got an array"),
        (lambda: ville_exceedance([0.0], 0.1), "flow: got shape"),
        (lambda: ville_exceedance([[0.0]], 0), "level: got 0"),
        (lambda: exact_flow([[0.5, 0.6]]), "laws: row 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
