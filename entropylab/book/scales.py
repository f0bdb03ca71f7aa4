"""The two sizes that every chapter runs at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from types import SimpleNamespace
from typing import Any

SCALES = ("lab", "gpu")


def scale() -> str:
    """The scale of this run, from the environment variable ``ENTROPYLAB_SCALE``.

    Returns
    -------
    str
        ``"lab"`` (the default: two CPU cores, the embedded models, about a minute) or ``"gpu"`` (hub models).

    Raises
    ------
    ValueError
        If the variable names another scale.
    """
    value = os.environ.get("ENTROPYLAB_SCALE") or "lab"
    if value not in SCALES:
        raise ValueError(f"ENTROPYLAB_SCALE must be one of {', '.join(SCALES)}, not {value!r}")
    return value


class Settings(SimpleNamespace):
    """Settings of the current scale as attributes; shown as a table of both scales."""

    def __init__(self, columns: Mapping[str, Mapping[str, Any]], current: str) -> None:
        super().__init__(**columns[current])
        self._columns = columns
        self._current = current

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v!r}" for k, v in self._columns[self._current].items())
        return f"settings at scale {self._current}: {values}"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{s}{' (this run)' if s == self._current else ''}</th>" for s in SCALES)
        rows = "".join(
            f"<tr><th>{escape(key)}</th>"
            + "".join(f"<td>{escape(str(self._columns[s][key]))}</td>" for s in SCALES)
            + "</tr>"
            for key in self._columns[self._current]
        )
        head = f"<thead><tr><th>setting</th>{head}</tr></thead>"
        return f'<table class="dataframe">{head}<tbody>{rows}</tbody></table>'


def settings(*, lab: Mapping[str, Any], gpu: Mapping[str, Any]) -> Settings:
    """One table of settings with a column for each scale.

    Parameters
    ----------
    lab, gpu : mapping of str to anything
        The same names in both.

    Returns
    -------
    Settings
        The column of the current scale, as attributes.

    Raises
    ------
    ValueError
        If a name is in one column only, or the current scale is unknown.

    Examples
    --------
    >>> settings(lab={"prompts": 40}, gpu={"prompts": 200}).prompts
    40
    """
    if missing := set(lab) ^ set(gpu):
        raise ValueError(
            f"lab and gpu must have the same settings; only one of them has {', '.join(sorted(missing))}"
        )
    return Settings({"lab": dict(lab), "gpu": dict(gpu)}, scale())
