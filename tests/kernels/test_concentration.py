"""The concentration kernels: the definition on known cases, and the CPU twin against it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from entropylab.kernels import cpu, reference

GRID = np.array([-1.0, -0.5, -0.25, -0.125, -0.0625, 0.0625, 0.125, 0.25, 0.5])
WEIGHTS = np.full(9, -math.log(9))
THRESHOLD = math.log(20)
BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])


def batch(seed, lengths, shift=0.0):
    """Tokens of random distributions on 12 symbols, sampled from them, or likelier by `shift` nats."""
    rng = np.random.default_rng(seed)
    n = int(np.sum(lengths))
    p = rng.dirichlet(np.full(12, 0.4), n).clip(1e-12)
    p /= p.sum(1, keepdims=True)
    log_p = np.log(p)
    tokens = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
    entropy = -(p * log_p).sum(1)
    varentropy = (p * (log_p + entropy[:, None]) ** 2).sum(1)
    cgf = np.log((p[:, None, :] ** (1 - GRID[:, None])).sum(2)) - GRID * entropy[:, None]
    surprisal = -log_p[np.arange(n), tokens] - shift
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return [surprisal, entropy, varentropy, cgf], offsets


def run(kernels, arrays, offsets, alpha=0.05):
    return kernels.concentration(*arrays, offsets, GRID, WEIGHTS, -math.log(alpha), 1.7)


def the_case():
    """A worked case: p = (1/2, 1/4, 1/8, 1/8) at each step, tokens (0, 2, 1)."""
    p = np.array([0.5, 0.25, 0.125, 0.125])
    h = -(p * np.log(p)).sum()
    v = (p * np.log(p) ** 2).sum() - h**2
    lambdas = np.array([-1.0, -0.5, 0.25, 0.5])
    psi = np.log((p ** (1 - lambdas[:, None])).sum(1)) - lambdas * h
    arrays = -np.log(p[[0, 2, 1]]), np.full(3, h), np.full(3, v), np.tile(psi, (3, 1))
    return arrays, lambdas


@BACKENDS
def test_the_case_with_known_figures(kernels):
    arrays, lambdas = the_case()
    weights = np.full(4, -math.log(4))
    found = kernels.concentration(*arrays, np.array([0, 3]), lambdas, weights, THRESHOLD, 1.0234905543865051)
    assert found.length.tolist() == [3]
    assert found.surprisal[0] / 3 == pytest.approx(1.3862943611198906, rel=1e-14)
    assert found.entropy[0] / 3 == pytest.approx(1.2130075659799042, rel=1e-14)
    assert found.varentropy[0] / 3 == pytest.approx(0.33031144706876336, rel=1e-14)
    assert found.gap[0] == pytest.approx(-0.17328679513998635, rel=1e-13)
    assert found.standardised[0] == pytest.approx(-0.5222329678670933, rel=1e-13)
    known = [-0.9553611933556, -0.3769453368059, 0.0983445108024, 0.1315209439991]
    assert found.log_e[0] == pytest.approx(known, abs=1e-13)
    assert found.log_mixture[0] == pytest.approx(math.log(np.exp(known).mean()), abs=1e-13)
    t = 0.17328679513998635
    assert found.p_unlikely[0] == pytest.approx(math.exp(-3 * t**2 / (2 * (1.0234905543865051 + t))))
    assert found.p_likely[0] == 1.0
    assert found.stopping_time[0] == -1


def test_the_supremum_is_over_all_tokens_and_the_stop_is_the_first():
    lambdas, weights = np.array([0.5]), np.array([0.0])
    s = np.array([2.0, 10.0, -20.0, 30.0])  # e-values after each token, by hand: 1, 6, -4, 11
    for kernels in (reference, cpu):
        found = kernels.concentration(
            s, np.zeros(4), np.ones(4), np.zeros((4, 1)), np.array([0, 4]), lambdas, weights, 5.0, 1.0
        )
        assert found.log_e[0, 0] == found.log_mixture[0] == 11.0
        assert found.log_supremum[0] == 11.0
        assert found.stopping_time[0] == 2
        up_to_three = kernels.concentration(
            s[:3], np.zeros(3), np.ones(3), np.zeros((3, 1)), np.array([0, 3]), lambdas, weights, 5.0, 1.0
        )
        assert (up_to_three.log_mixture[0], up_to_three.log_supremum[0]) == (-4.0, 6.0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-5)])
@pytest.mark.parametrize("shift", [0.0, 0.4, -0.4])
def test_the_cpu_equals_the_definition(dtype, tolerance, shift):
    arrays, offsets = batch(3, [5, 0, 300, 1, 77, 0], shift)
    arrays = [a.astype(dtype) for a in arrays]
    found, expected = run(cpu, arrays, offsets), run(reference, arrays, offsets)
    for name, ours, truth in zip(expected._fields, found, expected, strict=True):
        np.testing.assert_allclose(ours, truth, rtol=tolerance, atol=tolerance, err_msg=name)
    if shift:
        assert (found.stopping_time > 0).any()


def test_a_sequence_is_bit_identical_in_every_batch_and_for_every_number_of_threads(monkeypatch):
    from entropylab.kernels.cpu import threads

    lengths = np.random.default_rng(0).integers(0, 400, 120)
    arrays, offsets = batch(5, lengths)
    whole = run(cpu, arrays, offsets)
    monkeypatch.setattr(threads, "thread_count", lambda: 1)
    alone = run(cpu, arrays, offsets)
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(threads, "SMALL", 1)
    three = run(cpu, arrays, offsets)
    for a, b, c in zip(whole, alone, three, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()
    for b in (0, 17, 119):
        part = slice(offsets[b], offsets[b + 1])
        single = run(cpu, [np.ascontiguousarray(a[part]) for a in arrays], np.array([0, lengths[b]]))
        for one, all_of_them in zip(single, whole, strict=True):
            assert one[0].tobytes() == all_of_them[b].tobytes()


@BACKENDS
def test_empty_sequences_and_batches(kernels):
    arrays, _ = batch(1, [4])
    found = run(kernels, arrays, np.array([0, 0, 4, 4]))
    assert found.length.tolist() == [0, 4, 0]
    for b in (0, 2):
        assert math.isnan(found.gap[b]) and math.isnan(found.standardised[b])
        assert found.p_unlikely[b] == found.p_likely[b] == 1.0
        assert not found.log_e[b].any()
        # The weights sum to 1: the mixture starts at 1.
        assert found.log_mixture[b] == pytest.approx(0.0, abs=1e-15)
        assert found.log_supremum[b] == pytest.approx(0.0, abs=1e-15)
        assert found.stopping_time[b] == -1
    none = run(kernels, [a[:0] for a in arrays], np.array([0]))
    assert none.gap.shape == (0,) and none.log_e.shape == (0, 9)


@BACKENDS
def test_an_impossible_token_rejects_at_once_and_nan_stays_in_its_sequence(kernels):
    arrays, offsets = batch(2, [6, 6, 6])
    arrays[0][2] = math.inf
    arrays[0][9] = math.nan
    found = run(kernels, arrays, offsets)
    assert found.stopping_time[0] == 3
    assert found.log_mixture[0] == found.log_supremum[0] == math.inf
    assert found.gap[0] == found.standardised[0] == -math.inf
    assert (found.p_unlikely[0], found.p_likely[0]) == (0.0, 1.0)
    assert (found.log_e[0] == np.where(GRID > 0, math.inf, -math.inf)).all()
    assert math.isnan(found.gap[1]) and math.isnan(found.log_mixture[1]) and math.isnan(found.p_likely[1])
    alone = run(kernels, [a[12:] for a in arrays], np.array([0, 6]))
    assert [x[2].tobytes() for x in found] == [x[0].tobytes() for x in alone]


@BACKENDS
def test_tokens_that_are_certain(kernels):
    """A deterministic stretch has no varentropy: z is 0 where nothing deviates, infinite where something does."""
    zeros = np.zeros(3)
    found = kernels.concentration(
        np.array([0.0, 0.0, 0.5]),
        zeros,
        zeros,
        np.zeros((3, 9)),
        np.array([0, 2, 3]),
        GRID,
        WEIGHTS,
        1.0,
        1.0,
    )
    assert found.standardised.tolist() == [0.0, -math.inf]


def test_float32_totals_over_a_hundred_thousand_tokens():
    arrays, offsets = batch(6, [100_000])
    single = [a.astype(np.float32) for a in arrays]
    found, expected = run(cpu, single, offsets), run(reference, single, offsets)
    np.testing.assert_allclose(found.log_e, expected.log_e, rtol=1e-9, atol=1e-6)


@BACKENDS
def test_a_deviation_of_float32_figures_is_not_rounded_to_float32(kernels):
    rng = np.random.default_rng(7)
    surprisal, entropy = rng.uniform(8, 16, 1000).astype("f4"), rng.uniform(1e-3, 1e-2, 1000).astype("f4")
    one, none = np.ones(1000, "f4"), np.zeros((1000, 1), "f4")
    found = kernels.concentration(
        surprisal, entropy, one, none, np.array([0, 1000]), np.ones(1), np.zeros(1), THRESHOLD, 1.0
    )
    exact = math.fsum(surprisal.tolist()) - math.fsum(entropy.tolist())
    assert found.log_e[0, 0] == pytest.approx(exact, rel=1e-13)
    rounded = (surprisal - entropy).astype("f8").sum()
    assert rounded != pytest.approx(exact, rel=1e-13)
