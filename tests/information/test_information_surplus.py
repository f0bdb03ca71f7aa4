from __future__ import annotations

import numpy as np
import pytest

from entropylab.information.information_surplus import information_surplus, stationary_surplus
from entropylab.sources import HMM, HighOrderMarkovChain, MarkovChain

ONE = MarkovChain([[0.9, 0.1], [0.4, 0.6]])
TWO = HighOrderMarkovChain([[[0.9, 0.1], [0.3, 0.7]], [[0.2, 0.8], [0.7, 0.3]]])
HIDDEN = HMM(
    [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]],
    [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.05, 0.05, 0.45, 0.45]],
)


def of_two_symbols(source, k):
    """Joint law of the last two symbols and the next k."""
    size = source.symbols
    return source.block_law(2 + k).reshape(size * size, *(size,) * k)


def test_a_chain_of_order_one_has_no_surplus():
    assert ONE.stationary == pytest.approx([0.8, 0.2])
    for k in (2, 3):
        found = information_surplus(of_two_symbols(ONE, k))
        assert found.next == pytest.approx(0.10573371142317756, abs=1e-12)
        assert found.surplus == pytest.approx(0, abs=1e-12)


def test_a_chain_of_order_two_has_the_surplus_of_the_reference():
    for k in (2, 3):
        found = information_surplus(of_two_symbols(TWO, k))
        assert found.next == pytest.approx(0.19855227212308213, abs=1e-12)
        assert found.surplus == pytest.approx(0.18470797831469143, abs=1e-12)
    blocks = TWO.block_entropies(4)
    assert blocks[1] - blocks[0] == pytest.approx(0.659167373200866, abs=1e-12)
    assert stationary_surplus(blocks, TWO.entropy_rate)[1:] == pytest.approx(
        3 * [0.18470797831469143], abs=1e-12
    )


@pytest.mark.parametrize("source", [ONE, TWO, HIDDEN, HighOrderMarkovChain.random(3, 2, seed=4)])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_total_is_next_and_surplus_and_the_surplus_has_its_bounds(source, k):
    found = information_surplus(of_two_symbols(source, k))
    assert found.total == pytest.approx(found.next + found.surplus, abs=1e-12)
    blocks = source.block_entropies(max(k, 1))
    assert -1e-12 <= found.surplus <= blocks[k - 1] - blocks[0] + 1e-12


def test_bounds_of_the_hidden_source():
    blocks, bounds = HIDDEN.block_entropies(4), HIDDEN.entropy_rate_bounds(8)
    high, low = stationary_surplus(blocks, np.array(bounds))[:, 1]
    assert (low, high) == pytest.approx((0.05077698, 0.05105662), abs=1e-8)
    sharper = stationary_surplus(blocks, np.array(HIDDEN.entropy_rate_bounds(11)))[::-1, 1]
    assert sharper == pytest.approx([0.05087378, 0.05088777], abs=1e-8)
    # Two symbols are less than the whole past.
    assert information_surplus(of_two_symbols(HIDDEN, 2)).surplus < low


def test_tokens_that_cannot_occur_do_not_matter():
    law = np.zeros((2, 3, 2))
    law[0, 0], law[1, 2] = [0.25, 0.25], [0.5, 0.0]
    found = information_surplus(law)
    assert found.next == pytest.approx(np.log(2))
    assert found.surplus == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information_surplus([0.5, 0.5]), "joint: got shape"),
        (lambda: information_surplus([[0.5, 0.6]]), "joint: row 0"),
        (lambda: stationary_surplus(1.0, 0.5), "block_entropies: got shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
