"""Figures of archived times: the files in ``results/benchmarks/``, read as far as they go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entropylab.book import places
from entropylab.book.roofline import roofline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BYTES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Measured:
    """One case of a benchmark file, in units that can be compared.

    Attributes
    ----------
    name : str
        What was timed.
    numbers : int
        Logits, or numbers of whatever the input holds.
    bytes_each : float
        Bytes of one number.
    peer : str
        The rival, empty where the file has none.
    ours, theirs, floor : float
        Seconds of the kernel, of the rival, and of the least traffic possible. NaN where the file has none.
    """

    name: str
    numbers: int
    bytes_each: float
    peer: str
    ours: float
    theirs: float
    floor: float


def archived(device: str, folder: Path | None = None) -> dict[str, Any] | None:
    """A benchmark file's content, or None if nothing is archived for that device.

    Parameters
    ----------
    device : str
        Name of the file without its ending, for example ``"cpu"``.
    folder : Path, optional
        The results folder; by default the book's own.

    Returns
    -------
    dict or None

    Raises
    ------
    ValueError
        If the file is not a JSON object.
    """
    path = (folder or places.results_folder()) / "benchmarks" / f"{device}.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not readable: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, not a {type(content).__name__}")
    return content


def measured(content: dict[str, Any], path: str, numbers_a_unit: int = 1) -> list[Measured]:
    """The cases of a benchmark file that timed one path.

    Parameters
    ----------
    content : dict
        As `archived` gives.
    path : str
        The ``path`` of the cases.
    numbers_a_unit : int
        Numbers of the input for each of the ``rows`` x ``width`` of a case: 12 for the concentration kernel.

    Returns
    -------
    list of Measured
        Without cases of a dtype whose size is not known here.
    """
    found = []
    for case in content.get("cases", []):
        if case.get("path") == path and case.get("dtype") in BYTES:
            ours = case["milliseconds"] / 1e3
            found.append(
                Measured(
                    name=f"{case['rows']} × {case['width']}, {case['dtype']}",
                    numbers=case["rows"] * case["width"] * numbers_a_unit,
                    bytes_each=BYTES[case["dtype"]],
                    ours=ours,
                    peer=str(case.get("peer", "")),
                    theirs=case.get("peer_milliseconds", np.nan) / 1e3,
                    # "reads" is our time in reads of the data.
                    floor=ours / case["reads"] * case.get("floor_reads", 1.0)
                    if case.get("reads")
                    else np.nan,
                )
            )
    return found


def source(content: dict[str, Any]) -> str:
    """Where figures come from, for a caption: machine, day, versions."""
    machine = content.get("machine", {})
    chip = machine.get("gpu") or f"{machine.get('processor', 'unknown')}, {machine.get('cores', '?')} cores"
    versions = content.get("versions", {})
    shown = ", ".join(f"{name} {versions[name]}" for name in ("torch", "numba") if name in versions)
    return f"{chip}; {str(content.get('date', 'no date'))[:10]}; {shown}"


def step_times(axes: Axes, rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """Draw the archived times of a ladder's steps, the first one on top and the shipped kernel below all.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows : sequence of mappings
        With ``step``, ``milliseconds`` and ``shape``, as ``results/benchmarks/steps_cpu.json`` has them.
    names : mapping
        Step to the words beside its dot.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    if not rows:
        raise ValueError("rows: got none, a ladder needs at least one step")
    times = [row["milliseconds"] for row in rows]
    lines = range(len(rows))
    left = 10 ** np.floor(np.log10(min(times) * 0.9))
    axes.hlines(lines, left, times, color="0.8")
    axes.scatter(
        times, lines, s=70, color=["C2" if row["step"] == "shipped" else "C0" for row in rows], zorder=3
    )
    for place, took in zip(lines, times):
        axes.annotate(f"{took:.3g}", (took, place), (9, -4), textcoords="offset points")
    axes.set_yticks(lines, [names[row["step"]] for row in rows])
    axes.set(xscale="log", xlabel=f"milliseconds for {rows[0]['shape']}", xlim=(left, max(times) * 4))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def in_words(cases: Sequence[Measured]) -> str:
    """The times of the largest size among the cases as a sentence, for readers who do not see the figure."""
    largest = max((case.numbers for case in cases), default=0)
    parts = []
    for name in dict.fromkeys(case.name for case in cases if case.numbers == largest):
        group = [case for case in cases if case.name == name]
        times = [("floor", group[0].floor), ("ours", group[0].ours)]
        times += [(case.peer, case.theirs) for case in group if case.peer]
        shown = ", ".join(f"{who} {took * 1e3:.3g}" for who, took in times if np.isfinite(took))
        parts.append(f"{name}: {shown}")
    return f"In milliseconds: {'; '.join(parts)}."


def beside_rivals(axes: Axes, cases: Sequence[Measured]) -> None:
    """Draw floor, ours and every rival of the largest size among the cases, one line for each number format.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    cases : sequence of Measured

    Raises
    ------
    ValueError
        If there are no cases.
    """
    if not cases:
        raise ValueError("cases: got none to draw")
    largest = max(case.numbers for case in cases)
    shown = [case for case in cases if case.numbers == largest]
    labels = list(dict.fromkeys(case.name for case in shown))
    markers = dict(zip(dict.fromkeys(case.peer for case in shown if case.peer), "sD^vPX*<>ph" * 3))
    colours = {peer: f"C{(1, 3, 4, 5, 7, 8, 9)[i % 7]}" for i, peer in enumerate(markers)}
    for case in shown:
        place = labels.index(case.name)
        axes.plot(case.floor * 1e3, place, "|", color="k", ms=18, mew=3, label="floor")
        axes.plot(case.ours * 1e3, place, "o", color="C2", ms=9, label="ours")
        if case.peer:
            axes.plot(
                case.theirs * 1e3, place, markers[case.peer], color=colours[case.peer], ms=8, label=case.peer
            )
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xscale="log", xlabel="milliseconds", ylim=(len(labels) - 0.5, -0.5))
    handles, names = axes.get_legend_handles_labels()
    unique = dict(zip(names, handles))
    axes.figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=2)


def beside_roof(axes: Axes, content: Mapping[str, Any], cases: Sequence[Measured]) -> None:
    """Draw ours and every rival of the largest size under the roof of the memory, from one benchmark file.

    A point stands at the least traffic that its number format allows, one read of each number. What a rival really
    moves is not in the file: its own place is further left.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    content : mapping
        The file: ``read_gb_per_second`` is the roof. A file without it has its floors for a roof.
    cases : sequence of Measured
        Of that file.

    Raises
    ------
    ValueError
        If there are no cases, or nothing in the file says how fast the memory is.
    """
    if not cases:
        raise ValueError("cases: got none to draw")
    largest = max(case.numbers for case in cases)
    shown = [case for case in cases if case.numbers == largest]
    bandwidth = 1e9 * content.get("read_gb_per_second", np.nan)
    if np.isnan(bandwidth):
        bandwidth = np.nanmax([case.numbers * case.bytes_each / case.floor for case in shown])
    points: dict[str, list[tuple[float, float]]] = {}
    for case in shown:
        points.setdefault("ours", []).append((1 / case.bytes_each, case.numbers / case.ours))
        if case.peer:
            points.setdefault(case.peer, []).append((1 / case.bytes_each, case.numbers / case.theirs))
    roofline(axes, points, bandwidth)
