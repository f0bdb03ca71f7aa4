"""Time the teaching steps on the CPU beside the shipped kernels: ``python -m entropylab.bench.steps``.

Writes ``results/benchmarks/steps_cpu.json``. The roofs are measured in the same run: a plain sum of the same logits,
in turn with the steps, for where they lie (in memory, or in a large cache) decides how fast they can be read; and the
vectorised exponential on numbers that stay in the first-level cache. Every step is compared with the reference on the
data that is timed, before it is timed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from entropylab.bench import report as reports
from entropylab.bench.timers import CpuTimer, Rotation, calls_for
from entropylab.detection import LAMBDAS
from entropylab.kernels import cpu, reference
from entropylab.kernels.cpu.compiling import exact
from entropylab.kernels.cpu.threads import over_rows
from entropylab.kernels.steps import concentration, entropy, typical
from entropylab.kernels.steps.entropy import vector_sums

MASS = 0.9
READ = "one read"
Contenders = dict[str, Callable[[Any], Any]]


@exact
def in_the_cache(start: int, stop: int, tile: Any, out: Any) -> None:
    """Sum the exponentials of one tile again and again."""
    for n in range(start, stop):
        s, t = vector_sums(tile, tile[0])
        out[n] = s + t


def cached_exponentials(timer: CpuTimer) -> float:
    """Exponentials a second, with the entropy's two sums, of numbers that stay in the first-level cache."""
    tile = normal_logits(1, entropy.TILE)[0]
    tile[0] = tile.max()
    sums = np.empty(1 << 14, np.float32)
    rotation = Rotation(lambda seed: tile, lambda data: int(data.nbytes), 0)

    def compute(data: Any) -> None:
        over_rows(in_the_cache, len(sums), data.size, data, sums)

    calls = calls_for(timer, compute, rotation)
    best = timer.summary([timer.seconds(compute, rotation, calls)[0] for _ in range(timer.samples)])
    return sums.size * tile.size / best


def normal_logits(rows: int, columns: int) -> NDArray[np.float32]:
    """Normal logits of standard deviation 3."""
    drawn = np.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(drawn * np.float32(3))


