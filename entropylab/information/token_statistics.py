"""All statistics of next-token distributions in one pass over the logits, differentiable.

Entropy: Shannon (1948). Varentropy, the variance of the surprisal: Kontoyiannis and Verdu (2014).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from entropylab.information.backends import (
    as_array,
    backend_for,
    empty_like,
    kernels_of,
    launching,
    working_copy,
)
from entropylab.information.validation import (
    check_logits,
    check_targets,
    check_temperature,
    refuse_invalid,
)
from entropylab.kernels import Statistics as TokenStatistics

LOGSUMEXP = TokenStatistics._fields.index("logsumexp")


def token_statistics(
    logits: Tensor,
    targets: Tensor | None = None,
    *,
    temperature: float = 1.0,
    check_finite: bool = True,
) -> TokenStatistics:
    """Entropy, varentropy, log-sum-exp, greatest probability and surprisal of every row of logits.

    Parameters
    ----------
    logits : Tensor [..., V]
        float16, bfloat16, float32 or float64; any strides. A logit of -inf is a token that cannot occur: it
        contributes nothing, to values and to gradients.
    targets : integer Tensor [...], optional
        Tokens whose surprisal is wanted.
    temperature : float
        Divides the logits; above 0.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf. If ``False``, such a row gives NaN, and only that row.

    Returns
    -------
    TokenStatistics
        Tensors [...], nats, float32 (float64 for float64 logits), differentiable once. ``surprisal`` is
        ``None`` without targets, and +inf for a target of logit -inf. A row's figures do not depend on the
        other rows.

    Raises
    ------
    TypeError
        If the logits are not floating point, or the targets not integers.
    ValueError
        If a shape, a target, the temperature or a row of logits is not allowed; the message names it.

    Examples
    --------
    >>> import torch
    >>> token_statistics(torch.zeros(2, 8)).entropy
    tensor([2.0794, 2.0794])
    """
    fields = TokenStatistics._fields if targets is not None else TokenStatistics._fields[:4]
    return TokenStatistics(*fields_of(logits, targets, fields, temperature, check_finite))


def fields_of(
    logits: Tensor,
    targets: Tensor | None,
    fields: tuple[str, ...],
    temperature: float,
    check_finite: bool,
) -> tuple[Tensor, ...]:
    """Some of the statistics: only these become differentiable tensors, which takes longer than one row of logits.

    Parameters
    ----------
    logits, targets, temperature, check_finite
        As given to :func:`token_statistics`.
    fields : tuple of str
        Names of the statistics that are wanted.

    Returns
    -------
    tuple of Tensors [...], one for each name.

    Raises
    ------
    TypeError, ValueError
        As :func:`token_statistics`.
    """
    check_logits(logits)
    temperature = check_temperature(temperature)
    if targets is not None:
        targets = check_targets(targets, logits)
    name = backend_for(logits)
    if name == "torch":
        result = torch_statistics(logits, targets, temperature)
        if check_finite:
            refuse_invalid(logits, result.logsumexp.detach().isnan())
        return tuple(getattr(result, field) for field in fields)
    work = working_copy(logits, name)
    memory = _computed(work, targets, temperature, name)
    if check_finite:
        refuse_invalid(logits, memory[LOGSUMEXP].isnan().view(logits.shape[:-1]))
    places = tuple(map(TokenStatistics._fields.index, fields))
    if logits.requires_grad and torch.is_grad_enabled():
        return _Statistics.apply(  # type: ignore[no-any-return, no-untyped-call]
            logits, targets, temperature, name, memory, places
        )
    return _named(logits, memory, places)


def torch_statistics(logits: Tensor, targets: Tensor | None, temperature: float) -> TokenStatistics:
    """The statistics in plain torch operations: the backend ``torch``, and the definition in torch's words.

    Parameters
    ----------
    logits : Tensor [..., V]
    targets : int64 Tensor [...] or None
    temperature : float

    Returns
    -------
    TokenStatistics of tensors [...], float32 or float64, differentiable any number of times.
    """
    scaled = logits.to(result_dtype(logits)) / temperature
    log_p = scaled.log_softmax(-1)
    p = log_p.exp()
    # A product 0 * -inf is NaN, and so is its gradient: impossible tokens get a log-probability of 0 here.
    finite_log_p = log_p.masked_fill(scaled.isneginf(), 0.0)
    entropy = -(p * finite_log_p).sum(-1)
    varentropy = (p * (finite_log_p + entropy.unsqueeze(-1)).square()).sum(-1)
    surprisal = None if targets is None else -log_p.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    # log_softmax turns the whole of a row that is no distribution into NaN, logsumexp does not.
    logsumexp = scaled.logsumexp(-1).masked_fill(log_p[..., 0].isnan(), math.nan)
    return TokenStatistics(entropy, varentropy, logsumexp, p.amax(-1), surprisal)


def result_dtype(logits: Tensor) -> torch.dtype:
    """The dtype of the statistics of logits: float64 for float64, else float32."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def _computed(work: Tensor, targets: Tensor | None, temperature: float, name: str) -> Tensor:
    """The statistics by the kernels of a backend: a row of [4, N] or [5, N] for each, in the order of the fields."""
    chosen = None if targets is None else as_array(targets.reshape(-1).to(work.device).contiguous())
    # One piece of memory, a row for each field: making five tensors takes as long as one row of logits.
    fields = 4 if targets is None else 5
    memory = torch.empty((fields, len(work)), dtype=result_dtype(work), device=work.device)
    with launching(work, name) as keywords:
        kernels_of(name).statistics(
            as_array(work), chosen, temperature, out=TokenStatistics(*as_array(memory)), **keywords
        )
    return memory


def _named(logits: Tensor, memory: Tensor, places: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Rows of :func:`_computed` as results: of the logits' device and shape."""
    rows = memory.to(logits.device, result_dtype(logits)).view(len(memory), *logits.shape[:-1])
    return tuple(rows[place] for place in places)


class _Statistics(torch.autograd.Function):
    """The kernels ``statistics`` and ``statistics_backward`` as one differentiable operation."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        targets: Tensor | None,
        temperature: float,
        name: str,
        memory: Tensor,
        places: tuple[int, ...],
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(logits, targets, memory)
        ctx.temperature, ctx.name, ctx.places = temperature, name, places
        ctx.set_materialize_grads(False)
        # Separate tensors: autograd does not take views of one piece of memory as several outputs.
        return tuple(field.clone() for field in _named(logits, memory, places))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None, None, None, None]:
        if all(gradient is None for gradient in gradients):
            return None, None, None, None, None, None
        logits, targets, memory = ctx.saved_tensors
        work = working_copy(logits, ctx.name)

        def flat(tensor: Tensor, dtype: torch.dtype) -> Any:
            return as_array(tensor.reshape(-1).to(work.device, dtype).contiguous())

        upstream: list[Any] = [None] * 5
        for place, gradient in zip(ctx.places, gradients, strict=True):
            if gradient is not None:
                upstream[place] = flat(gradient, memory.dtype)
        result = empty_like(work)
        with launching(work, ctx.name) as keywords:
            kernels_of(ctx.name).statistics_backward(
                as_array(work),
                None if targets is None else flat(targets, torch.int64),
                ctx.temperature,
                *as_array(memory)[:4],
                TokenStatistics(*upstream),
                out=as_array(result),
                **keywords,
            )
        return result.to(logits.device, logits.dtype).view(logits.shape), None, None, None, None, None
