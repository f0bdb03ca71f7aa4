"""One look for all figures, and the way to show them with a text for readers who cannot see them."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

from entropylab.book import markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = "colorblind"  # seaborn's, safe for the common kinds of colour blindness
LIMIT = 400_000  # bytes of one picture; a notebook stays under 1 MB


def figure_style() -> None:
    """Set the book's figure style for this session.

    Figures are drawn on a light card, which stays light on dark pages: a picture cannot follow the page's
    colours. Sizes are chosen so that text is readable when the figure shrinks to a phone's width.
    """
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="notebook", style="whitegrid", palette=PALETTE, font="DejaVu Sans")
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 3.8),
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 12,
            "axes.labelsize": 12,
            "axes.titlesize": 13,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#555555",
            "legend.frameon": False,
            "legend.fontsize": 11,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "grid.color": "#e3e3e3",
            "lines.linewidth": 2.0,
        }
    )


def show(figure: Figure, alt: str, *, caption: str = "", wide: bool = False) -> None:
    """Show a figure with its alternative text, and close it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to show.
    alt : str
        What the figure says, for readers who do not see it: kind of figure, axes, message.
    caption : str, optional
        A line below the figure.
    wide : bool
        For figures of several panels: on a phone they keep a readable size and scroll in their own box.

    Raises
    ------
    ValueError
        If ``alt`` is empty, or the picture is larger than 400 kB.
    """
    import matplotlib.pyplot as plt

    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt must say in words what the figure shows, not {alt!r}")
    buffer = io.BytesIO()
    # No software version and no date in the file: the same figure gives the same bytes.
    figure.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    width = int(figure.get_figwidth() * 100)
    plt.close(figure)
    content = _with_palette(buffer)
    if len(content) > LIMIT:
        raise ValueError(f"the figure has {len(content):,} bytes, allowed are {LIMIT:,}: draw fewer points")
    picture = base64.b64encode(content).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    smallest = f"min-width:{int(0.62 * width)}px;" if wide else ""
    look = f"width:{width}px;max-width:100%;{smallest}height:auto;background:#fff;border-radius:6px"
    markup.display(
        markup.Html(
            f'<figure class="lab-figure" style="margin:1em 0;overflow-x:auto">'
            f'<img alt="{escape(alt)}" style="{look}" '
            f'src="data:image/png;base64,{picture}">{below}</figure>'
        )
    )


def _with_palette(picture: io.BytesIO) -> bytes:
    """The picture in 256 colours: a plot has few, and the file becomes a third as large."""
    from PIL import Image

    small = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()
