"""token_statistics and its parts: values, gradients, shapes, dtypes."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch

from entropylab.information import (
    TokenStatistics,
    entropy,
    surprisal,
    token_statistics,
    use_backend,
    varentropy,
)

BACKENDS = ("reference", "cpu", "torch")


def logits_of(*shape, dtype=torch.float64, seed=0, masked=False):
    z = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2
    if masked:
        z[..., 1] = -math.inf
    return z.to(dtype)


@pytest.mark.parametrize("name", BACKENDS)
def test_values_agree_with_scipy_and_torch(name):
    z, targets = logits_of(20, 50), torch.arange(20)
    with use_backend(name):
        result = token_statistics(z, targets)
    p = z.softmax(-1)
    assert result.entropy.numpy() == pytest.approx(scipy.stats.entropy(p.numpy(), axis=-1), abs=1e-12)
    assert torch.allclose(result.entropy, torch.distributions.Categorical(logits=z).entropy(), atol=1e-12)
    assert torch.allclose(result.surprisal, torch.nn.functional.cross_entropy(z, targets, reduction="none"))
    assert torch.allclose(result.logsumexp, z.logsumexp(-1))
    assert torch.allclose(result.max_probability, p.amax(-1))
    surprise = -p.log()
    assert torch.allclose(result.varentropy, (p * surprise**2).sum(-1) - (p * surprise).sum(-1) ** 2)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("field", TokenStatistics._fields)
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(name, field, masked):
    z = logits_of(3, 7, masked=masked)
    targets = torch.tensor([0, 2, 6])
    free = ~z.isneginf()

    def measure(values):
        full = torch.full_like(z, -math.inf).masked_scatter(free, values)
        with use_backend(name):
            return getattr(token_statistics(full, targets, temperature=1.7), field)

    assert torch.autograd.gradcheck(measure, (z[free].clone().requires_grad_(),))


@pytest.mark.parametrize("name", BACKENDS)
def test_an_impossible_token_gets_a_gradient_of_exactly_zero(name):
    z = logits_of(4, 9, masked=True).requires_grad_()
    with use_backend(name):
        result = token_statistics(z, torch.zeros(4, dtype=torch.long))
    sum(field.sum() for field in result).backward()
    assert (z.grad[:, 1] == 0.0).all()
    assert z.grad.isfinite().all()


def test_only_the_gradients_that_are_needed_flow():
    z = logits_of(3, 5).requires_grad_()
    result = token_statistics(z)
    assert result.surprisal is None
    result.entropy.sum().backward()
    expected = z.detach().requires_grad_()
    with use_backend("torch"):
        entropy(expected).sum().backward()
    assert torch.allclose(z.grad, expected.grad)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("shape", [(7,), (2, 3, 7)])
def test_a_single_measure_has_the_gradient_of_its_field(name, shape):
    z = logits_of(*shape, masked=True)
    targets = torch.full(shape[:-1], 2)
    single = {
        "entropy": entropy,
        "varentropy": varentropy,
        "surprisal": lambda x, **k: surprisal(x, targets, **k),
    }
    for field, measure in single.items():
        ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
        with use_backend(name):
            value, whole = measure(ours, temperature=0.6), token_statistics(theirs, targets, temperature=0.6)
        value.square().sum().backward()
        getattr(whole, field).square().sum().backward()
        assert torch.equal(value, getattr(whole, field))
        assert torch.equal(ours.grad, theirs.grad)


def test_a_change_of_the_logits_before_backward_is_noticed_and_one_of_the_result_is_harmless():
    z = logits_of(3, 7).requires_grad_()
    source = z * 1.0
    result = entropy(source)
    source.mul_(2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.sum().backward()
    entropy(z).mul_(3.0).sum().backward()
    other = z.detach().requires_grad_()
    (3.0 * entropy(other)).sum().backward()
    assert torch.equal(z.grad, other.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", BACKENDS)
def test_dtypes(dtype, name):
    z = logits_of(4, 100, dtype=dtype).requires_grad_()
    with use_backend(name):
        result = token_statistics(z, torch.zeros(4, dtype=torch.int32))
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert {field.dtype for field in result} == {expected}
    exact = token_statistics(z.detach().double(), torch.zeros(4, dtype=torch.long))
    for ours, theirs in zip(result, exact, strict=True):
        assert torch.allclose(ours.double(), theirs, atol=1e-5)
    result.entropy.sum().backward()
    assert z.grad.dtype == dtype


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("shape", [(6,), (1,), (0, 6), (2, 0, 6), (2, 3, 6), (2, 1, 3, 6), (5, 1)])
def test_shapes(name, shape):
    z = logits_of(*shape)
    targets = torch.zeros(shape[:-1], dtype=torch.long)
    with use_backend(name):
        result = token_statistics(z, targets)
    assert all(field.shape == shape[:-1] for field in result)
    if shape[-1] == 1:
        for field, value in zip(result, (0.0, 0.0, None, 1.0, 0.0), strict=True):
            assert value is None or (field == value).all()


def test_strided_logits():
    z = logits_of(6, 8, 10, dtype=torch.float32)
    views = (z.transpose(0, 1), z[::2], z[..., ::3], z.permute(2, 0, 1), z[:, :1].expand(-1, 5, -1))
    for view in views:
        assert torch.equal(entropy(view), entropy(view.contiguous()))
    leaf = z.clone().requires_grad_()
    entropy(leaf.transpose(0, 2)).sum().backward()
    other = z.transpose(0, 2).contiguous().requires_grad_()
    entropy(other).sum().backward()
    assert torch.equal(leaf.grad, other.grad.transpose(0, 2))


def test_an_impossible_target_is_infinitely_surprising():
    z = torch.tensor([[0.0, -math.inf]])
    for name in BACKENDS:
        with use_backend(name):
            assert surprisal(z, torch.tensor([1])).item() == math.inf


def test_the_parts_are_those_of_the_whole():
    z, targets = logits_of(4, 30, dtype=torch.float32), torch.arange(4)
    whole = token_statistics(z, targets, temperature=0.5)
    assert torch.equal(entropy(z, temperature=0.5), whole.entropy)
    assert torch.equal(varentropy(z, temperature=0.5), whole.varentropy)
    assert torch.equal(surprisal(z, targets, temperature=0.5), whole.surprisal)


@pytest.mark.parametrize("name", BACKENDS)
def test_without_the_check_a_bad_row_gives_nan_for_itself_only(name):
    z = torch.zeros(5, 4)
    z[1, 2], z[2, 0], z[3] = math.nan, math.inf, -math.inf
    with use_backend(name):
        result = token_statistics(z, torch.zeros(5, dtype=torch.long), check_finite=False)
    for field in result:
        assert field.isnan().tolist() == [False, True, True, True, False]


def test_rows_do_not_depend_on_each_other():
    z = logits_of(9, 4000, dtype=torch.float32)
    whole = entropy(z)
    assert torch.equal(whole, torch.cat([entropy(part) for part in z.split(2)]))
