"""The statistics of next-token distributions from hidden states and the output matrix, without the logits.

The loop over blocks of the vocabulary is that of Wijmans et al. (2025), whose kernel has the loss alone; entropy and
varentropy join it through the merge rule of :func:`entropylab.kernels.reference.fold.merge`. Backward, each block is
computed again and overwritten by its gradient, then two matrix products follow.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from entropylab.information.backends import backend_for
from entropylab.information.gradient_filter import GradientFilter
from entropylab.information.linear_fold import begin, fold_block, is_valid, refuse, unfold_block
from entropylab.information.linear_gradients import HeadGradients, Needed
from entropylab.information.linear_head import LinearHead, check_head
from entropylab.information.token_statistics import torch_statistics
from entropylab.information.validation import check_targets, check_temperature
from entropylab.kernels import Fold
from entropylab.kernels import Statistics as TokenStatistics

IGNORED = -100


def linear_token_statistics(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    temperature: float = 1.0,
    softcap: float | None = None,
    ignore_index: int = IGNORED,
    block: tuple[int, int] | None = None,
    check_finite: bool = True,
) -> TokenStatistics:
    """:func:`token_statistics` of ``softcap(hidden @ weight.T + bias)``, which is never held in memory.

    Forward and backward need one block of logits beside the results; with all logits in memory the usual forms need
    three matrices [N, V].

    Parameters
    ----------
    hidden : Tensor [..., D]
        float16, bfloat16, float32 or float64. Products are accumulated in float32 or better.
    weight : Tensor [V, D]
        The output matrix, of the dtype of `hidden`.
    targets : integer Tensor [...], optional
        Tokens whose surprisal is wanted.
    bias : Tensor [V], optional
        Added to the logits; -inf marks a token that cannot occur.
    temperature : float
        Divides the logits, after the soft-cap.
    softcap : float, optional
        ``c`` in ``c tanh(z / c)`` (Gemma 2 has 30).
    ignore_index : int
        Rows with this target are removed before any work; their figures are 0, without gradient.
    block : (int, int), optional
        Rows and tokens of a block; by default (1024, 2048) on the CPU, (1024, 8192) on a GPU.
    check_finite : bool
        Raise if a row of logits has NaN or +inf or only -inf. If ``False``, such a row gives NaN.

    Returns
    -------
    TokenStatistics
        Tensors [...], nats, float32 (float64 for float64 input), differentiable once with respect to `hidden`,
        `weight` and `bias`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message names it.

    Notes
    -----
    The loss of a policy with an entropy bonus (PPO, GRPO) needs no logits either. With the last hidden states of the
    answers, the tokens that were sampled, their advantages and their log-probabilities when they were sampled::

        now = linear_token_statistics(hidden, lm_head.weight, tokens)
        ratio = (-now.surprisal - old_log_p).exp()
        clipped = ratio.clamp(1 - 0.2, 1 + 0.2)
        loss = -torch.minimum(ratio * advantage, clipped * advantage).mean() - 0.01 * now.entropy.mean()

    Examples
    --------
    >>> import torch
    >>> linear_token_statistics(torch.zeros(2, 3), torch.ones(8, 3)).entropy
    tensor([2.0794, 2.0794])
    """
    head = check_head(hidden, weight, bias, softcap, block)
    temperature = check_temperature(temperature)
    shape = hidden.shape[:-1]
    kept: Tensor | None = None
    if targets is not None:
        like = hidden.new_empty(()).expand(*shape, len(weight))
        ignored = targets == ignore_index if isinstance(targets, Tensor) else None
        if ignored is not None and bool(ignored.any()):
            kept = (~ignored).reshape(-1).nonzero()[:, 0]
            targets = check_targets(targets.masked_fill(ignored, 0), like).reshape(-1)[kept]
            head = replace(head, hidden=head.hidden[kept])
        else:
            targets = check_targets(targets, like).reshape(-1)
    fields = statistics_of(head, targets, temperature, check_finite=check_finite)
    if kept is not None:
        empty = fields.entropy.new_zeros(math.prod(shape))
        fields = TokenStatistics(*(None if f is None else empty.index_copy(0, kept, f) for f in fields))
    return TokenStatistics(*(None if f is None else f.view(shape) for f in fields))


def statistics_of(
    head: LinearHead,
    targets: Tensor | None,
    temperature: float,
    *,
    check_finite: bool = True,
    gradient_filter: GradientFilter | None = None,
) -> TokenStatistics:
    """The statistics of the rows of a head, differentiable.

    Parameters
    ----------
    head : LinearHead
    targets : int64 Tensor [N] or None
    temperature : float
    check_finite : bool
    gradient_filter : GradientFilter, optional
        Only the surprisal may then have a gradient.

    Returns
    -------
    TokenStatistics of tensors [N].
    """
    name = backend_for(head.hidden)
    if name == "torch":
        result = torch_statistics(head.all_logits(), targets, temperature)
    else:
        result = TokenStatistics(
            *_LinearStatistics.apply(  # type: ignore[no-untyped-call]
                head.hidden, head.weight, head.bias, head, targets, temperature, name, gradient_filter
            )
        )
    if check_finite:
        refuse(result.logsumexp.detach())
    return result


class _LinearStatistics(torch.autograd.Function):
    """The kernels ``fold`` and ``fold_backward`` over the blocks of a head."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        head: LinearHead,
        targets: Tensor | None,
        temperature: float,
        name: str,
        gradient_filter: GradientFilter | None,
    ) -> tuple[Tensor | None, ...]:
        buffer, state = head.buffer(), begin(head, name)
        inputs = hidden.to(head.dtype)
        chosen = None if targets is None else inputs.new_empty(len(hidden))
        means = inputs.new_zeros(len(weight)) if gradient_filter and gradient_filter.sort else None
        for columns in head.columns():
            piece = head.piece(columns)
            for rows in head.rows():
                block = head.capped(head.logits(inputs[rows], piece, columns, buffer))
                fold_block(block, state, rows, columns.start, temperature, name)
                if means is not None:
                    means[columns] += block.sum(0)
                if targets is not None and chosen is not None:
                    here = ((targets[rows] >= columns.start) & (targets[rows] < columns.stop)).nonzero()[:, 0]
                    chosen[rows.start + here] = block[here, targets[rows][here] - columns.start]
        ctx.save_for_backward(hidden, weight, bias, targets, *state)
        ctx.head, ctx.temperature, ctx.name, ctx.filter = head, temperature, name, gradient_filter
        ctx.order = None if means is None else means.argsort()
        ctx.set_materialize_grads(False)
        return tuple(_figures(state, chosen, temperature, head))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, *fields = ctx.saved_tensors
        if all(g is None for g in gradients):
            return (None,) * 8
        head = ctx.head.with_tensors(hidden, weight, bias, order=ctx.order)
        state = Fold(*fields)
        if ctx.order is not None:
            position = torch.empty_like(ctx.order)
            position[ctx.order] = torch.arange(len(ctx.order), device=ctx.order.device)
            targets = position[targets]
            state = state._replace(likeliest=position.to(state.likeliest.device)[state.likeliest])
        return *_gradients(head, state, targets, gradients, ctx), None, None, None, None, None


