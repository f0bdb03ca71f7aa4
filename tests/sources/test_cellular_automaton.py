"""Elementary cellular automata against known rows."""

import numpy as np
import pytest

from entropylab.sources import evolve, random_rows


def text(row):
    return "".join(map(str, row))


@pytest.mark.parametrize(
    ("rule", "once", "twice"),
    [
        (15, "11110111", "00000100"),
        (30, "00111000", "01100100"),
        (54, "00111000", "01000100"),
        (110, "00110000", "01110000"),
    ],
)
def test_steps_of_four_rules(rule, once, twice):
    start = [0, 0, 0, 1, 0, 0, 0, 0]
    assert text(evolve(start, rule)) == once and text(evolve(start, rule, 2)) == twice


def test_rule_15_can_be_undone_and_rule_30_forgets():
    # Rule 15 is "not left": moving to the left and inverting undoes it.
    rows = random_rows(50, 32, 15, seed=1)
    back = 1 - np.roll(evolve(rows, 15), -1, -1)
    assert (back == rows).all()
    every = (np.arange(2**10)[:, None] >> np.arange(10) & 1).astype(np.uint8)
    assert len(np.unique(evolve(every, 30), axis=0)) < len(every)


def test_rows_are_batched_and_seeded():
    rows = random_rows(4, 16, 30, burn_in=5, seed=2)
    assert rows.shape == (4, 16) and (rows == random_rows(4, 16, 30, burn_in=5, seed=2)).all()
    assert (evolve(rows, 54, 3)[2] == evolve(rows[2], 54, 3)).all()
    assert (evolve(rows, 54, 0) == rows).all()


def test_bad_input_is_named():
    for arguments, message in (
        (([0, 2], 30), "rows"),
        (([], 30), "rows"),
        (([0, 1], 256), "rule"),
        (([0, 1], 30, -1), "steps"),
    ):
        with pytest.raises(ValueError, match=message):
            evolve(*arguments)
    with pytest.raises(ValueError, match="cells"):
        random_rows(1, 0, 30)
