"""The divergence of two output layers from their hidden states, without the logits of either.

One pass keeps for each row, beside the two states of the fold, ``sum e^(z - peak) (z - w)`` of own logits z and
reference logits w; it is rescaled when the peak grows, as in an online softmax.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from entropylab.information.backends import backend_for
from entropylab.information.kl_divergence import kl_divergence
from entropylab.information.linear_fold import begin, fold_block, logsumexp, refuse
from entropylab.information.linear_gradients import HeadGradients, Needed
from entropylab.information.linear_head import LinearHead, check_head
from entropylab.information.validation import check_temperature


def linear_kl_divergence(
    hidden: Tensor,
    weight: Tensor,
    reference_hidden: Tensor,
    reference_weight: Tensor,
    *,
    bias: Tensor | None = None,
    reference_bias: Tensor | None = None,
    temperature: float = 1.0,
    softcap: float | None = None,
    block: tuple[int, int] | None = None,
    check_finite: bool = True,
) -> Tensor:
    """:func:`kl_divergence` of ``hidden @ weight.T`` from ``reference_hidden @ reference_weight.T``, in blocks.

    The penalty of a policy (or a student) with respect to a reference (or a teacher) needs D numbers a token of the
    reference, in place of V. For the divergence in the other direction exchange the two.

    Parameters
    ----------
    hidden : Tensor [..., D]
        float16, bfloat16, float32 or float64. Products are accumulated in float32 or better.
    weight : Tensor [V, D]
    reference_hidden : Tensor [..., D']
        With the leading shape, dtype and device of `hidden`.
    reference_weight : Tensor [V, D']
    bias, reference_bias : Tensor [V], optional
        Added to the logits; -inf marks a token that cannot occur.
    temperature : float
        Divides both logits, after the soft-cap.
    softcap : float, optional
        ``c`` in ``c tanh(z / c)``, of both.
    block : (int, int), optional
        Rows and tokens of a block.
    check_finite : bool
        Raise if a row of logits has NaN or +inf or only -inf. If ``False``, such a row gives NaN.

    Returns
    -------
    Tensor [...]
        In nats, at least 0 up to rounding (which is that of the logits, about 1e-6 in float32), +inf where a token
        can occur that cannot in the reference; float32 (float64 for float64 input), differentiable once with
        respect to hidden states, output matrices and biases of both.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message names it.

    Examples
    --------
    >>> import torch
    >>> z, w = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 2.0]])
    >>> linear_kl_divergence(z, torch.eye(3), w, torch.eye(3))
    tensor([1.1504])
    """
    own = check_head(hidden, weight, bias, softcap, block)
    other = check_head(
        reference_hidden, reference_weight, reference_bias, softcap, block, prefix="reference_"
    )
    temperature = check_temperature(temperature)
    for name, given, wanted in (
        ("dtype", reference_hidden.dtype, hidden.dtype),
        ("device", reference_hidden.device, hidden.device),
        ("leading shape", tuple(reference_hidden.shape[:-1]), tuple(hidden.shape[:-1])),
    ):
        if given != wanted:
            raise ValueError(f"reference_hidden: got {name} {given}, allowed is that of hidden, {wanted}")
    if len(reference_weight) != len(weight):
        raise ValueError(
            f"reference_weight: got {len(reference_weight)} tokens, allowed are those of weight, {len(weight)}"
        )
    backend = backend_for(hidden)
    found: Tensor
    if backend == "torch":
        whole = [head.all_logits() / temperature for head in (own, other)]
        found = kl_divergence(*whole, check_finite=check_finite)
    else:
        found = _LinearDivergence.apply(  # type: ignore[no-untyped-call]
            *(hidden, weight, bias, reference_hidden, reference_weight, reference_bias),
            *(own, other, temperature, backend, check_finite),
        )
    return found.view(hidden.shape[:-1])


class _LinearDivergence(torch.autograd.Function):
    """Sums over blocks of both heads, and their gradients."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        own, other, temperature, backend, check_finite = arguments[6:]
        buffers = [own.buffer() for _ in range(3)]
        states = begin(own, backend), begin(other, backend)
        inputs = own.hidden.to(own.dtype), other.hidden.to(own.dtype)
        product = states[0].rest.new_zeros(len(own.hidden))
        for columns in own.columns():
            pieces = own.piece(columns), other.piece(columns)
            for rows in own.rows():
                blocks = [
                    head.capped(head.logits(x[rows], piece, columns, buffer))
                    for head, x, piece, buffer in zip((own, other), inputs, pieces, buffers, strict=False)
                ]
                before = states[0].peak[rows].clone()
                for block, state in zip(blocks, states, strict=True):
                    fold_block(block, state, rows, columns.start, temperature, backend)
                peak = states[0].peak[rows]
                # Before the first finite logit the sum is zero, and so is what is added.
                shrink = ((before - peak) / temperature).exp().nan_to_num(0.0)
                e = torch.sub(blocks[0], peak[:, None].to(own.dtype), out=_like(buffers[2], blocks[0]))
                e.div_(temperature).exp_()
                difference = torch.sub(*blocks, out=blocks[1]).masked_fill_(e == 0.0, 0.0)
                added = e.mul_(difference).sum(1).to(product)
                # An infinite sum stays, whatever follows.
                product[rows] = (
                    torch.where(product[rows].isinf(), product[rows], product[rows] * shrink) + added
                )
        lse = [logsumexp(state, temperature) for state in states]
        if check_finite:
            refuse(lse[0])
            refuse(lse[1], "reference_hidden")
        found: Tensor = product / (temperature * (1.0 + states[0].rest)) - lse[0] + lse[1]
        ctx.save_for_backward(*arguments[:6], found, *lse)
        ctx.heads, ctx.temperature = (own, other), temperature
        return found.to(own.hidden.device, own.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        *tensors, found, lse, reference_lse = ctx.saved_tensors
        heads: list[LinearHead] = [
            head.with_tensors(*tensors[3 * i : 3 * i + 3]) for i, head in enumerate(ctx.heads)
        ]
        sums = [
            HeadGradients(head, Needed(*ctx.needs_input_grad[3 * i : 3 * i + 3]))
            for i, head in enumerate(heads)
        ]
        own = heads[0]
        found, lse, reference_lse, upstream = (
            x.reshape(-1, 1).to(own.hidden.device, own.dtype) for x in (found, lse, reference_lse, upstream)
        )
        buffers = [own.buffer() for _ in range(4)]
        for columns in own.columns():
            for head, part in zip(heads, sums, strict=True):
                part.begin(columns, head.piece(columns))
            for rows in own.rows():
                blocks = [
                    head.capped(head.logits(part.inputs[rows], part.piece, columns, buffer))
                    for head, part, buffer in zip(heads, sums, buffers, strict=False)
                ]
                slopes = [head.slope(block) for head, block in zip(heads, blocks, strict=True)]
                scale = upstream[rows] / ctx.temperature
                log_p = blocks[0].div_(ctx.temperature).sub_(lse[rows])
                log_q = blocks[1].div_(ctx.temperature).sub_(reference_lse[rows])
                p = torch.exp(log_p, out=_like(buffers[2], log_p))
                gradients: list[Tensor | None] = [None, None]
                if any(sums[1].needed):
                    q = torch.exp(log_q, out=_like(buffers[3], log_q))
                    gradients[1] = q.sub_(p).mul_(scale)
                if any(sums[0].needed):
                    gradients[0] = (
                        log_p.sub_(log_q).sub_(found[rows]).mul_(p).masked_fill_(p == 0.0, 0.0).mul_(scale)
                    )
                for part, gradient, slope in zip(sums, gradients, slopes, strict=True):
                    if gradient is not None:
                        part.add(gradient if slope is None else gradient.mul_(slope), rows)
            for part in sums:
                part.end()
        return *sums[0].found(), *sums[1].found(), *(None,) * 5


def _like(buffer: Tensor, block: Tensor) -> Tensor:
    """Part of a buffer in the shape of a block."""
    return buffer[: block.numel()].view(block.shape)
