"""A scatter plot whose points move with a slider, in the static page as in a notebook: no kernel, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from entropylab.book.markup import Html
from entropylab.book.slider_figure import check_frames, slider_figure

MAX_POINTS = 500
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#cc78bc", "#ca9161")  # seaborn's colour-blind palette
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 400, 54, 12, 14, 46


def scatter_explorer(
    x: npt.ArrayLike,
    frames: Mapping[str, npt.ArrayLike],
    groups: Sequence[str],
    *,
    slider: str,
    labels: tuple[str, str],
    captions: Sequence[str],
    levels: Mapping[str, float] | None = None,
    start: int = 0,
    title: str = "",
) -> Html:
    """Points with one x and, for each position of a slider, another y.

    Parameters
    ----------
    x : array of float, shape [n]
        At most 500 finite numbers.
    frames : mapping of str to array of float, shape [n]
        What the slider shows at each position, and the y values there.
    groups : sequence of str, length n
        Group of each point, at most five different ones; a group has a colour.
    slider : str
        What the slider changes.
    labels : pair of str
        What x and y are, with units.
    captions : sequence of str, one a frame
        What the picture says at each position; read aloud when it changes.
    levels : mapping of str to float, optional
        Horizontal lines.
    start : int
        Position of the slider at first.
    title : str, optional
        A line above.

    Returns
    -------
    Html
        Without JavaScript it shows the start as a still picture.

    Raises
    ------
    ValueError
        If sizes do not fit, a number is not finite, there are too many points or groups, or the start is no position.
    """
    at = np.asarray(x, dtype=np.float64)
    ys = [np.asarray(frame, dtype=np.float64) for frame in frames.values()]
    names = list(dict.fromkeys(groups))
    if at.ndim != 1 or not 1 <= at.size <= MAX_POINTS:
        raise ValueError(f"x: got shape {at.shape}, allowed are 1 to {MAX_POINTS} numbers")
    if not ys or any(y.shape != at.shape for y in ys) or len(groups) != at.size:
        raise ValueError(
            "frames, groups: allowed are one number and one group for each x, in one frame or more"
        )
    if not all(np.isfinite(values).all() for values in (at, *ys)):
        raise ValueError("x, frames: got a number that is NaN or infinite")
    if len(names) > len(COLOURS):
        raise ValueError(f"groups: got {len(names)}, allowed are {len(COLOURS)}")
    check_frames(len(ys), captions, start)

    lines = dict(levels or {})
    top = _round_up(max(float(max(y.max() for y in ys)), *lines.values(), 1e-9))
    right = _round_up(max(float(at.max()), 1e-9))
    span = _HEIGHT - _TOP - _BOTTOM

    def across(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.round(_LEFT + values / right * (_WIDTH - _LEFT - _RIGHT), 1)

    def down(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.round(_TOP + span * (1 - values / top), 1)

    heights = [down(y).tolist() for y in ys]
    marks = _axes(right, top, labels)
    for name, value in lines.items():
        y = float(down(np.array(value)))
        marks.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" class="sx-level"/>')
        marks.append(f'<text x="{_WIDTH - _RIGHT}" y="{y - 4}" text-anchor="end">{escape(name)}</text>')
    marks += [
        f'<circle cx="{cx}" cy="{cy}" r="3.2" fill="{COLOURS[names.index(group)]}"/>'
        for cx, cy, group in zip(across(at).tolist(), heights[start], groups, strict=True)
    ]
    keys = "".join(
        f'<span><i style="background:{COLOURS[place]}"></i>{escape(name)}</span>'
        for place, name in enumerate(names)
    )
    return slider_figure(
        lambda said: (
            f'<div class="sx-keys">{keys}</div><div class="sx-picture"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'role="img" aria-label="{said}">{"".join(marks)}</svg></div>'
        ),
        dict(zip(frames, heights, strict=True)),
        marks="circle",
        attribute="cy",
        slider=slider,
        captions=captions,
        start=start,
        title=title,
    )


def _axes(right: float, top: float, labels: tuple[str, str]) -> list[str]:
    """Frame, ticks and names of the axes."""
    bottom, middle = _HEIGHT - _BOTTOM, (_LEFT + _WIDTH - _RIGHT) / 2
    marks = [f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" class="sx-axis"/>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = _LEFT + share * (_WIDTH - _LEFT - _RIGHT)
        y = bottom - share * (bottom - _TOP)
        marks.append(f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">{share * right:g}</text>')
        marks.append(f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{share * top:g}</text>')
    across, up = map(escape, labels)
    marks.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{across}</text>')
    turned = f"translate(14 {(bottom + _TOP) / 2:.0f}) rotate(-90)"
    marks.append(f'<text transform="{turned}" text-anchor="middle">{up}</text>')
    return marks


def _round_up(value: float) -> float:
    """The next number that four ticks divide well."""
    unit = 10.0 ** np.floor(np.log10(value))
    return float(next(step * unit for step in (1, 2, 4, 6, 8, 10) if step * unit >= value))
