"""The scalar functions of the CPU kernels, over all or very many of their arguments."""

from __future__ import annotations

import platform

import numpy as np
import pytest
import torch
from numba import njit

from entropylab.kernels.cpu.compiling import RELAXED, kernel
from entropylab.kernels.cpu.elementary import (
    exp_bounded,
    greatest,
    row_as_float,
    store,
)
from entropylab.kernels.cpu.statistics import tile_sums


@kernel
def fill_exponentials(x, out):
    for i in range(x.size):
        out[i] = exp_bounded(x[i])


@kernel
def convert(row, brain, buffer):
    return row_as_float(row, brain, buffer)


@kernel
def round_into(values, brain, destination):
    store(values, brain, destination)


def test_the_exponential_is_good_to_one_unit_in_the_last_place():
    x = np.linspace(-86.0, 0.0, 1_000_001).astype(np.float32)
    result = np.empty_like(x)
    fill_exponentials(x, result)
    truth = np.exp(x.astype(np.float64))
    assert np.max(np.abs(result - truth) / np.spacing(truth.astype(np.float32))) <= 1.0
    assert result[-1] == 1.0


def test_every_float16_and_bfloat16_converts_exactly():
    bits = np.arange(1 << 16, dtype=np.uint16)
    buffer = np.empty(bits.size, np.float32)
    assert np.array_equal(
        convert(bits, False, buffer), bits.view(np.float16).astype(np.float32), equal_nan=True
    )
    brain = torch.from_numpy(bits.copy()).view(torch.bfloat16).float().numpy()
    assert np.array_equal(convert(bits, True, buffer), brain, equal_nan=True)


@pytest.mark.parametrize("scale", [1e-8, 1e-5, 1.0, 1e4, 1e6])
def test_rounding_to_16_bits_is_that_of_numpy_and_torch(scale):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=20_000) * scale).astype(np.float32)
    # Numbers halfway between two float16, and the special ones.
    halfway = (np.arange(1, 4096, 2, dtype=np.int64) << 12) + 0x3F800000
    special = np.array([0.0, -0.0, np.inf, -np.inf, 65504, 65520, 6e-8, 2.9e-8], np.float32)
    values = np.concatenate([values, halfway.astype(np.uint32).view(np.float32), special])
    result = np.empty(values.size, np.uint16)
    round_into(values, False, result)
    with np.errstate(over="ignore"):
        assert np.array_equal(result, values.astype(np.float16).view(np.uint16))
    round_into(values, True, result)
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(result, expected)


def test_rounding_to_16_bits_keeps_nan():
    result = np.empty(1, np.uint16)
    round_into(np.array([np.nan], np.float32), False, result)
    assert np.isnan(result.view(np.float16)[0])
    round_into(np.array([np.nan], np.float32), True, result)
    assert torch.from_numpy(result).view(torch.bfloat16).isnan().item()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_greatest_value(dtype):
    rng = np.random.default_rng(0)
    for size in (1, 7, 64, 1000):
        values = (rng.normal(size=size) * 10.0 ** rng.integers(-30, 30, size)).astype(dtype)
        assert greatest(values) == values.max()
    assert greatest(np.array([-np.inf, -np.inf], dtype)) == -np.inf
    assert greatest(np.array([-np.inf, -3.0], dtype)) == -3.0


def test_the_loops_are_vectorised():
    """The sums of a tile use wide registers on x86: the reason why the kernels are fast."""
    # Compiled anew: machine code from the cache cannot be inspected.
    fresh = njit(fastmath=RELAXED, error_model="numpy")(tile_sums.py_func)
    fresh(np.zeros(64, np.float32), np.float32(0), np.float32(1), np.empty(64, np.float32))
    text = next(iter(fresh.inspect_asm().values()))
    assert "expf" not in text, "the exponential is a call"
    if platform.machine() in ("x86_64", "AMD64") and "avx2" in _flags():
        assert text.count("ymm") + text.count("zmm") > 50


def _flags() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return ""
