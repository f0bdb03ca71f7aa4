"""Locally typical sampling: keep the tokens whose surprisal is nearest to the entropy.

Meister, Pimentel, Wiher and Cotterell (2023), *Locally Typical Sampling*, TACL 11. The kept set is that of
``transformers.TypicalLogitsWarper`` in exact arithmetic.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from entropylab.information.backends import (
    as_array,
    backend_for,
    empty_like,
    kernels_of,
    launching,
    working_copy,
)
from entropylab.information.token_statistics import result_dtype
from entropylab.information.validation import check_count, check_logits, check_mass, refuse_invalid


def typical_filter(
    logits: Tensor,
    mass: float,
    *,
    min_tokens_to_keep: int = 1,
    filter_value: float = -math.inf,
    check_finite: bool = True,
) -> Tensor:
    """Replace the logits of the tokens outside the locally typical set.

    Tokens are taken in the order of ``|-log p - H|`` until they hold the mass. Those that tie with the last
    one taken, by exact equality, are kept too; a token of logit -inf never is.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; any strides.
    mass : float
        Probability that the kept set must hold, in (0, 1]. A mass of 1 returns the logits unchanged.
    min_tokens_to_keep : int
        Keep at least so many tokens, and those that tie with the last of them.
    filter_value : float
        What the other logits become; not NaN.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row becomes NaN (a mass of 1 leaves
        it).

    Returns
    -------
    Tensor [..., V]
        Of the dtype of the logits. Gradients flow to the kept logits. A row does not depend on the others.

    Raises
    ------
    TypeError, ValueError
        If an argument or a row is not allowed; the message names it.

    Examples
    --------
    >>> import torch
    >>> typical_filter(torch.tensor([0.4, 0.2, 0.2, 0.2]).log(), 0.5).isfinite()
    tensor([False,  True,  True,  True])
    """
    check_logits(logits)
    mass = check_mass(mass)
    count = check_count(min_tokens_to_keep, "min_tokens_to_keep")
    if math.isnan(filter_value):
        raise ValueError("filter_value: got nan, allowed is any other number")
    name = backend_for(logits)
    if mass >= 1.0:
        if check_finite:
            refuse_invalid(logits, _invalid(logits))
        return logits.clone()
    rows = logits.detach().reshape(-1, logits.shape[-1])
    if name == "torch":
        kept = _typical_mask(rows, mass, count)
        filtered = rows.masked_fill(~kept, filter_value)
        filtered[_invalid(rows)] = math.nan
    else:
        work = working_copy(rows, name)
        out = empty_like(work)
        with launching(work, name) as keywords:
            kernels_of(name).typical_filter(
                as_array(work), mass, count, filter_value, out=as_array(out), **keywords
            )
        filtered = out.to(logits.device, logits.dtype)
    filtered = filtered.reshape(logits.shape)
    if check_finite:
        refuse_invalid(logits, filtered[..., 0].isnan())
    if logits.requires_grad:
        return torch.where(filtered == logits.detach(), logits, filtered)
    return filtered


def typical_sample(
    logits: Tensor,
    mass: float,
    *,
    generator: torch.Generator | None = None,
    min_tokens_to_keep: int = 1,
    check_finite: bool = True,
) -> Tensor:
    """Draw a token from the renormalised locally typical set, without writing the filtered logits.

    Parameters
    ----------
    logits : Tensor [..., V]
        Floating point; any strides.
    mass : float
        Probability that the kept set must hold, in (0, 1]. A mass of 1 samples from the whole distribution.
    generator : torch.Generator, optional
        Source of the random numbers, one float64 a row, on the device of the logits.
    min_tokens_to_keep : int
        As for :func:`typical_filter`.
    check_finite : bool
        Raise if a row has NaN or +inf or only -inf; if ``False``, such a row gives -1.

    Returns
    -------
    int64 Tensor [...]
        The first token, in the order of the vocabulary, at which the cumulative probability of the kept
        tokens exceeds the random number times their total.

    Raises
    ------
    TypeError, ValueError
        If an argument or a row is not allowed; the message names it.
    """
    check_logits(logits)
    mass = check_mass(mass)
    count = check_count(min_tokens_to_keep, "min_tokens_to_keep")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator: got {type(generator).__name__}, allowed is a torch.Generator")
    name = backend_for(logits)
    rows = logits.detach().reshape(-1, logits.shape[-1])
    uniforms = torch.rand(len(rows), dtype=torch.float64, device=logits.device, generator=generator)
    if name == "torch":
        tokens = _sample_masked(rows, _typical_mask(rows, mass, count), uniforms)
    else:
        work = working_copy(rows, name)
        tokens = torch.empty(len(rows), dtype=torch.int64, device=work.device)
        with launching(work, name) as keywords:
            kernels_of(name).typical_sample(
                as_array(work),
                mass,
                as_array(uniforms.to(work.device)),
                count,
                out=as_array(tokens),
                **keywords,
            )
    tokens = tokens.to(logits.device).reshape(logits.shape[:-1])
    if check_finite:
        refuse_invalid(logits, tokens < 0)
    return tokens


def _invalid(rows: Tensor) -> Tensor:
    """Which rows have NaN or +inf or only -inf: exactly those whose maximum is no finite number."""
    return ~rows.amax(-1).isfinite()


def _typical_mask(rows: Tensor, mass: float, count: int) -> Tensor:
    """The kept set by sorting, in torch operations: what the kernels do without a sort."""
    z = rows.to(result_dtype(rows))
    if mass >= 1.0:
        return z > -math.inf
    p = z.softmax(-1)
    shifted = z - z.amax(-1, keepdim=True)
    centre = (p * shifted.masked_fill(p == 0.0, 0.0)).sum(-1, keepdim=True)
    distance, order = (shifted - centre).abs().sort(dim=-1, stable=True)
    cumulative = p.gather(-1, order).double().cumsum(-1)
    last = (cumulative < mass).sum(-1, keepdim=True).clamp(min=count - 1).clamp(max=z.shape[-1] - 1)
    return ((shifted - centre).abs() <= distance.gather(-1, last)) & (z > -math.inf)


def _sample_masked(rows: Tensor, kept: Tensor, uniforms: Tensor) -> Tensor:
    """Inverse of the cumulative distribution over the kept tokens; -1 for a row that is not allowed."""
    p = rows.double().softmax(-1).masked_fill(~kept, 0.0)
    cumulative = p.cumsum(-1)
    passed = kept & (cumulative > uniforms[:, None] * cumulative[:, -1:])
    positions = torch.arange(rows.shape[-1], device=rows.device)
    last = torch.where(kept, positions, -1).amax(-1)
    tokens = torch.where(passed.any(-1), passed.int().argmax(-1), last)
    return tokens.masked_fill(_invalid(rows), -1)
