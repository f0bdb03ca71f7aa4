"""Figures that a reader can move, in the static page as in a notebook: no kernel, no network, no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from entropylab.book import markup
from entropylab.book.markup import Html
from entropylab.kernels import reference

MAX_TOKENS = 40


def typical_explorer(
    logits: npt.ArrayLike,
    labels: Sequence[str],
    *,
    mass: float = 0.5,
    temperature: float = 1.0,
    order: str = "distance",
    title: str = "",
) -> Html:
    """Typical beside nucleus truncation of one distribution, with sliders for the mass and the temperature.

    A row is a token. The left bar is its probability, the right bar the distance of its information content I
    from the entropy H. Filled bars are kept. The rules are those of transformers: temperature first; typical
    keeps ties at the cut together (Meister et al. 2023, section 5); nucleus keeps the smallest set of
    likeliest tokens.

    Parameters
    ----------
    logits : array of float, shape [n]
        At most 40 of them; -inf for a token that cannot come.
    labels : sequence of str, length n
        What the tokens are called.
    mass : float
        Start of the slider, in (0, 1].
    temperature : float
        Start of the slider, from 0.25 to 3.
    order : {"distance", "probability"}
        How the rows are sorted at first.
    title : str, optional
        A line above.

    Returns
    -------
    Html
        Displays as HTML of about 9 kB. Without JavaScript it shows the start as a still picture.

    Raises
    ------
    ValueError
        If the logits are not 1 to 40 numbers with one label each, or a start is out of range.
    """
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 1 or not 1 <= z.size <= MAX_TOKENS:
        raise ValueError(f"logits must be 1 to {MAX_TOKENS} numbers, not an array of shape {z.shape}")
    if len(labels) != z.size:
        raise ValueError(f"labels must be as many as the logits: {len(labels)} labels for {z.size} logits")
    if np.isnan(z).any() or np.isposinf(z).any() or np.isneginf(z).all():
        raise ValueError("logits must be finite or -inf, and not all -inf")
    if not 0 < mass <= 1:
        raise ValueError(f"mass must be in (0, 1], not {mass!r}")
    if not 0.25 <= temperature <= 3:
        raise ValueError(f"temperature must be from 0.25 to 3, not {temperature!r}")
    if order not in ("distance", "probability"):
        raise ValueError(f"order must be 'distance' or 'probability', not {order!r}")

    data: dict[str, Any] = {
        "labels": [str(label) for label in labels],
        "logits": [float(value) if math.isfinite(value) else None for value in z],
        "mass": mass,
        "temperature": temperature,
        "order": order,
    }
    picture, summary = _still(z, data["labels"], mass, temperature, order)
    inside = (
        '<div class="tx-controls" data-tx="controls" hidden>'
        f"{_slider('mass', 'Mass to keep', 0.05, 1, 0.01)}"
        f"{_slider('temperature', 'Temperature', 0.25, 3, 0.05)}"
        '<label>Order of rows <select data-tx="order"><option value="distance">distance to H</option>'
        '<option value="probability">probability</option></select></label></div>'
        f'<div data-tx="picture">{picture}</div>'
        f'<p class="tx-summary" data-tx="summary" aria-live="polite">{summary}</p>'
        '<p class="tx-help">Filled bars are kept, hollow bars are cut. '
        "Both rules keep the mass that the slider says.</p>"
    )
    return markup.explorer("tx", "typical_explorer", inside, data, title)


def _slider(name: str, label: str, low: float, high: float, step: float) -> str:
    return (
        f'<label>{label} <input type="range" data-tx="{name}" min="{low}" max="{high}" step="{step}">'
        "<output></output></label>"
    )


def _still(
    z: npt.NDArray[np.float64], labels: Any, mass: float, temperature: float, order: str
) -> tuple[str, str]:
    """The figure at its start, for readers without JavaScript, and its summary."""
    row = z[None] / temperature
    figures = reference.statistics(row)
    entropy = float(figures.entropy[0])
    logp = row[0] - figures.logsumexp[0]
    p = np.exp(logp)
    distance = np.where(p > 0, np.abs(-logp - entropy), np.inf)
    typical = np.isfinite(reference.typical_filter(row, mass)[0])
    ranked = np.argsort(-p, kind="stable")
    nucleus = np.zeros(z.size, dtype=bool)
    nucleus[ranked[: int((np.cumsum(p[ranked]) < mass).sum()) + 1]] = True
    nucleus &= p > 0
    cuts = "keeps" if typical[ranked[0]] else "cuts"
    summary = (
        f"H = {entropy:.2f} nats. Of {z.size} tokens nucleus keeps {nucleus.sum()}, typical {typical.sum()}. "
        f"Typical {cuts} the most probable token, “{labels[ranked[0]].strip()}”."
    )
    rows = ranked if order == "probability" else np.argsort(distance, kind="stable")
    step, top, width, left, right = 21, 40, 640, 130, 392
    farthest = max(distance[np.isfinite(distance)].max(), 1e-9)
    marks = [
        f'<text x="{x}" y="{y}" class="{look}">{words}</text>'
        for x, head, note in ((left, "Nucleus", "probability"), (right, "Typical", "|I − H| in nats"))
        for y, look, words in ((12, "tx-head", head), (28, "tx-note", note))
    ]
    for place, i in enumerate(rows):
        y = top + place * step
        marks.append(f'<text x="0" y="{y + 12}">{escape(labels[i][:17])}</text>')
        bars = (
            (left, p[i] / p.max(), nucleus[i], "tx-n"),
            (right, min(distance[i] / farthest, 1), typical[i], "tx-t"),
        )
        marks += [
            f'<rect x="{x}" y="{y + 1}" width="{max(1.0, 210 * share):.1f}" '
            f'height="{step - 7}" class="{look if keep else "tx-cut"}"/>'
            for x, share, keep, look in bars
        ]
    return (
        f'<svg viewBox="0 0 {width} {top + step * z.size}" role="img" aria-label="{escape(summary)}">'
        f"{''.join(marks)}</svg>",
        escape(summary),
    )
