"""The CPU statistics against the definition, torch's own accuracy, and themselves in other batches."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import torch

from entropylab.kernels import Statistics, cpu, reference

# Error allowed relative to 1 + |truth|: some units in the last place of the arithmetic.
TOLERANCE = {"float32": 3e-6, "float64": 1e-13, "float16": 3e-6, "bfloat16": 3e-6}


def encode(values, dtype):
    """Logits as the kernels take them, and the numbers they stand for."""
    if dtype == "bfloat16":
        rounded = torch.from_numpy(values).to(torch.bfloat16)
        return rounded.view(torch.uint16).numpy(), rounded.double().numpy()
    stored = values.astype(dtype)
    return stored, stored.astype(np.float64)


def rows(width, seed=0):
    """Rows of several kinds: spread, flat, peaked, shifted, masked here and there, masked in whole tiles."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(8, width)) * 3.0
    z[1] *= 1e-3
    z[2, width // 2] += 40.0
    z[3] += 500.0
    z[4, rng.random(width) < 0.5] = -np.inf
    z[4, -1] = 0.0
    z[5, :-1] = -np.inf
    z[6, : width // 2] = -np.inf
    z[7] = 0.0
    return z


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("width", [1, 2, 33, 2048, 2049, 5000])
@pytest.mark.parametrize("temperature", [1.0, 0.4, 7.0])
def test_statistics_agree_with_the_definition(dtype, width, temperature):
    stored, exact = encode(rows(width), dtype)
    targets = np.random.default_rng(1).integers(0, width, len(exact))
    result = cpu.statistics(stored, targets, temperature)
    truth = reference.statistics(exact, targets, temperature)
    expected_dtype = np.float64 if dtype == "float64" else np.float32
    for name, ours, theirs in zip(result._fields, result, truth, strict=True):
        assert ours.dtype == expected_dtype, name
        finite = np.isfinite(theirs)
        assert np.array_equal(ours[~finite], theirs[~finite]), name
        error = np.abs(ours[finite] - theirs[finite]) / (1.0 + np.abs(theirs[finite]))
        assert error.max(initial=0.0) < TOLERANCE[dtype], name


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_gradients_agree_with_the_definition(dtype):
    stored, exact = encode(rows(2500), dtype)
    targets = np.random.default_rng(1).integers(0, 2500, len(exact))
    targets[4:6] = 2499  # a token that can occur
    grad = Statistics(*np.random.default_rng(2).normal(size=(5, len(exact))))
    result = cpu.statistics(stored, targets, 0.7)
    truth = reference.statistics(exact, targets, 0.7)
    ours = cpu.statistics_backward(stored, targets, 0.7, *result[:4], grad)
    theirs = reference.statistics_backward(exact, targets, 0.7, *truth[:4], grad)
    assert ours.dtype == stored.dtype
    if dtype == "bfloat16":
        ours = torch.from_numpy(ours).view(torch.bfloat16).double().numpy()
    step = {"float16": 2e-3, "bfloat16": 2e-2}.get(dtype, 3e-5 if dtype == "float32" else 1e-12)
    assert np.abs(ours - theirs).max() < step * np.abs(theirs).max()
    assert (ours[np.isneginf(exact)] == 0.0).all()


def test_missing_gradients_count_as_zero():
    z = rows(50).astype(np.float32)
    result = cpu.statistics(z)
    one = cpu.statistics_backward(z, None, 1.0, *result[:4], Statistics(np.ones(8), None, None, None, None))
    zeros = np.zeros(8)
    two = cpu.statistics_backward(
        z, None, 1.0, *result[:4], Statistics(np.ones(8), zeros, zeros, zeros, None)
    )
    assert np.array_equal(one, two)


def test_the_gradient_of_the_maximum_goes_to_the_first_of_equals():
    z = np.array([[1.0, 3.0, 3.0, 0.0]], np.float32)
    result = cpu.statistics(z)
    gradient = cpu.statistics_backward(
        z, None, 1.0, *result[:4], Statistics(None, None, None, np.ones(1), None)
    )
    p = np.exp(z[0] - result.logsumexp[0])
    expected = p[1] * (np.arange(4) == 1) - p[1] * p
    assert gradient[0] == pytest.approx(expected, abs=1e-6)


def torch_entropy(z):
    log_p = z.log_softmax(-1)
    p = log_p.exp()
    return -(p * log_p.masked_fill(z.isneginf(), 0.0)).sum(-1), log_p


@pytest.mark.parametrize(
    "kind", ["spread", "flat", "peaked", "shifted", "masked", "two-valued", "wide", "nearly certain"]
)
def test_no_less_accurate_than_torch(kind):
    """Largest error over many rows against float64: at most one and a half times torch's, plus one unit."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(40, 30_000)) * 3.0
    if kind == "flat":
        z *= 1e-3
    elif kind == "peaked":
        z[:, 7] += 15.0
    elif kind == "shifted":
        z += 1000.0
    elif kind == "masked":
        z[:, ::2] = -np.inf
    elif kind == "two-valued":
        z = np.where(rng.random(z.shape) < 0.5, 0.0, 3.0)
    elif kind == "wide":
        z *= 10.0
    elif kind == "nearly certain":
        z[:, 7] += 40.0
    stored = z.astype(np.float32)
    targets = rng.integers(0, 15_000, 40) * 2 + 1
    truth = reference.statistics(stored, targets)
    ours = cpu.statistics(stored, targets)
    tensor = torch.from_numpy(stored)
    entropy, log_p = torch_entropy(tensor)
    varentropy = (log_p.exp() * (log_p.masked_fill(tensor.isneginf(), 0.0) + entropy[:, None]) ** 2).sum(-1)
    surprisal = -log_p.gather(1, torch.from_numpy(targets)[:, None])[:, 0]
    theirs = Statistics(entropy, varentropy, tensor.logsumexp(-1), log_p.exp().amax(-1), surprisal)
    for name, a, b, exact in zip(ours._fields, ours, theirs, truth, strict=True):
        unit = np.spacing(np.abs(exact).max().astype(np.float32))
        assert np.abs(a - exact).max() <= 1.5 * np.abs(b.numpy() - exact).max() + unit, name


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_row_is_the_same_bit_for_bit_in_every_batch_and_with_any_number_of_threads(dtype, monkeypatch):
    stored, _ = encode(np.concatenate([rows(20_000, seed) for seed in range(5)]), dtype)
    targets = np.arange(len(stored))
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
    whole = cpu.statistics(stored, targets)
    grad = Statistics(*np.ones((5, len(stored))))
    slope = cpu.statistics_backward(stored, targets, 1.0, *whole[:4], grad)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    for part in (slice(0, 40), slice(0, 1), slice(7, 8), slice(3, 30), slice(39, 40)):
        piece = cpu.statistics(np.ascontiguousarray(stored[part]), targets[part])
        for ours, all_rows in zip(piece, whole, strict=True):
            assert ours.tobytes() == all_rows[part].tobytes()
        piece_slope = cpu.statistics_backward(
            stored[part], targets[part], 1.0, *piece[:4], Statistics(*np.ones((5, len(piece.entropy))))
        )
        assert piece_slope.tobytes() == slope[part].tobytes()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 2047, 2048, 4999])
def test_a_bad_number_spoils_its_row_only(dtype, bad, place):
    values = rows(5000)
    clean, _ = encode(values, dtype)
    before = cpu.statistics(clean)
    values[3, place] = bad
    stored, _ = encode(values, dtype)
    after = cpu.statistics(stored, np.zeros(8, np.int64))
    for old, new in zip(before[:4], after[:4], strict=True):
        assert np.isnan(new).tolist() == [False] * 3 + [True] + [False] * 4
        assert np.array_equal(np.delete(old, 3), np.delete(new, 3))
    assert np.isnan(after.surprisal[3])
    assert cpu.find_invalid_row(stored) == 3
    assert cpu.find_invalid_row(clean) == -1


def test_a_nan_with_any_payload_is_noticed_even_among_impossible_tokens():
    z = np.full((4, 5000), -np.inf, np.float32)
    z[:, -1] = 0.0
    for row, bits in enumerate((0x7FC00001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001)):
        z.view(np.uint32)[row, 10] = bits
    assert np.isnan(cpu.statistics(z).entropy).all()
    assert np.isnan(cpu.typical_filter(z, 0.5)).all()


def test_a_row_without_a_possible_token():
    z = np.full((2, 3000), -np.inf, np.float32)
    z[0, 5] = 1.0
    result = cpu.statistics(z, np.array([0, 0]))
    assert np.isnan(result.entropy).tolist() == [False, True]
    assert result.surprisal[0] == np.inf
    assert cpu.find_invalid_row(z) == 1


def test_a_certain_token_has_no_entropy_at_all():
    z = np.full((1, 70_000), -np.inf, np.float32)
    z[0, 66_000] = -3.0
    result = cpu.statistics(z, np.array([66_000]))
    assert [float(field[0]) for field in result] == [0.0, 0.0, -3.0, 1.0, 0.0]


def test_extreme_numbers():
    top = float(np.finfo(np.float32).max)
    z = np.array([[top, -top, 0.0], [-top, -top, -top], [top, top, -np.inf]], np.float32)
    result = cpu.statistics(z)
    assert result.entropy == pytest.approx([0.0, np.log(3), np.log(2)], abs=1e-6)
    for temperature in (1e-40, 1e-30, 1e30):
        extreme = cpu.statistics(np.array([[1.0, 2.0, 2.0]], np.float32), None, temperature)
        expected = np.log(3) if temperature > 1 else np.log(2)
        assert extreme.entropy == pytest.approx([expected], abs=1e-6)


def test_no_rows():
    z = np.empty((0, 100), np.float32)
    assert cpu.statistics(z, np.empty(0, np.int64)).surprisal.shape == (0,)
    assert cpu.find_invalid_row(z) == -1


def test_outputs_are_written_where_they_are_wanted():
    z = rows(40).astype(np.float32)
    out = Statistics(*np.empty((5, 8), np.float32))
    targets = np.zeros(8, np.int64)
    assert cpu.statistics(z, targets, out=out) is out
    for given, fresh in zip(out, cpu.statistics(z, targets), strict=True):
        assert np.array_equal(given, fresh)
