"""A roofline: how fast memory and arithmetic let a kernel be, and how fast it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roofline(
    axes: Axes,
    points: Mapping[str, Sequence[tuple[float, float]]],
    bandwidth: float,
    ceiling: float | None = None,
) -> None:
    """Draw the roofs and the points below them.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    points : mapping of str to sequences of (float, float)
        Name to pairs of numbers done for each byte that memory delivers, and numbers done a second.
    bandwidth : float
        Bytes a second that memory delivers: the slope of the sloping roof.
    ceiling : float, optional
        Numbers a second with all data in the cache: the flat roof.

    Raises
    ------
    ValueError
        If there are no points, or a figure is not above 0.
    """
    pairs = [pair for of_name in points.values() for pair in of_name]
    if not pairs:
        raise ValueError("points: got none to draw")
    values = [
        bandwidth,
        *(() if ceiling is None else (ceiling,)),
        *(value for pair in pairs for value in pair),
    ]
    if not all(value > 0 for value in values):
        raise ValueError(f"every figure of a roofline must be above 0, not {min(values)!r}")
    places = sorted({intensity for intensity, _ in pairs})
    x = np.geomspace(places[0] / 1.6, places[-1] * 1.6, 50)
    axes.loglog(x, x * bandwidth / 1e9, color="0.35", label="memory")
    if ceiling is not None:
        axes.axhline(ceiling / 1e9, color="0.35", ls="--", label="exponentials in the cache")
    for place, ((name, of_name), marker) in enumerate(zip(points.items(), "o^sDvPX*<>phd" * 3)):
        intensity, speed = np.array(of_name).T
        # The first of the names lies on top where points coincide.
        axes.plot(intensity, speed / 1e9, marker, ms=8, ls="none", label=name, zorder=9 - place / len(points))
    axes.set_xticks(places, [str(Fraction(place).limit_denominator(99)) for place in places])
    axes.minorticks_off()
    axes.set(xlabel="numbers done for each byte from memory", ylabel="billion numbers a second")
