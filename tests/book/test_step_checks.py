from __future__ import annotations

import numpy as np
import pytest

from entropylab.book.step_checks import StepChecks
from entropylab.kernels.steps.ladders import steps


def test_each_step_gets_a_line_that_says_whether_it_is_equal(capsys):
    checks = StepChecks("entropy")
    for step in steps("entropy"):
        assert checks.equal(step.name, [1.0, np.nan], [1.0, np.nan])
    assert not checks.equal("tiles", [1.0, 2.0], [1.0, 2.1], 1e-3)
    assert checks.equal("formula", [2.0], [2.001], 1e-3, on="plain rows")
    lines = checks.lines()
    assert lines[0] == "step 0 formula: equal to the reference on plain rows"
    assert lines[3] == "step 3 tiles: differs from the reference"
    assert lines[7] == "step 7 block per row: equal to the reference"
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([1.0], [1.0, 1.0]),
        ([np.nan], [0.0]),
        ([np.inf], [1e300]),
        ([1.0], [1.0 + 1e-9]),
        ((np.ones(2), np.ones(2)), (np.ones(2),)),
        ((np.ones(2), np.zeros(2)), (np.ones(2), np.ones(2))),
        ([True, False], [True, True]),
    ],
)
def test_what_differs_is_seen(found, expected):
    assert not StepChecks("entropy").equal("tiles", found, expected)


def test_tuples_and_masks_are_compared_part_by_part():
    checks = StepChecks("entropy")
    assert checks.equal("tiles", (np.ones(2), [True]), (np.ones(2), [True]))


def test_bad_input_is_named():
    checks = StepChecks("entropy")
    with pytest.raises(ValueError, match="step: got 'fast', allowed are formula"):
        checks.equal("fast", 1, 1)
    with pytest.raises(ValueError, match="tolerance must be 0 or larger, not -1"):
        checks.equal("tiles", 1, 1, -1)
    with pytest.raises(ValueError, match="not compared with the reference: formula, three_passes"):
        checks.lines()
    with pytest.raises(ValueError, match="ladder: got 'x'"):
        StepChecks("x")


def test_the_card_escapes_what_it_is_given(monkeypatch):
    shown = []
    monkeypatch.setattr("entropylab.book.markup.display", lambda content: shown.append(content.html))
    StepChecks("entropy").header("a < b", Before_you_start="Python & NumPy")
    assert "a &lt; b" in shown[0]
    assert "<dt>Before you start</dt><dd>Python &amp; NumPy</dd>" in shown[0]
    assert "lab-badges'" not in shown[0].split("</style>")[1]
