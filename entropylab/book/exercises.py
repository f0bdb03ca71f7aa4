"""Self-checks for the exercises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_MISSING: Any = object()


def check(
    name: str,
    answer: Any,
    expected: Any = _MISSING,
    *,
    test: Callable[[Any], bool] | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    hint: str = "",
) -> bool:
    """Compare a reader's answer with what is expected, and say in one line how they differ.

    Parameters
    ----------
    name : str
        Shown in front, for example ``"exercise 1"``.
    answer : object
        The reader's answer. ``...`` or None counts as not answered yet.
    expected : number, array, bool, str, set or list
        Numbers and arrays are compared with a tolerance, everything else by equality.
    test : callable, optional
        In place of ``expected``, for "find an example" exercises: must return True for a good answer.
    rtol, atol : float
        Relative and absolute tolerance: ``|answer - expected| <= atol + rtol |expected|``.
    hint : str, optional
        Shown after a wrong answer.

    Returns
    -------
    bool
        Whether the answer is right.

    Raises
    ------
    TypeError
        Unless exactly one of ``expected`` and ``test`` is given.
    ValueError
        If a tolerance is negative.
    """
    if (expected is _MISSING) == (test is None):
        raise TypeError("check needs either expected or test, and not both")
    for label, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise ValueError(f"{label} must be 0 or larger, not {tolerance!r}")
    if answer is ... or answer is None:
        print(f"{name}: not answered yet")
        return False
    if test is not None:
        wrong = "" if bool(test(answer)) else "this example does not have the property"
    else:
        wrong = _difference(answer, expected, rtol, atol)
    print(f"{name}: not yet: {wrong}{'. Hint: ' + hint if hint else ''}" if wrong else f"{name}: correct")
    return not wrong


def _difference(answer: Any, expected: Any, rtol: float, atol: float) -> str:
    """Empty if they agree, else what is wrong, without giving the solution away."""
    if isinstance(expected, bool | str | set | frozenset | dict):
        return "" if answer == expected else f"{answer!r} is not it"
    try:
        ours, theirs = np.asarray(answer), np.asarray(expected)
        if ours.shape != theirs.shape:
            return f"the shape is {ours.shape}, expected {theirs.shape}"
        if not (np.issubdtype(theirs.dtype, np.number) and np.issubdtype(ours.dtype, np.number)):
            return "" if np.array_equal(ours, theirs) else f"{answer!r} is not it"
    except (TypeError, ValueError):
        return f"a {type(answer).__name__} cannot be compared with a {type(expected).__name__}"
    close = np.isclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return ""
    if ours.ndim == 0:
        return f"{float(ours):.6g} is too {'large' if ours > theirs else 'small'}"
    first = tuple(map(int, np.argwhere(~close)[0]))
    return f"{int((~close).sum())} of {close.size} entries are off, the first at index {first}"
