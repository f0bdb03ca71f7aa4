"""Krichevsky-Trofimov codes against worked cases and closed forms."""

import math

import numpy as np
import pytest
from scipy.special import betaln

from entropylab.information.kt_coding import kt_code, least_description
from entropylab.sources import HighOrderMarkovChain, shift_register_bits


def test_a_worked_case():
    code = kt_code([0, 1, 1, 0, 1, 0, 0, 1], 0)
    assert code.bits == pytest.approx([1, 2, 1, 1.4150375, 1, 1.26303441, 1, 1.19264508], abs=1e-7)
    assert code.total == pytest.approx(9.870716983055033, abs=1e-12)
    code = kt_code([0, 1, 1, 0, 1, 0, 0, 1], 1)
    assert code.total == pytest.approx(10.415037499278844, abs=1e-12)
    assert code.counts.tolist() == [[2, 3], [2, 1]]


@pytest.mark.parametrize(
    ("order", "total", "plug_in", "structure"),
    [
        (0, 2005.8030497604, 1999.9942292174, 5.8088205430),
        (4, 2060.4601383332, 1999.4775328064, 60.9826055268),
        (8, 608.1912890359, 180.1429609831, 428.0483280529),
        (10, 605.5002959039, 174.6987264908, 430.8015694131),
    ],
)
def test_a_shift_register_of_eight_bits(order, total, plug_in, structure):
    code = kt_code(shift_register_bits(2000), order)
    assert (code.total, code.plug_in, code.structure) == pytest.approx((total, plug_in, structure), abs=1e-8)


def test_the_total_is_the_beta_integral_of_the_counts():
    x = np.random.default_rng(0).integers(0, 2, 500)
    code = kt_code(x, 3)
    ones, zeros = code.counts[:, 1] + 0.5, code.counts[:, 0] + 0.5
    closed = -(betaln(ones, zeros) - betaln(0.5, 0.5)).sum() / math.log(2)
    assert code.total == pytest.approx(closed, abs=1e-9) and code.counts.sum() == 500


def test_expected_regret_of_a_biased_coin():
    n, theta = 1000, 0.3
    k = np.arange(n + 1)
    log_choose = -betaln(k + 1, n - k + 1) - math.log(n + 1)
    p = np.exp(log_choose + k * math.log(theta) + (n - k) * math.log(1 - theta))
    totals = [
        kt_code(np.repeat([1, 0], [ones, n - ones]), 0).total for ones in k
    ]  # the order does not matter
    entropy = -(theta * math.log2(theta) + (1 - theta) * math.log2(1 - theta))
    assert p @ totals - n * entropy == pytest.approx(4.587246379717044, abs=1e-6)


def test_what_a_context_costs_that_is_never_in_doubt():
    assert kt_code(np.zeros(78, int), 0).total == pytest.approx(3.9707611696177444, abs=1e-12)


def test_the_best_observer_is_the_source_s_order():
    chain = HighOrderMarkovChain([[[0.9, 0.1], [0.3, 0.7]], [[0.2, 0.8], [0.7, 0.3]]])
    order, code = least_description(chain.sample(20_000, seed=0), 6)
    assert order == 2 and code.plug_in / 20_000 == pytest.approx(chain.entropy_rate / math.log(2), abs=0.02)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="x: got shape"):
        kt_code([0, 2], 1)
    with pytest.raises(ValueError, match="order"):
        kt_code([0, 1], 25)
