"""Rows over threads: every row once, from any thread, after a fork, and errors come out."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from entropylab.kernels import cpu
from entropylab.kernels.cpu import threads


@pytest.mark.parametrize("rows", [1, 2, 7, 100])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_row_is_computed_once(rows, count, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", count)
    seen = np.zeros(rows, int)

    def mark(start, stop, array):
        array[start:stop] += 1

    threads.over_rows(mark, rows, threads.SMALL, seen)
    assert (seen == 1).all()


def test_an_error_in_a_helper_comes_out(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)

    def fail(start, stop):
        raise ArithmeticError("broken row")

    with pytest.raises(ArithmeticError, match="broken row"):
        threads.over_rows(fail, 50, threads.SMALL)


def test_calls_from_many_threads_agree(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 2)
    z = np.random.default_rng(0).normal(size=(16, 20_000)).astype(np.float32)
    expected = cpu.statistics(z).entropy
    with ThreadPoolExecutor(8) as pool:
        for result in pool.map(lambda _: cpu.statistics(z).entropy, range(40)):
            assert np.array_equal(result, expected)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_child_computes(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 2)
    z = np.random.default_rng(0).normal(size=(16, 20_000)).astype(np.float32)
    expected = cpu.statistics(z).entropy
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(cpu.statistics(z).entropy, expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