def _figures(state: Fold, chosen: Tensor | None, temperature: float, head: LinearHead) -> TokenStatistics:
    """The statistics from the state after the last block: float64 where the state is, then rounded."""
    total = 1.0 + state.rest
    log_total = state.rest.log1p()
    invalid = ~is_valid(state)
    mean = state.first / total
    surprisal = None
    if chosen is not None:
        surprisal = (state.peak - chosen.to(state.peak)) / temperature + log_total
    figures = (
        log_total - mean,
        state.spread / total,
        state.peak / temperature + log_total,
        1.0 / total,
        surprisal,
    )
    return TokenStatistics(
        *(
            None if f is None else f.masked_fill(invalid, math.nan).to(head.hidden.device, head.dtype)
            for f in figures
        )
    )


def _gradients(
    head: LinearHead, state: Fold, targets: Tensor | None, upstream: tuple[Tensor | None, ...], ctx: Any
) -> tuple[Tensor | None, ...]:
    """Gradients of hidden states, output matrix and bias."""
    buffer, chosen = head.buffer(), ctx.filter
    sums = HeadGradients(head, Needed(*ctx.needs_input_grad[:3]))
    exact, device = state.rest.dtype, state.rest.device
    local_targets = None if targets is None else targets.to(device)
    # The filter looks at p - [target], so the upstream gradient comes after it.
    given = [None if g is None else g.reshape(-1).to(device, exact) for g in upstream]
    scale = None
    if chosen is not None:
        chosen.begin(len(sums.inputs), sums.inputs.device)
        scale = upstream[4].reshape(-1, 1).to(sums.inputs) / ctx.temperature  # type: ignore[union-attr]
        given = [None, None, None, None, torch.full_like(given[4], ctx.temperature)]  # type: ignore[arg-type]
    for columns in head.columns():
        sums.begin(columns, head.piece(columns))
        for rows in head.rows():
            block = head.capped(head.logits(sums.inputs[rows], sums.piece, columns, buffer))
            slope = head.slope(block)
            gradient = unfold_block(
                block,
                state,
                rows,
                columns.start,
                ctx.temperature,
                None if local_targets is None else local_targets[rows],
                TokenStatistics(*(None if g is None else g[rows] for g in given)),
                ctx.name,
            )
            kept = None
            if chosen is not None:
                kept = list(chosen.runs(gradient, rows, targets[rows] - columns.start))  # type: ignore[index]
                gradient *= scale[rows]  # type: ignore[index]
            if slope is not None:
                gradient *= slope
            sums.add(
                gradient,
                rows,
                kept if chosen is not None and chosen.hidden else None,
                kept if chosen is not None and chosen.weight else None,
            )
        sums.end()
    return sums.found()
