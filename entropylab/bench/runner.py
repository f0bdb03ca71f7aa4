"""Timing: ours and its rivals in turn, in one process, on the same data.

Ratios are what to look at: both sides saw the same machine. How far from the limit of the memory a path is, say
two figures: its time in reads of its data, and the share of the copy bandwidth that it would need at the least
traffic possible. Both bandwidths are measured first, on data that no cache holds; what lies in a cache can be
faster.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import entropylab
from entropylab.bench import report as reports
from entropylab.bench.cases import Case, cases
from entropylab.bench.checks import RIVAL_TOLERANCE, TOLERANCE, WrongResultError
from entropylab.bench.rivals import Rival
from entropylab.bench.timers import (
    CpuTimer,
    CudaTimer,
    Rotation,
    Timer,
    bandwidth,
    calls_for,
    machine,
    timed,
)

__all__ = ["DEVICES", "machine", "measure", "run", "timed"]

DEVICES = ("cpu", "cuda")
COLUMNS = {
    "path": "path",
    "beside": "peer",
    "N x V": "shape",
    "dtype": "dtype",
    "ms": "milliseconds:.3f",
    "peer ms": "peer_milliseconds:.3f",
    "ratio": "ratio:.2f",
    "reads": "reads:.1f",
    "floor": "floor_reads:.0f",
    "of copy": "of_copy:.2f",
}


def run(
    device: str = "cpu", out: Path | None = None, quick: bool = False, timer: Timer | None = None
) -> dict[str, Any]:
    """Time every case, print a table, and write it to ``results/benchmarks/<device>.json``.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    out : Path, optional
        Where to write instead. A quick run is written only if this is given.
    quick : bool
        Small sizes, a first look in seconds.
    timer : Timer, optional
        How to time; by default the device's own.

    Returns
    -------
    dict
        What was written: machine, versions, bandwidths, and for each case and rival milliseconds, ratio (above
        1: ours is faster), time in reads of the data beside the least number of reads possible, and the share
        of the copy bandwidth that this least traffic makes of it.

    Raises
    ------
    ValueError
        If the device is unknown.
    RuntimeError
        If there is no such device here.
    WrongResultError
        After the report is written, if a result that was timed is wrong. It is a ``RuntimeError``.
    """
    if device not in DEVICES:
        raise ValueError(f"device: got {device!r}, allowed are {', '.join(map(repr, DEVICES))}")
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device: 'cuda' is not here; what runs is {entropylab.backend()}")
    timer = timer or timer_of(device, quick)
    rates = bandwidth(timer, (64 << 20) if quick else (512 << 20))
    report = reports.heading(device, timer.machine()) | {
        "quick": quick,
        "statistic": f"{timer.statistic} of {timer.samples}",
        "copy_gb_per_second": round(rates["copy"] / 1e9, 1),
        "read_gb_per_second": round(rates["read"] / 1e9, 1),
        "tolerance": TOLERANCE,
        "cases": [],
        "left_out": [],
        "wrong": [],
    }
    for case in cases(device, quick):
        with _said(report, case):
            report["cases"] += measure(case, timer, rates, report["left_out"])
    shown = [row | {"shape": f"{row['rows']} x {row['width']}"} for row in report["cases"]]
    name = report["machine"].get("gpu", report["machine"]["processor"])
    reports.show(
        f"{name}: copy {report['copy_gb_per_second']} GB/s, read {report['read_gb_per_second']} GB/s; "
        f"times are the {report['statistic']}",
        shown,
        COLUMNS,
    )
    if report["left_out"]:
        reports.show("left out", report["left_out"], {"case": "case", "what": "peer", "why": "reason"})
    if out is not None or not quick:
        reports.write(report, device, out)
    if report["wrong"]:
        lines = [f"{entry['case']}: {entry['reason']}" for entry in report["wrong"]]
        raise WrongResultError("what was timed is wrong:\n" + "\n".join(lines))
    return report


def timer_of(device: str, quick: bool = False) -> Timer:
    """The timer of a device."""
    if device == "cuda":
        return CudaTimer()
    return CpuTimer(samples=3, target=1e-3) if quick else CpuTimer()


@contextmanager
def _said(report: dict[str, Any], case: Case) -> Iterator[None]:
    """Put into the report why a case has no figures: the device is too small for it, or it is wrong."""
    try:
        yield
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        report["left_out"].append({"case": label(case), "peer": "ours", "reason": "out of memory"})
    except WrongResultError as error:
        report["wrong"].append({"case": label(case), "reason": str(error)})


def label(case: Case) -> str:
    """A case in a few words."""
    return f"{case.path}, {case.rows} x {case.width}, {str(case.dtype).removeprefix('torch.')}"


def measure(
    case: Case, timer: Timer, rates: dict[str, float], left_out: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """Time one case: ours and the rivals in turn, several rounds, and check the outputs of the last.

    Parameters
    ----------
    case : Case
    timer : Timer
    rates : dict
        Bandwidths ``copy`` and ``read``, bytes a second.
    left_out : list
        Gets an entry for each rival that does not run here, or computes something else.

    Returns
    -------
    list of dict
        A row of the report for each rival; one without a rival, if there is none.

    Raises
    ------
    WrongResultError
        If our output is wrong.
    """
    rotation = Rotation(functools.partial(case.data, case, timer.device), case.size, timer.cache_bytes)
    contenders: dict[str, Rival] = {"ours": Rival("ours", case.ours)}
    calls = {"ours": calls_for(timer, case.ours, rotation)}

    def leave_out(rival: Rival, error: Exception) -> None:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        left_out.append({"case": label(case), "peer": rival.name, "reason": reason[:200]})

    for rival in case.rivals:
        try:
            with torch_threads(rival.threads):
                calls[rival.name] = calls_for(timer, rival.compute, rotation)
            contenders[rival.name] = rival
        except Exception as error:  # a compiler that is missing, a device that is full, a kernel that is new
            leave_out(rival, error)

    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    last: dict[str, tuple[Any, Any]] = {}
    for _ in range(timer.samples):
        for name, contender in contenders.items():
            last.pop(name, None)  # frees its memory before the next is made
            with torch_threads(contender.threads):
                took, data, found = timer.seconds(contender.compute, rotation, calls[name])
            seconds[name].append(took)
            last[name] = (data, found)

    case.check(*last.pop("ours"), TOLERANCE)
    for name in list(last):
        try:
            case.check(*last.pop(name), RIVAL_TOLERANCE)
        except WrongResultError as error:
            leave_out(contenders.pop(name), error)

    ours = timer.summary(seconds["ours"])
    floor_bytes = case.floor * rotation.bytes
    row = {
        "path": case.path,
        "rows": case.rows,
        "width": case.width,
        "dtype": str(case.dtype).removeprefix("torch."),
        "milliseconds": round(ours * 1e3, 4),
        "spread": round(spread(seconds["ours"]), 3),
        "reads": round(ours * rates["read"] / rotation.bytes, 2),
        "floor_reads": case.floor,
        "of_copy": round(floor_bytes / ours / rates["copy"], 3),
    }
    theirs = {name: timer.summary(seconds[name]) for name in contenders if name != "ours"}
    return [
        row | {"peer": name, "peer_milliseconds": round(took * 1e3, 4), "ratio": round(took / ours, 2)}
        for name, took in theirs.items()
    ] or [row]


def spread(samples: list[float]) -> float:
    """Distance between the quartiles, relative to the median: how noisy the samples are."""
    if len(samples) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return (high - low) / middle


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Threads of torch within the block."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
