"""The checks of an engine chapter: each step of a ladder beside the reference, in the cell that nbval compares.

A chapter on a paper has claims and a scorecard; a chapter on the book's own kernels has steps and this.
"""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from entropylab.book import markup
from entropylab.kernels.steps.ladders import steps

EQUAL = "equal to the reference"
DIFFERS = "differs from the reference"


class StepChecks:
    """Compares the steps of a ladder with the reference, and prints one line for each.

    Parameters
    ----------
    ladder : {"entropy", "typical", "concentration"}

    Raises
    ------
    ValueError
        If there is no such ladder.
    """

    def __init__(self, ladder: str) -> None:
        self._steps = {step.name: step for step in steps(ladder)}
        self._found: dict[str, str] = {}

    def header(self, summary: str, **facts: str) -> None:
        """Show the chapter's card: one sentence, and facts by their names (``Time="20 s on CPU"``)."""
        named = [(name.replace("_", " "), escape(value)) for name, value in facts.items()]
        markup.display(markup.card(summary, "", named))

    def equal(self, step: str, found: Any, expected: Any, tolerance: float = 0.0, on: str = "") -> bool:
        """Compare one step's result with the reference.

        Parameters
        ----------
        step : str
            Its name.
        found, expected : array, or tuple of arrays
            What the step and the reference gave.
        tolerance : float
            Largest difference allowed, relative to ``1 + |expected|``; 0 asks for equality.
        on : str, optional
            Words for the inputs, where they are not all: ``"plain rows"``.

        Returns
        -------
        bool
            Whether all shapes and all values agree; NaN and infinities must stand in the same places.

        Raises
        ------
        ValueError
            If the step is unknown or the tolerance negative.
        """
        if step not in self._steps:
            raise ValueError(f"step: got {step!r}, allowed are {', '.join(self._steps)}")
        if not tolerance >= 0:
            raise ValueError(f"tolerance must be 0 or larger, not {tolerance!r}")
        ours = found if isinstance(found, tuple) else (found,)
        theirs = expected if isinstance(expected, tuple) else (expected,)
        same = len(ours) == len(theirs) and all(
            _close(np.asarray(a), np.asarray(b), tolerance) for a, b in zip(ours, theirs)
        )
        self._found[step] = (EQUAL if same else DIFFERS) + (f" on {on}" if on else "")
        return same

    def lines(self) -> list[str]:
        """Print the outcome of each step, in the order of the ladder; returns the lines.

        Raises
        ------
        ValueError
            If a step was not compared.
        """
        if missing := [name for name in self._steps if name not in self._found]:
            raise ValueError(f"not compared with the reference: {', '.join(missing)}")
        lines = [f"step {step.title}: {self._found[name]}" for name, step in self._steps.items()]
        print("\n".join(lines))
        return lines


def _close(ours: Any, theirs: Any, tolerance: float) -> bool:
    if ours.shape != theirs.shape:
        return False
    if ours.dtype == bool or theirs.dtype == bool:
        return bool(np.array_equal(ours, theirs))
    return bool(
        np.allclose(ours.astype(float), theirs.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True)
    )
