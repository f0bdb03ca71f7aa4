"""Time per byte over sizes of the vocabulary and of the batch, with an alarm where it jumps; and over threads.

Two sweeps look for sizes that are handled badly. Along the width at a constant number of bytes nothing should
change, so a jump in either direction is an alarm. On the grid of batches and widths, a call has a fixed cost and a
second thread joins once there is work for it: time per byte falls with size for good reasons, and only a rise is an
alarm. What jumps is measured once more before it counts.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from entropylab.bench import report as reports
from entropylab.bench.cases import MASS
from entropylab.bench.rivals import gradient_of, softmax_entropy, warper
from entropylab.bench.timers import CpuTimer, Rotation, calls_for
from entropylab.decoding import typical_filter
from entropylab.information import entropy, token_statistics

# Powers of two, sizes beside them, primes, and vocabularies of known models.
WIDTHS = (
    1000, 1009, 2048, 4095, 4097, 8191, 12_289, 16_384, 24_000, 32_000, 32_003, 50_257, 65_537,
    98_304, 128_256, 151_936, 200_019, 262_144,
)  # fmt: skip
ROWS = (1, 2, 8, 64, 512)
QUICK_WIDTHS, QUICK_ROWS = (1000, 1009, 2048, 4097), (1, 8)
# Elements of the sweep along the width: 16 MB of float32.
CONSTANT = 1 << 22
ALARM = 1.5
THREADS = (1, 2)

PATHS: dict[str, Callable[[Any], Any]] = {
    "all statistics": token_statistics,
    "typical filter": lambda logits: typical_filter(logits, MASS),
    "entropy, forward and backward": gradient_of(entropy),
}
CONSTANT_BYTES = "constant_bytes"


@dataclass(frozen=True)
class Point:
    """A path at a size; ``series`` names the sweep it belongs to."""

    path: str
    series: str
    rows: int
    width: int


@dataclass(frozen=True)
class Jump:
    """Time per byte of two neighbours that differs by more than `ALARM`."""

    first: Point
    second: Point
    ratio: float  # second to first

    @property
    def is_alarm(self) -> bool:
        """Whether the jump has no good reason: any at constant bytes, else one to more time per byte."""
        return self.first.series == CONSTANT_BYTES or self.ratio > 1


def points(path: str, widths: Sequence[int], rows: Sequence[int], constant: int) -> list[Point]:
    """All points of a path: along the width at constant bytes, then the grid."""
    along = [Point(path, CONSTANT_BYTES, max(1, round(constant / width)), width) for width in widths]
    return along + [Point(path, "grid", n, width) for n in rows for width in widths]


def neighbours(found: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Pairs of points of one path and series: next along the width for the same batch, next along the batch."""
    lines: dict[tuple[Any, ...], list[Point]] = {}
    for point in found:
        if point.series == CONSTANT_BYTES:
            lines.setdefault((point.path, point.series), []).append(point)
        else:
            lines.setdefault((point.path, "rows", point.rows), []).append(point)
            lines.setdefault((point.path, "width", point.width), []).append(point)
    for line in lines.values():
        line.sort(key=lambda p: (p.width, p.rows))
        yield from itertools.pairwise(line)


def jumps(per_byte: dict[Point, float]) -> list[Jump]:
    """Neighbours whose time per byte differs by more than `ALARM`, in either direction."""
    found = []
    for first, second in neighbours(list(per_byte)):
        ratio = per_byte[second] / per_byte[first]
        if max(ratio, 1 / ratio) > ALARM:
            found.append(Jump(first, second, ratio))
    return found


