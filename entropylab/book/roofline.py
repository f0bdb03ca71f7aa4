"""A roofline: how fast memory and arithmetic let a kernel be, and how fast it is."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
