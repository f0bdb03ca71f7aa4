"""A figure with one slider, for the figures that readers move: in the static page as in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from entropylab.book import markup
from entropylab.book.markup import Html


def check_frames(frames: int, captions: Sequence[str], start: int) -> None:
    """Check that there is a caption for each position, and that the start is one.

    Raises
    ------
    ValueError
        If not.
    """
    if len(captions) != frames:
        raise ValueError(f"captions: got {len(captions)}, allowed is one for each of the {frames} frames")
    if not 0 <= start < frames:
        raise ValueError(f"start: got {start}, allowed are 0 to {frames - 1}")


def slider_figure(
    picture: Callable[[str], str],
    frames: Mapping[str, Sequence[Any]],
    *,
    marks: str,
    attribute: str,
    slider: str,
    captions: Sequence[str],
    start: int,
    title: str,
) -> Html:
    """A picture whose marks change one attribute with a slider.

    Parameters
    ----------
    picture : callable
        From the escaped caption of the start, for the attribute ``aria-label`` of the picture, to
        the HTML of the picture at the start.
    frames : mapping of str to sequence
        What the slider shows at each position, and the attribute's value for each mark.
    marks : str
        CSS selector of the marks.
    attribute : str
        The attribute that changes.
    slider : str
        What the slider changes.
    captions : sequence of str, one a frame
    start : int
        Position of the slider at first.
    title : str
        A line above; empty for none.

    Returns
    -------
    Html
        Without JavaScript it shows the start as a still picture.

    Raises
    ------
    ValueError
        As :func:`check_frames`.
    """
    check_frames(len(frames), captions, start)
    said = [str(text) for text in captions]
    data = {
        "marks": marks,
        "attribute": attribute,
        "frames": list(frames.values()),
        "stops": list(frames),
        "captions": said,
        "start": start,
    }
    inside = (
        f'<label data-sx="controls" hidden>{escape(slider)} '
        f'<input type="range" data-sx="slider" min="0" max="{len(frames) - 1}" step="1"><output></output></label>'
        f"{picture(escape(said[start]))}"
        f'<p data-sx="summary" aria-live="polite">{escape(said[start])}</p>'
    )
    return markup.explorer("sx", "slider_figure", inside, data, title)
