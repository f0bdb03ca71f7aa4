from __future__ import annotations

import math

import pytest
import torch

from entropylab.information.fisher_pullback import fisher_pullback, fisher_pullback_spectrum
from entropylab.information.kl_divergence import kl_divergence

W = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5]], dtype=torch.float64)
H = torch.tensor([0.3, -0.2], dtype=torch.float64)


def random(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_reference_values():
    g = fisher_pullback(W, H)
    known = [[0.654307659651, -0.215351123908], [-0.215351123908, 0.182219739497]]
    assert torch.allclose(g, torch.tensor(known, dtype=torch.float64), atol=1e-12, rtol=0)
    assert fisher_pullback_spectrum(W, H).tolist() == pytest.approx(
        [0.737783429258, 0.09874396989], abs=1e-11
    )
    step = 0.01 * torch.ones(2, dtype=torch.float64)
    moved_first = kl_divergence(W @ (H + step), W @ H).item()
    quadratic = (step @ g @ step / 2).item()
    assert moved_first == pytest.approx(2.01840769314004e-05, rel=1e-9)
    assert quadratic == pytest.approx(2.0291257566548564e-05, rel=1e-9)
    assert (moved_first - quadratic) / 0.01**3 == pytest.approx(-0.1072, abs=1e-4)
    assert kl_divergence(W @ H, W @ (H + step)).item() == pytest.approx(2.02377e-05, abs=1e-10)


def test_it_is_the_hessian_of_the_log_partition_function():
    weight, hidden = random(0, 9, 4), random(1, 4)
    hessian = torch.autograd.functional.hessian(lambda h: (weight @ h).logsumexp(0), hidden)
    assert torch.allclose(fisher_pullback(weight, hidden), hessian, atol=1e-12)


@pytest.mark.parametrize(("symbols", "width"), [(12, 3), (3, 5), (5, 4), (5, 5), (2, 8)])
def test_the_rank_is_the_smaller_of_width_and_symbols_less_one(symbols, width):
    for seed in range(10):
        values = fisher_pullback_spectrum(random(seed, symbols, width), random(seed + 100, width))
        assert (values > 1e-10 * values[0]).sum() == min(width, symbols - 1)


def test_the_remainder_is_of_third_order():
    weight, hidden, step = random(2, 12, 3), random(3, 3), random(4, 3)
    g = fisher_pullback(weight, hidden)
    left = []
    for eps in (1e-2, 1e-3):
        kl = kl_divergence(weight @ (hidden + eps * step), weight @ hidden)
        left.append(abs(kl - eps**2 / 2 * step @ g @ step).item())
    assert math.log10(left[0] / left[1]) == pytest.approx(3, abs=0.1)


def test_leading_axes_and_gradients():
    weight, hidden = random(5, 6, 3), random(6, 2, 4, 3)
    g = fisher_pullback(weight, hidden)
    assert g.shape == (2, 4, 3, 3)
    assert torch.equal(g[1, 2], fisher_pullback(weight, hidden[1, 2]))
    assert fisher_pullback(weight, hidden[:0]).shape == (0, 4, 3, 3)
    assert torch.autograd.gradcheck(fisher_pullback, (weight.requires_grad_(), hidden[0, 0].requires_grad_()))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="weight, hidden: got shapes"):
        fisher_pullback(W, torch.zeros(3, dtype=torch.float64))
