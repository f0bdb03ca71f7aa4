"""The likeliest tokens of an output layer and their probability, without the logits."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from entropylab.information.backends import backend_for
from entropylab.information.linear_fold import begin, fold_block, logsumexp, refuse
from entropylab.information.linear_gradients import HeadGradients, Needed
from entropylab.information.linear_head import check_head
from entropylab.information.validation import check_count, check_temperature


class TopK(NamedTuple):
    """The likeliest tokens of each row.

    Attributes
    ----------
    mass : Tensor [...]
        Their probability together.
    surprisal : Tensor [..., k]
        In nats, ascending.
    tokens : int64 Tensor [..., k]
    """

    mass: Tensor
    surprisal: Tensor
    tokens: Tensor


def linear_top_k(
    hidden: Tensor,
    weight: Tensor,
    k: int,
    *,
    bias: Tensor | None = None,
    temperature: float = 1.0,
    softcap: float | None = None,
    block: tuple[int, int] | None = None,
    check_finite: bool = True,
) -> TopK:
    """The k likeliest tokens of ``softcap(hidden @ weight.T + bias)``, which is never held in memory.

    Parameters
    ----------
    hidden : Tensor [..., D]
        float16, bfloat16, float32 or float64. Products are accumulated in float32 or better.
    weight : Tensor [V, D]
    k : int
        From 1 to V.
    bias : Tensor [V], optional
        Added to the logits; -inf marks a token that cannot occur.
    temperature : float
        Divides the logits, after the soft-cap.
    softcap : float, optional
        ``c`` in ``c tanh(z / c)``.
    block : (int, int), optional
        Rows and tokens of a block.
    check_finite : bool
        Raise if a row of logits has NaN or +inf or only -inf. If ``False``, such a row gives NaN.

    Returns
    -------
    TopK
        Mass and surprisals are float32 (float64 for float64 input) and differentiable once with respect to
        `hidden`, `weight` and `bias`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message names it.

    Examples
    --------
    >>> import torch
    >>> found = linear_top_k(torch.tensor([[2.0, 1.0, 0.0]]), torch.eye(3), 2)
    >>> found.mass, found.tokens
    (tensor([0.9100]), tensor([[0, 1]]))
    """
    head = check_head(hidden, weight, bias, softcap, block)
    temperature = check_temperature(temperature)
    if check_count(k, "k") > len(weight):
        raise ValueError(f"k: got {k}, allowed are 1 to {len(weight)}, the number of tokens")
    backend = backend_for(hidden)
    if backend == "torch":
        logits = head.all_logits() / temperature
        lse = logits.logsumexp(-1)
        if check_finite:
            refuse(lse.detach())
        best, tokens = logits.topk(k)
        surprisal = lse[:, None] - best
    else:
        surprisal, tokens = _LinearTopK.apply(  # type: ignore[no-untyped-call]
            hidden, weight, bias, head, k, temperature, backend, check_finite
        )
    surprisal, tokens = (x.view(*hidden.shape[:-1], k) for x in (surprisal, tokens))
    return TopK((-surprisal).exp().sum(-1), surprisal, tokens)


class _LinearTopK(torch.autograd.Function):
    """The greatest logits of each block, merged, and the log-sum-exp of the fold."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        hidden, weight, bias, head, k, temperature, backend, check_finite = arguments
        buffer, state, inputs = head.buffer(), begin(head, backend), head.hidden.to(head.dtype)
        best = inputs.new_full((len(inputs), 0), 0.0)
        tokens = torch.empty((len(inputs), 0), dtype=torch.int64, device=inputs.device)
        for columns in head.columns():
            piece, found = head.piece(columns), []
            for rows in head.rows():
                block = head.capped(head.logits(inputs[rows], piece, columns, buffer))
                found.append(block.topk(min(k, len(piece))))
                fold_block(block, state, rows, columns.start, temperature, backend)
            if found:
                best = torch.cat([best, torch.cat([f.values for f in found])], 1)
                tokens = torch.cat([tokens, torch.cat([f.indices for f in found]) + columns.start], 1)
                best, places = best.topk(min(k, best.shape[1]))
                tokens = tokens.gather(1, places)
        if not len(inputs):
            best, tokens = inputs.new_empty((0, k)), tokens.new_empty((0, k))
        lse = logsumexp(state, temperature)
        if check_finite:
            refuse(lse)
        ctx.save_for_backward(hidden, weight, bias, tokens, lse)
        ctx.head, ctx.temperature = head, temperature
        ctx.mark_non_differentiable(tokens)
        surprisal = lse[:, None] - best.to(lse) / temperature
        return surprisal.to(hidden.device, head.dtype), tokens

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, tokens, lse = ctx.saved_tensors
        head = ctx.head.with_tensors(hidden, weight, bias)
        sums = HeadGradients(head, Needed(*ctx.needs_input_grad[:3]))
        lse = lse[:, None].to(hidden.device, head.dtype)
        upstream = upstream.reshape(tokens.shape).to(head.dtype) / ctx.temperature
        buffer, total = head.buffer(), upstream.sum(1, keepdim=True)
        for columns in head.columns():
            sums.begin(columns, head.piece(columns))
            for rows in head.rows():
                block = head.capped(head.logits(sums.inputs[rows], sums.piece, columns, buffer))
                slope = head.slope(block)
                gradient = block.div_(ctx.temperature).sub_(lse[rows]).exp_().mul_(total[rows])
                here = (tokens[rows] >= columns.start) & (tokens[rows] < columns.stop)
                row, place = here.nonzero(as_tuple=True)
                gradient[row, tokens[rows][here] - columns.start] -= upstream[rows][row, place]
                sums.add(gradient if slope is None else gradient.mul_(slope), rows)
            sums.end()
        return *sums.found(), *(None,) * 5
