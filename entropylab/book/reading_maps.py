"""Drawings of who reads what: the cells of a row of memory in the colours of the threads that load them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from entropylab.book.figures import PALETTE
from entropylab.kernels.steps.fresh import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reading_map(axes: Axes, trace: Trace, columns: int, threads: int = 8) -> None:
    """Draw the memory of a small batch as a grid, one row of logits below the other.

    The colour of a cell is that of the thread that reads it first. A dot marks what the threads read at the same
    time, with their first load; a dark line stands where the work of one block ends.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    trace : Trace
    columns : int
        Numbers in a row of logits.
    threads : int
        Threads of a block: the number of colours.

    Raises
    ------
    ValueError
        If the rows do not fill the input, or a number is read by nobody.
    """
    import seaborn as sns
    from matplotlib.colors import ListedColormap

    if columns < 1 or trace.size % columns:
        raise ValueError(f"columns: got {columns}, but rows of that length do not fill {trace.size} numbers")
    reader = np.full(trace.size, -1)
    block = np.full(trace.size, -1)
    first = np.zeros(trace.size, bool)
    reads = zip(
        trace.block.tolist(),
        trace.thread.tolist(),
        trace.element.tolist(),
        trace.width.tolist(),
        trace.turn(),
    )
    for of_block, thread, element, width, turn in reads:
        for n in range(element, element + width):
            if reader[n] < 0:
                reader[n], block[n], first[n] = thread, of_block, turn == 0
    if (reader < 0).any():
        raise ValueError(f"trace: number {int(np.argmax(reader < 0))} is read by nobody")
    colours = ListedColormap(sns.color_palette(PALETTE, threads))
    rows = trace.size // columns
    grid, blocks = reader.reshape(rows, columns), block.reshape(rows, columns)
    axes.pcolormesh(grid, cmap=colours, vmin=-0.5, vmax=threads - 0.5, edgecolors="white", linewidth=0.6)
    y, x = np.nonzero(first.reshape(rows, columns))
    axes.plot(x + 0.5, y + 0.5, "o", color="black", ms=3.2, mec="white", mew=0.5)
    for r, c in zip(*np.nonzero(np.diff(blocks, axis=1))):
        axes.plot([c + 1, c + 1], [r, r + 1], color="black", lw=1.8)
    for r, c in zip(*np.nonzero(np.diff(blocks, axis=0))):
        axes.plot([c, c + 1], [r + 1, r + 1], color="black", lw=1.2)
    axes.set(xlim=(0, columns), ylim=(rows, 0), yticks=[0.5, rows - 0.5], yticklabels=["0", str(rows - 1)])
    axes.grid(False)
    axes.tick_params(length=0)


def reading_order(axes: Axes, trace: Trace) -> None:
    """Draw the reads of the first thread in time: which number it reads with its n-th load.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    trace : Trace
        Thread 0 of block 0 is shown; a CPU step has no other.
    """
    mine = (trace.block == 0) & (trace.thread == 0)
    axes.plot(np.arange(mine.sum()), trace.element[mine], ".", ms=3)
    axes.set(xlabel="load of thread 0", ylabel="number it reads")
