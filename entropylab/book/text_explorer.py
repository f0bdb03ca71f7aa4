"""Words whose shades change with a slider, in the static page as in a notebook: no kernel, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from entropylab.book.markup import Html
from entropylab.book.slider_figure import check_frames, slider_figure

MAX_WORDS = 500


def text_explorer(
    words: Sequence[str],
    frames: Mapping[str, npt.ArrayLike],
    *,
    slider: str,
    captions: Sequence[str],
    start: int = 0,
    title: str = "",
) -> Html:
    """A text in which a slider shades and fades words.

    Parameters
    ----------
    words : sequence of str, length n
        At most 500.
    frames : mapping of str to array of float, shape [n]
        What the slider shows at each position, and the shade of each word there, from 0 (none) to 1; NaN fades a word.
    slider : str
        What the slider changes.
    captions : sequence of str, one a frame
        What the text shows at each position; read aloud when it changes.
    start : int
        Position of the slider at first.
    title : str, optional
        A line above.

    Returns
    -------
    Html
        Without JavaScript it shows the start.

    Raises
    ------
    ValueError
        If sizes do not fit, a shade is out of range, there are too many words, or the start is no position.
    """
    if not 1 <= len(words) <= MAX_WORDS:
        raise ValueError(f"words: got {len(words)}, allowed are 1 to {MAX_WORDS}")
    shades = [np.asarray(frame, dtype=np.float64) for frame in frames.values()]
    if not shades or any(shade.shape != (len(words),) for shade in shades):
        raise ValueError(
            f"frames: allowed is one shade for each of the {len(words)} words, in one frame or more"
        )
    if any(((shade < 0) | (shade > 1)).any() for shade in shades):
        raise ValueError("frames: got a shade that is not from 0 to 1")
    check_frames(len(shades), captions, start)
    looks = [[_look(value) for value in shade.tolist()] for shade in shades]
    text = " ".join(
        f'<span style="{look}">{escape(word)}</span>' for word, look in zip(words, looks[start], strict=True)
    )
    return slider_figure(
        lambda said: f'<div class="sx-words" role="group" aria-label="{said}">{text}</div>',
        dict(zip(frames, looks, strict=True)),
        marks=".sx-words span",
        attribute="style",
        slider=slider,
        captions=captions,
        start=start,
        title=title,
    )


def _look(shade: float) -> str:
    """Style of a word. The shade is a colour behind the page's own text colour, which stays readable on it."""
    if np.isnan(shade):
        return "opacity:.35"
    return f"background-color:rgba(222,143,5,{0.75 * shade:.2f})"
