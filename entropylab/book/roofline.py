"""A roofline from the files in ``results/benchmarks/``: how fast memory lets a kernel be, and how fast it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entropylab.book import places

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
    ours, theirs, read : float
        Seconds of the kernel, of the rival, and of reading the input once. NaN where the file has none.
    """

    name: str
    numbers: int
    bytes_each: float
    ours: float
    theirs: float
    read: float


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
                    theirs=case.get("peer_milliseconds", np.nan) / 1e3,
                    read=ours / case["reads"] if case.get("reads") else np.nan,  # time in reads of the data
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


def roofline(
    axes: Axes, points: dict[str, tuple[float, float]], bandwidth: float, ceiling: float | None = None
) -> None:
    """Draw the roofs and the points below them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    points : dict of str to (float, float)
        Name to (numbers done for each byte that memory delivers, numbers done a second).
    bandwidth : float
        Bytes a second that memory delivers: the slope of the sloping roof.
    ceiling : float, optional
        Numbers a second with all data in the cache: the flat roof.

    Raises
    ------
    ValueError
        If a figure is not above 0.
    """
    values = [
        bandwidth,
        *(() if ceiling is None else (ceiling,)),
        *(v for pair in points.values() for v in pair),
    ]
    if not all(value > 0 for value in values):
        raise ValueError(f"every figure of a roofline must be above 0, not {min(values)!r}")
    x = np.geomspace(min(p[0] for p in points.values()) / 1.6, max(p[0] for p in points.values()) * 1.6, 50)
    roof = x * bandwidth
    axes.loglog(x, roof / 1e9, color="0.35", label="memory")
    if ceiling is not None:
        axes.axhline(ceiling / 1e9, color="0.35", ls="--", label="exponentials in the cache")
    for (name, (intensity, speed)), marker in zip(points.items(), "o^sDvPX*<>phd" * 3):
        axes.plot(intensity, speed / 1e9, marker, ms=8, ls="none", label=name)
    places = sorted({intensity for intensity, _ in points.values()})
    axes.set_xticks(places, [str(Fraction(place).limit_denominator(99)) for place in places])
    axes.minorticks_off()
    axes.set(xlabel="numbers done for each byte from memory", ylabel="billion numbers a second")
