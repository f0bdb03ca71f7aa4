"""The names of the steps, in order, with the idea of each: what tables and figures of the chapters are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One rung of a ladder: the function ``name`` of the module ``<ladder>`` or ``<ladder>_cuda``."""

    number: int
    name: str
    where: str  # "cpu" or "cuda"
    idea: str

    @property
    def title(self) -> str:
        """For tables and figures: number and name."""
        return f"{self.number} {self.name.replace('_', ' ')}"


def _ladder(*rungs: tuple[str, str, str]) -> tuple[Step, ...]:
    return tuple(Step(number, *rung) for number, rung in enumerate(rungs))


LADDERS = {
    "entropy": _ladder(
        ("formula", "cpu", "the textbook formula in NumPy"),
        ("three_passes", "cpu", "subtract the greatest logit first; a loop in place of arrays"),
        ("online", "cpu", "one pass: rescale the sums whenever the maximum grows"),
        ("tiles", "cpu", "find the maximum of a tile first, then sum it out of the cache"),
        ("polynomial", "cpu", "an exponential that the compiler can vectorise"),
        ("threads", "cpu", "rows over threads"),
        ("thread_per_row", "cuda", "the loop of step 1, one thread a row"),
        ("block_per_row", "cuda", "a block shares a row: neighbours read neighbours"),
        ("online_block", "cuda", "one pass, as in step 2"),
        ("tile_rescale", "cuda", "four numbers in registers, rescale once for all four"),
        ("wide_loads", "cuda", "the four numbers in one 128-bit load"),
        ("split_rows", "cuda", "several blocks share a row, merged in a fixed order"),
    ),
    "typical": _ladder(
        ("sort", "cpu", "order all tokens by their distance"),
        ("bisection", "cpu", "halve an interval of the threshold, one pass a step"),
        ("histogram", "cpu", "256 guesses in one pass"),
        ("radix", "cpu", "bins by the bits of the float: exact after four passes"),
        ("bisection_block", "cuda", "the guessing game of step 1: a block, and a tree a guess"),
        ("radix_block", "cuda", "the bits of step 3: integer masses, atomic adds in shared memory"),
    ),
    "concentration": _ladder(
        ("loop", "cpu", "one sequence after the other, with NumPy"),
        ("padded", "cpu", "all sequences as one rectangle"),
        ("ragged", "cpu", "flat arrays and offsets, one pass over the tokens"),
        ("lazy", "cpu", "the mixture only where it could pass its maximum"),
        ("thread_per_sequence", "cuda", "a thread reads a sequence from first token to last"),
        ("block_scan", "cuda", "a block shares a sequence: prefix sums by a scan"),
    ),
}


def steps(ladder: str, where: str | None = None) -> tuple[Step, ...]:
    """The steps of a ladder.

    Parameters
    ----------
    ladder : {"entropy", "typical", "concentration"}
    where : {"cpu", "cuda"}, optional
        Only those.

    Returns
    -------
    tuple of Step

    Raises
    ------
    ValueError
        If there is no such ladder.
    """
    if ladder not in LADDERS:
        raise ValueError(f"ladder: got {ladder!r}, allowed are {', '.join(map(repr, LADDERS))}")
    return tuple(step for step in LADDERS[ladder] if where in (None, step.where))
