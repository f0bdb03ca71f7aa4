"""Surprisal at several temperatures: worked examples, the Renyi identity, gradients and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from entropylab.information import (
    entropy,
    renyi_entropy,
    surprisal,
    temperature_scaled_surprisal,
    use_backend,
)

ROW = torch.tensor([3.0, 1.0, 0.0, -2.0], dtype=torch.float64)
WORKED = {
    1.0: [0.17551536261671474, 2.1755153626167147, 3.1755153626167147, 5.175515362616714],
    2.0: [0.5146749655009755, 1.5146749655009755, 2.0146749655009755, 3.0146749655009755],
    2.5: [0.6343831332858088, 1.4343831332858086, 1.8343831332858087, 2.6343831332858088],
    0.5: [0.020625613055540448, 4.02062561305554, 6.02062561305554, 10.02062561305554],
}


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
def test_the_worked_example(backend):
    with use_backend(backend):
        values = temperature_scaled_surprisal(ROW.expand(4, 4), torch.arange(4), WORKED)
    assert values.dtype == torch.float64
    np.testing.assert_allclose(values, list(WORKED.values()), rtol=0, atol=1e-14)
    assert abs(values[0, 0].item() / math.log(2) - 0.25321514324696254) < 1e-14  # in bits


def test_the_renyi_identity_on_the_worked_example():
    entropy_04 = renyi_entropy(ROW, 0.4)
    assert abs(entropy_04.item() - 0.9402949803985383) < 1e-14
    mixed = torch.tensor(WORKED[1.0], dtype=torch.float64) / 2.5 + 0.6 * entropy_04
    np.testing.assert_allclose(mixed, WORKED[2.5], rtol=0, atol=1e-14)


@pytest.mark.parametrize("temperature", [0.3, 0.97, 1.5, 4.0, 50.0])
def test_the_renyi_identity_on_random_rows(temperature):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(200, 300, generator=generator, dtype=torch.float64)
    targets = torch.randint(300, (200,), generator=generator)
    (scaled,) = temperature_scaled_surprisal(logits, targets, [temperature])
    mixed = surprisal(logits, targets) / temperature
    mixed += (1 - 1 / temperature) * renyi_entropy(logits, 1 / temperature)
    assert (scaled - mixed).abs().max() < 1e-10
    wrong = surprisal(logits, targets) / temperature + (1 - 1 / temperature) * renyi_entropy(
        logits, temperature
    )
    assert (scaled - wrong).abs().max() > (0.01 if abs(temperature - 1) > 0.1 else 0.001)


def test_scaled_logits_move_the_temperature():
    """A model that is over-confident by a factor needs a temperature that is higher by it."""
    logits = torch.randn(50, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    targets = torch.arange(50) % 40
    grid = np.array([0.7, 1.0, 2.0, 3.5])
    ours = temperature_scaled_surprisal(logits, targets, grid.tolist())
    theirs = temperature_scaled_surprisal(1.5 * logits, targets, (1.5 * grid).tolist())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_a_high_temperature_forgets_everything_but_the_size_of_the_vocabulary():
    logits = torch.randn(5, 64, generator=torch.Generator().manual_seed(2))
    values = temperature_scaled_surprisal(logits, torch.arange(5), [1e6])
    np.testing.assert_allclose(values, math.log(64), atol=1e-4)


def test_shapes_dtypes_and_gradients():
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(3), requires_grad=True)
    values = temperature_scaled_surprisal(logits, torch.zeros(2, 3, dtype=torch.int64), (1, 2))
    assert values.shape == (2, 2, 3)
    assert values.dtype == torch.float32
    values.sum().backward()
    probability = torch.stack([(logits.detach() / t).softmax(-1) for t in (1, 2)])
    expected = (probability - torch.eye(7)[0]) / torch.tensor([1.0, 2.0])[:, None, None, None]
    np.testing.assert_allclose(logits.grad, expected.sum(0), atol=1e-6)


def test_a_target_that_cannot_occur_is_infinitely_surprising():
    logits = torch.tensor([[0.0, -math.inf, 1.0]])
    assert temperature_scaled_surprisal(logits, torch.tensor([1]), [1.0, 3.0]).isposinf().all()
    assert entropy(logits).isfinite().all()


@pytest.mark.parametrize(
    ("temperatures", "error", "message"),
    [
        ([], ValueError, "temperatures: got none"),
        (2.0, TypeError, "temperatures: got float, allowed are several"),
        ("12", TypeError, "temperatures: got str"),
        ([1.0, 0.0], ValueError, "temperature: got 0.0"),
        ([math.inf], ValueError, "temperature: got inf"),
    ],
)
def test_bad_temperatures_are_named(temperatures, error, message):
    with pytest.raises(error, match=message):
        temperature_scaled_surprisal(ROW, torch.tensor(0), temperatures)


def test_bad_rows_and_targets_are_named():
    bad = torch.tensor([[0.0, 1.0], [math.nan, 0.0]])
    with pytest.raises(ValueError, match="row 1 has NaN"):
        temperature_scaled_surprisal(bad, torch.tensor([0, 0]), [1.0])
    values = temperature_scaled_surprisal(bad, torch.tensor([0, 0]), [1.0], check_finite=False)
    assert values.isnan().tolist() == [[False, True]]
    with pytest.raises(ValueError, match="targets: got 4"):
        temperature_scaled_surprisal(ROW, torch.tensor(4), [1.0])
