"""What is refused, and what the error says: the argument, what was given, what is allowed."""

from __future__ import annotations

import math

import pytest
import torch

from entropylab.information import (
    cross_entropy,
    entropy,
    jensen_shannon_divergence,
    kl_divergence,
    renyi_entropy,
    surprisal,
    token_statistics,
    tsallis_entropy,
    use_backend,
    varentropy,
)

Z = torch.zeros(2, 3)
MEASURES = {
    "token_statistics": token_statistics,
    "entropy": entropy,
    "varentropy": varentropy,
    "surprisal": lambda z: surprisal(z, torch.zeros(getattr(z, "shape", (1,))[:-1], dtype=torch.long)),
    "renyi_entropy": lambda z: renyi_entropy(z, 2.0),
    "tsallis_entropy": lambda z: tsallis_entropy(z, 2.0),
}
PAIRS = (cross_entropy, kl_divergence, jensen_shannon_divergence)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize(
    ("logits", "error", "says"),
    [
        ([[0.0, 1.0]], TypeError, r"logits: got list, allowed is a torch tensor"),
        (torch.zeros(2, 3, dtype=torch.long), TypeError, r"logits: got torch.int64, allowed are float16"),
        (torch.zeros(2, 3, dtype=torch.complex64), TypeError, r"logits: got torch.complex64"),
        (torch.tensor(1.0), ValueError, r"logits: got shape \(\), allowed is \(\.\.\., V\)"),
        (torch.zeros(2, 0), ValueError, r"logits: got shape \(2, 0\), .* V at least 1"),
    ],
)
def test_logits_that_are_none(measure, logits, error, says):
    with pytest.raises(error, match=says):
        measure(logits)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize("name", ["reference", "cpu", "torch"])
@pytest.mark.parametrize(
    ("bad", "says"), [(math.nan, "has NaN"), (math.inf, r"has \+inf"), (-math.inf, "has only -inf")]
)
def test_rows_that_are_no_distribution(measure, name, bad, says):
    z = torch.zeros(3, 4, 5)
    z[1, 2] = bad
    z[2, 0] = bad
    with use_backend(name):
        with pytest.raises(ValueError, match=rf"logits: row \(1, 2\) {says}; allowed are finite numbers"):
            measure(z)
        with pytest.raises(ValueError, match=rf"logits: row 6 {says}"):
            measure(z.reshape(12, 5))
        with pytest.raises(ValueError, match=rf"logits: the only row {says}"):
            measure(z[1, 2])


@pytest.mark.parametrize(
    ("temperature", "error"),
    [
        (0, ValueError),
        (-1.0, ValueError),
        (math.inf, ValueError),
        (math.nan, ValueError),
        ("1", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_temperatures(temperature, error):
    for measure in (token_statistics, entropy, varentropy):
        with pytest.raises(error, match=r"temperature: got .*, allowed"):
            measure(Z, temperature=temperature)


@pytest.mark.parametrize(
    ("targets", "error", "says"),
    [
        ([0, 1], TypeError, "targets: got list"),
        (torch.zeros(2), TypeError, "targets: got torch.float32, allowed are integer dtypes"),
        (torch.zeros(2, dtype=torch.bool), TypeError, "targets: got torch.bool"),
        (torch.zeros(3, dtype=torch.long), ValueError, r"targets: got shape \(3,\), .* \(2,\)"),
        (torch.zeros(2, 3, dtype=torch.long), ValueError, r"targets: got shape \(2, 3\)"),
        (torch.tensor([0, 3]), ValueError, "targets: got 3, allowed are 0 to 2"),
        (torch.tensor([-1, 0]), ValueError, "targets: got -1, allowed are 0 to 2"),
    ],
)
def test_targets(targets, error, says):
    for measure in (token_statistics, surprisal):
        with pytest.raises(error, match=says):
            measure(Z, targets)


@pytest.mark.parametrize("measure", PAIRS)
def test_pairs_that_do_not_fit(measure):
    with pytest.raises(
        ValueError, match=r"q_logits: got shape \(2, 4\), allowed is that of p_logits, \(2, 3\)"
    ):
        measure(Z, torch.zeros(2, 4))
    with pytest.raises(TypeError, match=r"p_logits: got torch.int64"):
        measure(Z.long(), Z)
    with pytest.raises(TypeError, match="q_logits: got ndarray"):
        measure(Z, Z.numpy())
    with pytest.raises(ValueError, match="q_logits: got device meta"):
        measure(Z, Z.to("meta"))
    bad = Z.clone()
    bad[1, 1] = math.nan
    with pytest.raises(ValueError, match="p_logits: row 1 has NaN"):
        measure(bad, Z)
    with pytest.raises(ValueError, match="q_logits: row 1 has NaN"):
        measure(Z, bad)
    assert measure(Z, bad, check_finite=False).isnan().tolist() == [False, True]


def test_orders():
    for family in (renyi_entropy, tsallis_entropy):
        for order in (-0.1, math.nan):
            with pytest.raises(ValueError, match=r"order: got .*, allowed are .*numbers of at least 0"):
                family(Z, order)
        with pytest.raises(TypeError, match="order: got str"):
            family(Z, "2")
    with pytest.raises(ValueError, match="order: got inf, allowed are finite numbers"):
        tsallis_entropy(Z, math.inf)


def test_families_of_a_bad_row_without_the_check():
    bad = Z.clone()
    bad[1, 1] = math.nan
    for family in (renyi_entropy, tsallis_entropy):
        for order in (0.0, 0.5, 1.0, 1.01, 2.0):
            assert family(bad, order, check_finite=False).isnan().tolist() == [False, True]
