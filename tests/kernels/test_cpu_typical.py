"""The sort-free typical kernel against the sorting definition."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch

from entropylab.kernels import cpu, reference
from entropylab.kernels.reference.statistics import log_probabilities
from entropylab.kernels.reference.typical import deviations, typical_mask

MASSES = (0.05, 0.2, 0.5, 0.9, 0.95, 0.999)


def undecided(logits, mass, tolerance):
    """Rows in which rounding may decide.

    Either a cumulative sum lies within the tolerance of the mass, or two tokens on opposite sides of the
    entropy are so nearly equally far from it, at the cut, that rounding may order them either way.
    """
    d = deviations(logits)
    order = np.argsort(d, axis=-1, kind="stable")
    p = np.exp(log_probabilities(logits))
    cumulative = np.take_along_axis(p, order, -1).cumsum(-1)
    near_mass = (np.abs(cumulative - mass) < tolerance).any(-1)
    last = np.minimum((cumulative < mass).sum(-1), d.shape[-1] - 1)
    cut = np.take_along_axis(np.take_along_axis(d, order, -1), last[:, None], -1)
    with np.errstate(invalid="ignore"):
        near = np.abs(d - cut) < tolerance * (1 + np.where(np.isinf(cut), 0, cut))
    highest = np.where(near, logits, -np.inf).max(-1)
    lowest = np.where(near, logits, np.inf).min(-1)
    return near_mass | (lowest < highest)


def random_rows(kind, width, count, rng):
    if kind == "tied":
        return np.log(rng.integers(1, 5, (count, width)).astype(float))
    if kind == "gaussian":
        return (
            rng.normal(size=(count, width)) * rng.uniform(0.01, 6, (count, 1))
            + rng.normal(size=(count, 1)) * 50
        )
    z = np.log(np.maximum(rng.dirichlet(np.full(width, float(kind)), count), 1e-300))
    z[: count // 4, ::3] = -np.inf
    return z[np.isfinite(z).any(-1)]


@pytest.mark.parametrize("kind", ["0.05", "0.5", "5", "tied", "gaussian"])
@pytest.mark.parametrize("width", [1, 2, 5, 64, 1000, 6000])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-5)])
def test_the_kept_set_is_that_of_the_definition(kind, width, dtype, tolerance):
    rng = np.random.default_rng(width)
    logits = random_rows(kind, width, 60 if width < 1000 else 15, rng).astype(dtype)
    uniforms = rng.random(len(logits))
    checked = 0
    for mass in MASSES:
        for count in (1, 3):
            expected = typical_mask(logits, mass, count)
            result = cpu.typical_filter(logits, mass, count)
            kept = np.isfinite(result)
            assert np.array_equal(result[kept], logits[kept])
            sure = ~undecided(logits.astype(np.float64), mass, tolerance)
            if count > 1:  # a least number of tokens has a cut of its own
                d = np.sort(np.minimum(deviations(logits), 1e9), -1)
                sure &= (np.diff(d[:, :5], axis=-1) > tolerance).all(-1)
            assert np.array_equal(kept[sure], expected[sure])
            checked += sure.sum()
            tokens = cpu.typical_sample(logits, mass, uniforms, count)
            assert np.take_along_axis(kept, tokens[:, None], -1).all()
    assert checked > 0 or kind == "tied"


def test_a_large_vocabulary():
    rng = np.random.default_rng(0)
    for scale in (0.3, 2.0, 5.0):
        logits = (rng.normal(size=(12, 50_257)) * scale).astype(np.float32)
        for mass in MASSES:
            kept = np.isfinite(cpu.typical_filter(logits, mass))
            expected = typical_mask(logits, mass)
            # One token more or less at the cut is what float32 may do.
            assert (kept != expected).sum(-1).max() <= 2
            p = np.exp(log_probabilities(logits))
            assert ((p * kept).sum(-1) > mass - 1e-5).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_tokens_at_equal_distance_stay_together(dtype):
    rng = np.random.default_rng(1)
    values = rng.integers(-3, 4, (200, 700)).astype(np.float64) / 2
    stored = values.astype(np.float32 if dtype == "bfloat16" else dtype)
    if dtype == "bfloat16":
        stored = torch.from_numpy(stored).bfloat16().view(torch.uint16).numpy()
    for mass in MASSES:
        result = cpu.typical_filter(stored, mass)
        if dtype == "bfloat16":
            result = torch.from_numpy(result).view(torch.bfloat16).float().numpy()
        kept = np.isfinite(result)
        for level in np.unique(values):
            shares = np.where(values == level, kept, np.nan)
            assert (np.nanmin(shares, -1) == np.nanmax(shares, -1)).all()
        sure = ~undecided(values, mass, 1e-5)
        assert np.array_equal(kept[sure], typical_mask(values, mass)[sure])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_least_so_many_tokens(dtype):
    z = np.array([[10.0, 3.0, 2.0, 2.0, 1.0, -np.inf]], dtype)
    assert np.isfinite(cpu.typical_filter(z, 0.5, 1)).sum() == 1
    assert np.isfinite(cpu.typical_filter(z, 0.5, 2)).sum() == 2
    # The third and the fourth are tied, and the last one cannot occur.
    assert np.isfinite(cpu.typical_filter(z, 0.5, 3)).sum() == 4
    assert np.isfinite(cpu.typical_filter(z, 0.5, 100)).sum() == 5


@pytest.mark.parametrize("filter_value", [-np.inf, -100.0, 0.0, -65504.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_the_filter_value_is_written(filter_value, dtype):
    z = np.log(np.array([[0.4, 0.2, 0.2, 0.2]])).astype(dtype)
    result = cpu.typical_filter(z, 0.5, 1, filter_value)
    assert result[0].tolist() == [dtype(filter_value), *z[0, 1:].tolist()]


def test_distances_that_span_all_magnitudes():
    """Tiny, ordinary, huge, and beyond the grid of the histogram."""
    for z in (
        np.array([[0.0, 1e-30, -1e-30, 1e-38]]),
        np.array([[1e30, -1e30, 0.0]]),
        np.array([[0.0, -300.0, -700.0, -1e5]]),
        np.array([[1e8, 1e8 + 1.0, 1e8 - 1.0]]),
        np.array([[-1e-300, 1e-300, 0.0]]),
        np.array([[np.finfo(np.float64).max, -np.finfo(np.float64).max]]),
    ):
        for mass in (0.3, 0.9, 1 - 1e-16):
            assert np.array_equal(cpu.typical_filter(z, mass), reference.typical_filter(z, mass))


@pytest.mark.parametrize("mass", [0.1, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_follow_the_renormalised_distribution(mass, dtype):
    row = (np.random.default_rng(4).normal(size=3000) * 2.0).astype(dtype)
    uniforms = (np.arange(600) + 0.5) / 600
    logits = np.tile(row, (600, 1))
    tokens = cpu.typical_sample(logits, mass, uniforms)
    expected = reference.typical_sample(logits, mass, uniforms)
    # The sums differ in the last digits, so a number next to a step may fall on either side of it.
    assert (tokens != expected).mean() < 0.005
    assert (np.diff(tokens) >= 0).all()


def test_sampling_at_the_ends_of_the_unit_interval():
    z = np.log(np.array([[0.4, 0.2, 0.2, 0.2]] * 2))
    uniforms = np.array([0.0, np.nextafter(1.0, 0.0)])
    assert cpu.typical_sample(z, 0.5, uniforms).tolist() == [1, 3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_the_same_in_every_batch_and_with_any_number_of_threads(dtype, monkeypatch):
    rng = np.random.default_rng(2)
    logits = (rng.normal(size=(40, 10_000)) * 3).astype(dtype)
    uniforms = rng.random(40)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
    whole = cpu.typical_filter(logits, 0.7)
    tokens = cpu.typical_sample(logits, 0.7, uniforms)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    for part in (slice(0, 40), slice(5, 6), slice(3, 30)):
        assert cpu.typical_filter(logits[part], 0.7).tobytes() == whole[part].tobytes()
        assert np.array_equal(cpu.typical_sample(logits[part], 0.7, uniforms[part]), tokens[part])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_a_bad_row_becomes_nan_and_draws_minus_one(dtype):
    z = np.zeros((4, 3000), np.float32)
    z[1, 2500] = np.nan
    z[2, 3] = np.inf
    z[3] = -np.inf
    if dtype == "bfloat16":
        stored = torch.from_numpy(z).bfloat16().view(torch.uint16).numpy()
        result = torch.from_numpy(cpu.typical_filter(stored, 0.5)).view(torch.bfloat16).float().numpy()
    else:
        stored = z.astype(dtype)
        result = cpu.typical_filter(stored, 0.5)
    assert np.isnan(result).all(-1).tolist() == [False, True, True, True]
    assert (cpu.typical_sample(stored, 0.5, np.zeros(4)) == -1).tolist() == [False, True, True, True]


def test_the_output_may_be_the_input():
    z = np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32)
    expected = cpu.typical_filter(z, 0.4)
    assert cpu.typical_filter(z, 0.4, out=z) is z
    assert np.array_equal(z, expected)


def test_no_rows():
    z = np.empty((0, 100), np.float32)
    assert cpu.typical_filter(z, 0.5).shape == (0, 100)
    assert cpu.typical_sample(z, 0.5, np.empty(0)).shape == (0,)
