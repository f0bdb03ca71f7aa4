"""Divergence and likeliest tokens from hidden states: equal to those of the logits, in any blocks."""

from __future__ import annotations

import math

import pytest
import torch

from entropylab.bench.memory import peak_bytes
from entropylab.information import kl_divergence, linear_kl_divergence, linear_top_k, use_backend

V, N, D = 97, 9, 6


def inputs(seed=0, width=D):
    generator = torch.Generator().manual_seed(seed)
    sizes = (N, width), (V, width), (V,)
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in sizes]


def dense(hidden, weight, bias=None, softcap=None):
    z = hidden @ weight.T
    z = z if bias is None else z + bias
    return z if softcap is None else softcap * torch.tanh(z / softcap)


def gradients_agree(found, expected, tensors, seed=7):
    upstream = torch.randn(found.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    pairs = (torch.autograd.grad((x * upstream).sum(), tensors, retain_graph=True) for x in (found, expected))
    return all((a - b).abs().max() < 1e-12 for a, b in zip(*pairs, strict=True))


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
@pytest.mark.parametrize("tokens", [1, 7, 64, V])
@pytest.mark.parametrize(("softcap", "temperature"), [(None, 1.0), (30.0, 0.5), (3.0, 2.0)])
def test_the_divergence_is_that_of_the_logits(backend, tokens, softcap, temperature):
    own, other = inputs(), inputs(1, width=4)
    with use_backend(backend):
        found = linear_kl_divergence(
            *own[:2],
            *other[:2],
            bias=own[2],
            reference_bias=other[2],
            temperature=temperature,
            softcap=softcap,
            block=(4, tokens),
        )
    expected = kl_divergence(*(dense(*x, softcap) / temperature for x in (own, other)))
    assert (found - expected).abs().max() < 1e-12
    assert gradients_agree(found, expected, [*own, *other])


def test_the_case_with_a_known_value():
    eye = torch.eye(3, dtype=torch.float64)
    z = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    assert linear_kl_divergence(z, eye, z.flip(0), eye).item() == pytest.approx(1.1504207652088827, abs=1e-14)
    assert linear_kl_divergence(z, eye, z, eye).item() == 0


def test_only_the_wanted_side_gets_a_gradient():
    (hidden, weight, _), (other, reference, _) = inputs(), inputs(1)
    for fixed in ((other, reference), (hidden, weight)):
        free = [
            x.detach().requires_grad_()
            for x in ((hidden, weight) if fixed[0] is other else (other, reference))
        ]
        pair = (
            [*free, *(x.detach() for x in fixed)]
            if fixed[0] is other
            else [*(x.detach() for x in fixed), *free]
        )
        found = linear_kl_divergence(*pair, block=(4, 10))
        assert gradients_agree(found, kl_divergence(dense(*pair[:2]), dense(*pair[2:])), free)


def test_tokens_that_cannot_occur():
    (hidden, weight, bias), (other, reference, _) = (
        x for x in ([t.detach() for t in inputs(s)] for s in (0, 1))
    )
    never = bias.clone()
    never[[3, 90]] = -math.inf
    found = linear_kl_divergence(
        hidden, weight, other, reference, bias=never, reference_bias=never, block=(4, 1)
    )
    expected = kl_divergence(dense(hidden, weight, never), dense(other, reference, never))
    assert (found - expected).abs().max() < 1e-12
    assert linear_kl_divergence(hidden, weight, other, reference, reference_bias=never).isposinf().all()
    assert linear_kl_divergence(hidden, weight, other, reference, bias=never, block=(4, 7)).isfinite().all()
    # Such a token takes no part in the gradient.
    leaf = hidden.clone().requires_grad_()
    pair = (leaf, weight, other, reference)
    found = linear_kl_divergence(*pair, bias=never, reference_bias=never, block=(4, 9))
    assert gradients_agree(
        found, kl_divergence(dense(leaf, weight, never), dense(other, reference, never)), [leaf]
    )


def test_single_precision_is_close_for_nearly_equal_heads():
    generator = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(64, 32, generator=generator), torch.randn(5000, 32, generator=generator)
    moved = weight + 1e-3 * torch.randn(5000, 32, generator=generator)
    found = linear_kl_divergence(hidden, weight, hidden, moved)
    expected = kl_divergence(hidden.double() @ weight.double().T, hidden.double() @ moved.double().T)
    assert found.dtype == torch.float32 and (found - expected).abs().max() < 3e-6


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
@pytest.mark.parametrize("tokens", [1, 7, 64, V])
@pytest.mark.parametrize(("softcap", "temperature"), [(None, 1.0), (30.0, 0.5)])
@pytest.mark.parametrize("k", [1, 5, V])
def test_the_likeliest_tokens_are_those_of_the_logits(backend, tokens, softcap, temperature, k):
    own = inputs()
    with use_backend(backend):
        found = linear_top_k(
            *own[:2], k, bias=own[2], temperature=temperature, softcap=softcap, block=(4, tokens)
        )
    log_p, ids = (dense(*own, softcap) / temperature).log_softmax(-1).topk(k)
    assert (found.tokens == ids).all() and (found.surprisal + log_p).abs().max() < 1e-12
    assert (found.mass - log_p.exp().sum(-1)).abs().max() < 1e-12
    assert gradients_agree(found.mass, log_p.exp().sum(-1), own)
    assert gradients_agree(found.surprisal, -log_p, own)


def test_leading_shapes_and_no_rows():
    (hidden, weight, _), (other, reference, _) = inputs(), inputs(1)
    shaped = linear_kl_divergence(hidden.view(3, 3, D), weight, other.view(3, 3, D), reference)
    assert shaped.shape == (3, 3)
    assert linear_kl_divergence(hidden[:0], weight, other[:0], reference).shape == (0,)
    found = linear_top_k(hidden.view(3, 3, D), weight, 4)
    assert found.mass.shape == (3, 3) and found.tokens.shape == (3, 3, 4)
    assert linear_top_k(hidden[:0], weight, 4).tokens.shape == (0, 4)


def test_bad_input_is_named():
    (hidden, weight, bias), (other, reference, _) = inputs(), inputs(1)
    for arguments, options, message in (
        ((hidden, weight, other.float(), reference.float()), {}, "reference_hidden: got dtype"),
        ((hidden, weight, other[:3], reference), {}, "reference_hidden: got leading shape"),
        ((hidden, weight, other, reference[:9]), {}, "reference_weight: got 9 tokens"),
        ((hidden, weight, other, reference[:, :2]), {}, "reference_hidden: got shape"),
        ((hidden, weight, other, reference), {"reference_bias": bias[:3]}, "reference_bias: got shape"),
        ((hidden, weight, other, reference), {"temperature": -1.0}, "temperature"),
        ((hidden, weight, other * math.nan, reference), {}, "reference_hidden: the logits of row 0"),
    ):
        with pytest.raises(ValueError, match=message):
            linear_kl_divergence(*arguments, **options)
    for k, error in ((0, ValueError), (V + 1, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="k: got"):
            linear_top_k(hidden, weight, k)
    spoilt = hidden.detach() * math.nan
    with pytest.raises(ValueError, match="row 0"):
        linear_top_k(spoilt, weight, 2)
    assert linear_top_k(spoilt, weight, 2, check_finite=False).mass.isnan().all()
    assert linear_kl_divergence(spoilt, weight, other, reference, check_finite=False).isnan().all()


def test_memory_is_a_few_blocks_whatever_the_vocabulary():
    rows, width = 256, 8
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=generator)
    leaf = hidden.clone().requires_grad_()
    peaks = []
    for vocabulary in (16_384, 131_072):
        weight = torch.randn(vocabulary, width, generator=generator)
        peaks.append(
            [
                peak_bytes(lambda w=weight: linear_kl_divergence(leaf, w, hidden, w).sum().backward()),
                peak_bytes(lambda w=weight: linear_top_k(leaf, w, 20).mass.sum().backward()),
            ]
        )
    for small, large in zip(*peaks, strict=True):
        assert large == pytest.approx(small, rel=0.05)
        assert large < 4 * rows * 131_072 / 10
