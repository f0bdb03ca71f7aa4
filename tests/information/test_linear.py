"""The measures from hidden states and the output matrix: equal to those of the logits, in any blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from entropylab.bench.memory import peak_bytes
from entropylab.information import (
    GradientFilter,
    linear_cross_entropy,
    linear_token_statistics,
    token_statistics,
    use_backend,
)
from entropylab.information.gradient_filter import block_mask

V, N, D = 97, 9, 6
FIELDS = ("entropy", "varentropy", "logsumexp", "max_probability", "surprisal")


def inputs(seed=0, dtype=torch.float64, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, D, generator=generator, dtype=torch.float64) * scale
    weight = torch.randn(V, D, generator=generator, dtype=torch.float64)
    bias = torch.randn(V, generator=generator, dtype=torch.float64)
    targets = torch.randint(V, (N,), generator=generator)
    return *(x.to(dtype).requires_grad_() for x in (hidden, weight, bias)), targets


def dense(hidden, weight, bias=None, softcap=None):
    z = hidden @ weight.T
    z = z if bias is None else z + bias
    return z if softcap is None else softcap * torch.tanh(z / softcap)


@pytest.mark.parametrize("backend", ["cpu", "reference", "torch"])
@pytest.mark.parametrize("tokens", [1, 7, 64, V])
@pytest.mark.parametrize(("softcap", "temperature"), [(None, 1.0), (30.0, 0.5), (3.0, 2.0)])
def test_values_and_gradients_are_those_of_the_logits(backend, tokens, softcap, temperature):
    hidden, weight, bias, targets = inputs()
    with use_backend(backend):
        found = linear_token_statistics(
            hidden, weight, targets, bias=bias, temperature=temperature, softcap=softcap, block=(4, tokens)
        )
    with use_backend("torch"):
        expected = token_statistics(dense(hidden, weight, bias, softcap), targets, temperature=temperature)
    upstream = torch.randn(5, N, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for name in FIELDS:
        assert (getattr(found, name) - getattr(expected, name)).abs().max() < 1e-12, name
    gradients = [
        torch.autograd.grad(
            sum((g * f).sum() for g, f in zip(upstream, x, strict=True)), (hidden, weight, bias)
        )
        for x in (found, expected)
    ]
    for a, b in zip(*gradients, strict=True):
        assert (a - b).abs().max() < 1e-12


def test_a_worked_case():
    hidden = torch.tensor([[1.0, 0.0], [0.5, -1.0]], dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([[1.0, 1.0], [0.0, 2.0], [-1.0, 0.0], [2.0, -1.0]], dtype=torch.float64)
    found = linear_token_statistics(hidden, weight, torch.tensor([3, 2]))
    assert found.logsumexp.tolist() == pytest.approx([2.4401896985611953, 2.167618694279758])
    assert found.surprisal.tolist() == pytest.approx([0.4401896985611953, 2.667618694279758])
    assert found.entropy.tolist() == pytest.approx([0.9475369639754256, 0.5766617590689048])
    assert found.varentropy.tolist() == pytest.approx([0.616586274855508, 0.9482260362770955])
    (gradient,) = torch.autograd.grad(found.entropy.sum(), hidden)
    assert gradient.flatten().tolist() == pytest.approx(
        [-0.616586274855508, 0.7035415183715861, -0.6918359974766203, 0.6023080375387851]
    )
    # Scaling the logits is a change of temperature: dH / d log T = varentropy.
    assert (gradient * hidden).sum(1).tolist() == pytest.approx((-found.varentropy).tolist())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_is_a_drop_in_with_ignored_tokens(reduction):
    hidden, weight, bias, targets = inputs()
    targets[[0, 4]] = -100
    found = linear_cross_entropy(hidden, weight, targets, bias=bias, reduction=reduction, block=(3, 10))
    expected = cross_entropy(dense(hidden, weight, bias), targets, reduction=reduction)
    assert found.detach().numpy() == pytest.approx(expected.detach().numpy(), abs=1e-13)
    for a, b in zip(
        torch.autograd.grad(found.sum(), (hidden, weight, bias)),
        torch.autograd.grad(expected.sum(), (hidden, weight, bias)),
        strict=True,
    ):
        assert (a - b).abs().max() < 1e-13


def test_ignored_rows_have_no_figures_and_no_gradient():
    hidden, weight, _, targets = inputs()
    targets[2] = -100
    found = linear_token_statistics(hidden, weight, targets)
    assert all(getattr(found, name)[2] == 0 for name in FIELDS)
    (gradient,) = torch.autograd.grad(found.entropy.sum(), hidden)
    assert (gradient[2] == 0).all() and (gradient[3] != 0).any()
    assert linear_cross_entropy(hidden, weight, torch.full((N,), -100)).isnan()
    assert linear_cross_entropy(hidden, weight, torch.full((N,), -100), reduction="sum") == 0


def test_training_gives_the_curve_of_the_dense_loss():
    curves = []
    for linear in (True, False):
        torch.manual_seed(0)
        embed = torch.nn.Embedding(V, 16).double()
        layer, head = torch.nn.Linear(16, 16).double(), torch.nn.Linear(16, V).double()
        optimizer = torch.optim.Adam([*embed.parameters(), *layer.parameters(), *head.parameters()], lr=1e-2)
        text = torch.randint(V, (40,), generator=torch.Generator().manual_seed(1))
        losses = []
        for _ in range(100):
            hidden = torch.tanh(layer(embed(text[:-1])))
            loss = (
                linear_cross_entropy(hidden, head.weight, text[1:], bias=head.bias, block=(16, 20))
                if linear
                else cross_entropy(head(hidden), text[1:])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)
    assert curves[0][-1] < 0.5 * curves[0][0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_lower_precisions_are_accumulated_in_float32(dtype):
    hidden, weight, bias, targets = inputs(dtype=dtype)
    found = linear_token_statistics(hidden, weight, targets, bias=bias)
    expected = token_statistics(dense(*(x.detach().double() for x in (hidden, weight, bias))), targets)
    for name in FIELDS:
        assert getattr(found, name).dtype == torch.float32
        assert (getattr(found, name) - getattr(expected, name)).abs().max() < 1e-5
    for gradient, x in zip(
        torch.autograd.grad(found.entropy.sum(), (hidden, weight)), (hidden, weight), strict=True
    ):
        assert gradient.dtype == dtype and gradient.shape == x.shape


def test_leading_shapes_and_edges():
    hidden, weight, _, targets = inputs()
    found = linear_token_statistics(hidden.view(3, 3, D), weight, targets.view(3, 3))
    assert found.entropy.shape == found.surprisal.shape == (3, 3)
    assert linear_token_statistics(hidden[0], weight).entropy.shape == ()
    assert linear_token_statistics(hidden[:0], weight).entropy.shape == (0,)
    assert linear_token_statistics(hidden, weight[:1]).entropy.abs().max() == 0
    forbidden = torch.zeros(V, dtype=torch.float64)
    forbidden[1:] = -math.inf
    assert linear_token_statistics(hidden, weight, bias=forbidden).max_probability.min() == 1


def test_the_filter_counts_what_it_drops():
    hidden, weight, bias, targets = inputs(scale=3.0)
    chosen = GradientFilter(threshold=0.02, block=4)
    loss = linear_cross_entropy(hidden, weight, targets, bias=bias, block=(4, 20), gradient_filter=chosen)
    (found,) = torch.autograd.grad(loss, hidden)
    p = dense(hidden, weight, bias).detach().softmax(-1)
    order = dense(hidden, weight, bias).detach().mean(0).argsort()
    gradient = p.clone()
    gradient[torch.arange(N), targets] -= 1
    # Blocks of the filter start anew in each block of the head, 4 rows and 20 tokens here: multiples of 4.
    mask = block_mask(gradient[:, order], 0.02, 4).repeat_interleave(4, 0)[:N].repeat_interleave(4, 1)[:, :V]
    kept = torch.where(mask, gradient[:, order], 0.0)
    assert (found - kept @ weight.detach()[order] / N).abs().max() < 1e-13
    assert chosen.blocks == 3 * 25 and 0 < chosen.kept < chosen.blocks
    lost = torch.where(mask, 0.0, p[:, order]).sum(1)
    assert chosen.dropped_probability.numpy() == pytest.approx(lost.numpy(), abs=1e-6)
    entropy = linear_token_statistics(hidden, weight, bias=bias).entropy
    assert (lost <= entropy.detach() / math.log(1 / 0.02) + 1e-12).all()


def test_a_filter_may_spare_the_output_matrix():
    hidden, weight, _, targets = inputs(scale=3.0)
    exact = torch.autograd.grad(linear_cross_entropy(hidden, weight, targets), (hidden, weight))
    chosen = GradientFilter(threshold=0.3, block=2, weight=False, sort=False)
    found = torch.autograd.grad(
        linear_cross_entropy(hidden, weight, targets, gradient_filter=chosen), (hidden, weight)
    )
    assert (found[1] - exact[1]).abs().max() < 1e-14 and (found[0] - exact[0]).abs().max() > 1e-4


def test_bad_input_is_named():
    hidden, weight, bias, targets = inputs()
    for arguments, options, message in (
        ((hidden.tolist(), weight), {}, "hidden: got list"),
        ((hidden, weight.float()), {}, "weight: got torch.float32"),
        ((hidden, weight[:, :3]), {}, "hidden: got shape"),
        ((hidden, weight[:0]), {}, "weight: got shape"),
        ((hidden, weight), {"bias": bias[:3]}, "bias: got shape"),
        ((hidden, weight), {"softcap": 0.0}, "softcap"),
        ((hidden, weight), {"temperature": 0.0}, "temperature"),
        ((hidden, weight), {"block": (0, 3)}, "block"),
        ((hidden, weight, targets + V), {}, "targets"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            linear_token_statistics(*arguments, **options)
    with pytest.raises(ValueError, match="reduction"):
        linear_cross_entropy(hidden, weight, targets, reduction="median")
    with pytest.raises(ValueError, match="threshold"):
        GradientFilter(threshold=2.0)
    spoilt = hidden.detach().clone()
    spoilt[3] = math.nan
    with pytest.raises(ValueError, match="row 3"):
        linear_token_statistics(spoilt, weight)
    assert linear_token_statistics(spoilt, weight, check_finite=False).entropy.isnan().sum() == 1


def test_the_loss_of_a_policy_with_an_entropy_bonus_is_that_of_the_logits():
    hidden, weight, _, tokens = inputs()
    generator = torch.Generator().manual_seed(2)
    advantage = torch.randn(N, generator=generator, dtype=torch.float64)
    old_log_p = -token_statistics(dense(hidden, weight), tokens).surprisal.detach()
    old_log_p += 0.3 * torch.randn(N, generator=generator, dtype=torch.float64)

    def loss(log_p, entropy):
        ratio = (log_p - old_log_p).exp()
        clipped = ratio.clamp(1 - 0.2, 1 + 0.2)
        return -torch.minimum(ratio * advantage, clipped * advantage).mean() - 0.01 * entropy.mean()

    now = linear_token_statistics(hidden, weight, tokens, block=(4, 10))
    log_p = dense(hidden, weight).log_softmax(-1)
    whole = loss(log_p.gather(1, tokens[:, None])[:, 0], -(log_p.exp() * log_p).sum(1))
    blocks = loss(-now.surprisal, now.entropy)
    assert blocks.item() == pytest.approx(whole.item(), abs=1e-13)
    for a, b in zip(
        torch.autograd.grad(blocks, (hidden, weight)),
        torch.autograd.grad(whole, (hidden, weight)),
        strict=True,
    ):
        assert (a - b).abs().max() < 1e-13


def test_memory_is_one_block_whatever_the_vocabulary():
    rows, width = 256, 8
    hidden = torch.randn(rows, width, generator=torch.Generator().manual_seed(0), requires_grad=True)
    peaks = {}
    for vocabulary in (16_384, 131_072):
        weight = torch.randn(vocabulary, width, generator=torch.Generator().manual_seed(1))
        forward = peak_bytes(lambda w=weight: linear_token_statistics(hidden.detach(), w))
        both = peak_bytes(lambda w=weight: linear_token_statistics(hidden, w).entropy.sum().backward())
        assert max(forward, both) < 2 * rows * vocabulary
        peaks[vocabulary] = forward, both
    for small, large in zip(*peaks.values(), strict=True):
        assert large == pytest.approx(small, rel=0.03)
        assert large < 4 * rows * 131_072 / 20  # the dense forms hold three such matrices