def timed(contenders: Contenders, data: Any, timer: CpuTimer) -> dict[str, float]:
    """Seconds of each, the best of several rounds in which they take turns."""
    rotation = Rotation(lambda seed: data, lambda data: 0, 0)
    calls = {name: calls_for(timer, compute, rotation) for name, compute in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(timer.samples):
        for name, compute in contenders.items():
            seconds[name].append(timer.seconds(compute, rotation, calls[name])[0])
    return {name: timer.summary(samples) for name, samples in seconds.items()}


def entropy_steps(rows: int, columns: int, timer: CpuTimer) -> list[dict[str, Any]]:
    """The steps of the entropy kernel, and the shipped kernel, which computes four more figures a row."""
    logits = normal_logits(rows, columns)
    truth = np.concatenate([reference.statistics(part).entropy for part in np.array_split(logits, 64)])
    contenders: Contenders = {**entropy.STEPS, "shipped": lambda z: cpu.statistics(z).entropy}
    for name, compute in contenders.items():
        np.testing.assert_allclose(compute(logits), truth, rtol=1e-4, err_msg=name)
    contenders[READ] = lambda z: torch.from_numpy(z).sum()
    return _rows("entropy", f"{rows} x {columns}, float32", timed(contenders, logits, timer))


def typical_steps(rows: int, columns: int, timer: CpuTimer) -> list[dict[str, Any]]:
    """The cuts of the typical steps, given distances and weights; the shipped filter makes and writes all itself."""
    logits = normal_logits(rows, columns)
    distance, weight = typical.prepare(logits)
    target = typical.target_of(MASS)
    truth = reference.typical.typical_mask(logits, MASS)
    contenders: Contenders = {
        name: functools.partial(_without_logits, step, distance, weight, target)
        for name, step in typical.STEPS.items()
    }
    for name, compute in contenders.items():
        np.testing.assert_array_equal(typical.keep(distance, compute(logits)), truth, err_msg=name)
    contenders["shipped"] = lambda z: cpu.typical_filter(z, MASS)
    np.testing.assert_array_equal(np.isfinite(contenders["shipped"](logits)), truth)
    return _rows("typical", f"{rows} x {columns}, float32", timed(contenders, logits, timer))


def ragged_texts(sequences: int) -> dict[str, Any]:
    """Figures of texts of very different lengths: surprisals are gamma distributed, whose psi is known."""
    generator = np.random.default_rng(0)
    length = np.clip(generator.exponential(300, sequences), 1, 3000).astype(np.int64)
    offsets = np.concatenate([[0], length.cumsum()])
    shape = generator.uniform(1.0, 8.0, offsets[-1]).astype(np.float32)
    grid = np.array(LAMBDAS, np.float32)
    return {
        "cgf": shape[:, None] * (-np.log1p(-grid) - grid),
        "surprisal": generator.standard_gamma(shape, dtype=np.float32),
        "entropy": shape,
        "offsets": offsets,
        "lambdas": np.array(LAMBDAS),
        "log_threshold": math.log(20),
    }


def concentration_steps(sequences: int, timer: CpuTimer) -> list[dict[str, Any]]:
    """The steps of the concentration kernel, and the shipped kernel, which computes more figures and uses all cores."""
    a = ragged_texts(sequences)
    rest = (
        a["offsets"],
        a["lambdas"],
        np.full(len(LAMBDAS), -math.log(len(LAMBDAS))),
        a["log_threshold"],
        1.0,
    )

    def shipped(figures: dict[str, Any], kernels: Any = cpu) -> tuple[Any, ...]:
        # The variance of a gamma variable is its shape, as its mean is.
        found = kernels.concentration(a["surprisal"], a["entropy"], a["entropy"], figures["cgf"], *rest)
        return found.surprisal, found.entropy, found.log_supremum, found.stopping_time

    truth = shipped(a, reference)
    contenders: Contenders = {
        name: functools.partial(_by_name, step) for name, step in concentration.STEPS.items()
    }
    contenders["shipped"] = shipped
    for name, compute in contenders.items():
        for found, expected in zip(compute(a), truth, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)
    shape = f"{sequences} texts, {a['offsets'][-1]} tokens"
    return _rows("concentration", shape, timed(contenders, a, timer))


def _by_name(step: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    return step(**arguments)


def _without_logits(step: Callable[..., Any], distance: Any, weight: Any, target: int, logits: Any) -> Any:
    """A step that has its arguments already."""
    return step(distance, weight, target)


def _rows(ladder: str, shape: str, seconds: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {"ladder": ladder, "step": name, "shape": shape, "milliseconds": round(took * 1e3, 3)}
        for name, took in seconds.items()
    ]


def run(out: Path | None = None, rows: int = 512, columns: int = 50_257, samples: int = 9) -> dict[str, Any]:
    """Time the steps, print a table, and write the file.

    Parameters
    ----------
    out : Path, optional
        Where to write instead.
    rows, columns : int
        Size of the logits; the typical steps take an eighth of the rows, and there are two texts for each.
    samples : int
        Rounds; the best counts.

    Returns
    -------
    dict
        What was written: machine, versions, the two roofs, and for each step its milliseconds.

    Raises
    ------
    AssertionError
        If a step differs from the reference.
    """
    timer = CpuTimer(samples=samples)
    found = entropy_steps(rows, columns, timer)
    read = next(row for row in found if row["step"] == READ)
    found.remove(read)
    report = reports.heading("cpu", timer.machine()) | {
        "statistic": f"{timer.statistic} of {timer.samples}",
        "read_gb_per_second": round(4 * rows * columns / read["milliseconds"] / 1e6, 2),
        "cached_exponentials_per_second": round(cached_exponentials(timer), -6),
        "steps": [
            *found,
            *typical_steps(-(-rows // 8), columns, timer),
            *concentration_steps(2 * rows, timer),
        ],
    }
    columns_shown = {"ladder": "ladder", "step": "step", "shape": "shape", "ms": "milliseconds:.3f"}
    reports.show(f"read {report['read_gb_per_second']} GB/s", report["steps"], columns_shown)
    reports.write(report, "steps_cpu", out)
    return report


if __name__ == "__main__":
    run()
