"""Timing: ours and the peer's in turn, in one process, on the same data; the best of several runs counts.

Ratios are what to look at: both sides saw the same machine. The floor says how far from the limit of the
memory a path is: the time of one read of the data, measured in the same run by summing them, is the unit.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import entropylab
from entropylab.bench.cases import Case, cases
from entropylab.book.places import results_folder
from entropylab.files import atomic_write

DEVICES = ("cpu", "cuda")


def run(device: str = "cpu", out: Path | None = None, quick: bool = False) -> dict[str, Any]:
    """Time every case, print a table, and write it to ``results/benchmarks/<device>.json``.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    out : Path, optional
        Where to write instead. A quick run is written only if this is given.
    quick : bool
        Small sizes, a first look in seconds.

    Returns
    -------
    dict
        What was written: machine, versions, and for each case milliseconds, ratio to the peer (above 1: ours
        is faster) and time in reads of the data beside the least number of reads possible.

    Raises
    ------
    ValueError
        If the device is unknown.
    RuntimeError
        If there is no such device here.
    """
    if device not in DEVICES:
        raise ValueError(f"device: got {device!r}, allowed are {', '.join(map(repr, DEVICES))}")
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"device: 'cuda' is not here; what runs is {entropylab.backend()}")
    report: dict[str, Any] = {
        "device": device,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(device),
        "versions": {name: metadata.version(name) for name in ("torch", "transformers", "numba", "numpy")}
        | {"entropylab": entropylab.__version__, "python": platform.python_version()},
        "quick": quick,
        "cases": [measure(case, device, quick) for case in cases(device, quick)],
    }
    console = Console()
    # Where the width is unknown or small, lines that a terminal wraps are better than cells that a table
    # does.
    console.width = max(console.width, 118)
    console.print(table(report))
    if out is not None or not quick:
        path = out or results_folder() / "benchmarks" / f"{device}.json"
        with atomic_write(path) as partial:
            partial.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def measure(case: Case, device: str, quick: bool) -> dict[str, Any]:
    """Time one case: ours, the peer's and one read in turn, several rounds, the best of each.

    Parameters
    ----------
    case : Case
    device : str
    quick : bool

    Returns
    -------
    dict
        The row of the table.
    """
    data = case.data(case, device)
    rounds = 3 if quick else 7
    # Small cases are repeated within a round until they fill a few milliseconds.
    repeats = max(1, (1 << 21) // (case.rows * case.width))
    seconds: dict[str, list[float]] = {"ours": [], "theirs": [], "read": []}
    for _ in range(rounds + 1):  # the first round compiles and warms up
        seconds["ours"].append(timed(case.ours, data, device, repeats))
        seconds["theirs"].append(timed(case.theirs, data, device, 1 if case.rows > 8 else min(repeats, 4)))
        seconds["read"].append(timed(read_once, data, device, repeats))
    ours, theirs, read = (min(seconds[key][1:]) for key in ("ours", "theirs", "read"))
    return {
        "path": case.path,
        "peer": case.peer,
        "rows": case.rows,
        "width": case.width,
        "dtype": str(case.dtype).removeprefix("torch."),
        "milliseconds": round(ours * 1e3, 4),
        "peer_milliseconds": round(theirs * 1e3, 4),
        "ratio": round(theirs / ours, 2),
        "reads": round(ours / read, 2),
        "floor_reads": case.floor,
    }


def read_once(data: Any) -> object:
    """Sum the data, a tensor or several."""
    return data.sum() if isinstance(data, Tensor) else [part.sum() for part in data]


def timed(compute: Callable[[Any], object], data: Any, device: str, repeats: int) -> float:
    """Seconds of one call, averaged over `repeats` calls in a row."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        compute(data)
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def machine(device: str) -> dict[str, Any]:
    """What the figures were measured on, without names that identify a machine."""
    description: dict[str, Any] = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch_threads": torch.get_num_threads(),
    }
    if device == "cuda":
        description["gpu"] = torch.cuda.get_device_name()
    return description


def processor() -> str:
    """Model of the processor, or the architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(report: dict[str, Any]) -> Table:
    """The report as a table for the terminal."""
    result = Table(
        title=f"{report['device']}: {report['machine'].get('gpu', report['machine']['processor'])}"
    )
    for heading in ("path", "beside", "N x V", "dtype", "ms", "peer ms", "ratio", "reads", "floor"):
        result.add_column(heading, justify="left" if heading in ("path", "beside", "dtype") else "right")
    for row in report["cases"]:
        result.add_row(
            row["path"],
            row["peer"],
            f"{row['rows']} x {row['width']}",
            row["dtype"],
            f"{row['milliseconds']:.3f}",
            f"{row['peer_milliseconds']:.3f}",
            f"{row['ratio']:.1f}x",
            f"{row['reads']:.1f}",
            f"{row['floor_reads']:.0f}",
        )
    return result