def per_byte(point: Point, timer: Any) -> float:
    """Seconds for each byte of logits, float32."""

    def logits(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randn(point.rows, point.width, generator=generator).mul_(3.0)

    rotation = Rotation(logits, lambda data: int(data.nbytes), timer.cache_bytes)
    compute = PATHS[point.path]
    calls = calls_for(timer, compute, rotation)
    samples = [timer.seconds(compute, rotation, calls)[0] for _ in range(timer.samples)]
    return timer.summary(samples) / rotation.bytes  # type: ignore[no-any-return]


def confirmed(
    measured: dict[Point, float], measure: Callable[[Point], float]
) -> tuple[dict[Point, float], list[Jump]]:
    """Measure both ends of every alarm once more; the better time counts, and what is left are the jumps.

    Parameters
    ----------
    measured : dict
        Point to seconds for each byte.
    measure : callable
        Measures a point.

    Returns
    -------
    measured : dict
        With the better times.
    jumps : list of Jump
    """
    suspects = {point for jump in jumps(measured) if jump.is_alarm for point in (jump.first, jump.second)}
    better = measured | {
        point: min(measured[point], measure(point)) for point in measured if point in suspects
    }
    return better, jumps(better)


def run_sweep(out: Path | None = None, quick: bool = False, timer: Any = None) -> dict[str, Any]:
    """Sweep over sizes and threads on the CPU, print it, write ``results/benchmarks/cpu_sweep.json``.

    Parameters
    ----------
    out : Path, optional
        Where to write instead. A quick run is written only if this is given.
    quick : bool
        Few sizes, no threads.
    timer : Timer, optional
        How to time.

    Returns
    -------
    dict
        What was written. ``alarms`` is empty if time per byte jumps nowhere; ``falls`` counts the jumps with a
        good reason.
    """
    started = time.perf_counter()
    widths, rows = (QUICK_WIDTHS, QUICK_ROWS) if quick else (WIDTHS, ROWS)
    constant = 1 << 18 if quick else CONSTANT
    timer = timer or CpuTimer(samples=3 if quick else 7, target=2e-3)
    measured = {
        point: per_byte(point, timer) for path in PATHS for point in points(path, widths, rows, constant)
    }
    measured, found = confirmed(measured, lambda point: per_byte(point, timer))
    alarms = [jump for jump in found if jump.is_alarm]
    report = reports.heading("cpu", timer.machine()) | {
        "quick": quick,
        "statistic": f"{timer.statistic} of {timer.samples}",
        "unit": "nanoseconds for each KiB of logits (float32)",
        "alarm_above": ALARM,
        "constant_bytes": constant * 4,
        "time_per_kib": table(measured),
        "alarms": [described(jump) for jump in alarms],
        "falls": len(found) - len(alarms),
        "threads": [] if quick else scaling(),
    }
    report["seconds"] = round(time.perf_counter() - started, 1)
    columns = {name: f"{name}:.1f" for name in report["time_per_kib"][0] if name not in ("path", "width")}
    reports.show(
        "nanoseconds for each KiB of logits",
        report["time_per_kib"],
        {"path": "path", "width": "width:,"} | columns,
    )
    if report["threads"]:
        reports.show(
            "threads",
            report["threads"],
            {"path": "path", "N x V": "shape", "1 thread, ms": "one_thread_milliseconds:.2f"}
            | {"2 threads, ms": "two_threads_milliseconds:.2f", "speedup": "speedup:.2f"},
        )
    for entry in report["alarms"]:
        print(
            f"ALARM: {entry['path']}: {entry['from']} to {entry['to']}, {entry['ratio']}x the time per byte"
        )
    print(f"{len(alarms)} alarms; {report['falls']} falls with size; {report['seconds']} seconds")
    if out is not None or not quick:
        reports.write(report, "cpu_sweep", out)
    return report


def table(measured: dict[Point, float]) -> list[dict[str, Any]]:
    """One row for each path and width, one column for each series and batch."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for point, seconds in measured.items():
        row = rows.setdefault((point.path, point.width), {"path": point.path, "width": point.width})
        name = point.series if point.series == CONSTANT_BYTES else f"N={point.rows}"
        row[name] = round(seconds * 1024 * 1e9, 2)
    return list(rows.values())


def described(jump: Jump) -> dict[str, Any]:
    """A jump as a row of the report."""
    return {
        "path": jump.first.path,
        "series": jump.first.series,
        "from": f"{jump.first.rows} x {jump.first.width}",
        "to": f"{jump.second.rows} x {jump.second.width}",
        "ratio": round(jump.ratio, 2),
    }


def scaling(rows: int = 512, width: int = 50_257, rounds: int = 2) -> list[dict[str, Any]]:
    """Times with one and with two threads, ours and torch's, in processes of their own.

    The threads of Numba are set once in a process, before it starts. The processes take turns, `rounds` times,
    and the best time counts.

    Returns
    -------
    list of dict
        For each path: milliseconds with one and with two threads, and their ratio.
    """
    best: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for threads in THREADS:
            for path, seconds in in_process(threads, rows, width).items():
                best[path, threads] = min(seconds, best.get((path, threads), seconds))
    few, many = THREADS
    return [
        {
            "path": path,
            "shape": f"{rows} x {width}",
            "one_thread_milliseconds": round(best[path, few] * 1e3, 3),
            "two_threads_milliseconds": round(best[path, many] * 1e3, 3),
            "speedup": round(best[path, few] / best[path, many], 2),
        }
        for path, threads in best
        if threads == few
    ]


def in_process(threads: int, rows: int, width: int) -> dict[str, float]:
    """Seconds of every path in a new process with that many threads."""
    names = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    finished = subprocess.run(
        [sys.executable, "-m", "entropylab.bench.sweep", str(rows), str(width)],
        env=os.environ | {name: str(threads) for name in names},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"the process with {threads} threads failed:\n{finished.stderr[-2000:]}")
    return json.loads(finished.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def main(rows: int, width: int) -> None:
    """What :func:`in_process` runs: one line of JSON."""
    timer = CpuTimer(samples=5)
    logits = torch.randn(rows, width, generator=torch.Generator().manual_seed(0)).mul_(3.0)
    rotation = Rotation(lambda seed: logits, lambda data: int(data.nbytes), 0)
    peers = {
        "torch: log_softmax entropy": softmax_entropy,
        "torch: its autograd": gradient_of(softmax_entropy),
        "transformers: TypicalLogitsWarper": warper(MASS),
    }
    found = {}
    for name, compute in (PATHS | peers).items():
        calls = calls_for(timer, compute, rotation)
        # The warper takes seconds, and twice is enough to see whether threads matter to it.
        samples = timer.samples if name in PATHS else 2
        found[name] = min(timer.seconds(compute, rotation, calls)[0] for _ in range(samples))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
