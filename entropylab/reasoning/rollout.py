"""Sample chains of thought in batches, and score chains under a policy.

Both give, for each token of a completion, its log-probability and the entropy of the distribution that it was drawn
from, by the statistics kernel. Sampling inverts the cumulative distribution at given uniform numbers, so that two
policies, or two settings of one, can be compared under the same luck. An environment, such as a tool that answers, may
write tokens in between: they are part of the chain that the policy continues, and of nothing that is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from entropylab.information import token_statistics
from entropylab.models import sample
from entropylab.models.generation import LogitsFilter

# Given numbers of chains, int64 (n,), and their tokens so far without the prompt, int64 (n, t): the token that it
# writes next in each, or a number below 0 where the policy goes on, int64 (n,). It never writes the end token.
Environment = Callable[[Tensor, Tensor], Tensor]

# How many tokens are sampled before finished chains are taken out of the batch, and the least share that must be.
_EVERY, _SHARE = 8, 0.2


class Rollouts(NamedTuple):
    """Chains of a batch of B prompts of P tokens, with T tokens at most; nats.

    Attributes
    ----------
    prompts : int64 Tensor (B, P)
    tokens : int64 Tensor (B, T)
        The end token closes a chain and fills the rest of its row.
    mask : bool Tensor (B, T)
        The tokens of the chain that the policy wrote, with the end token that closes it.
    log_probs, entropy : float32 Tensor (B, T)
        Of the policy at temperature 1, before any filter; 0 outside the mask.
    complete : bool Tensor (B,)
        Whether the chain came to its end.
    """

    prompts: Tensor
    tokens: Tensor
    mask: Tensor
    log_probs: Tensor
    entropy: Tensor
    complete: Tensor

    @property
    def lengths(self) -> Tensor:
        """Tokens of each chain that the policy wrote, int64 (B,)."""
        return self.mask.sum(1)

    @property
    def chain(self) -> Tensor:
        """All tokens of each chain that was sampled here, bool (B, T): the mask and what an environment wrote."""
        # A chain that did not end is as long as its row; any other closes with a token of the policy.
        return (self.mask.flip(1).cumsum(1).flip(1) > 0) | ~self.complete[:, None]

    def rows(self, index: Tensor) -> Rollouts:
        """Some of the chains, by number or by a bool mask."""
        return Rollouts(*(field[index] for field in self))


class Scores(NamedTuple):
    """Log-probability of each token and entropy of its distribution, float32 Tensor (B, T), nats."""

    log_probs: Tensor
    entropy: Tensor


def roll_out(
    model: PreTrainedModel,
    prompts: Tensor,
    *,
    max_new_tokens: int,
    end: int,
    generator: torch.Generator | None = None,
    uniforms: Tensor | None = None,
    filters: Sequence[LogitsFilter] = (),
    environment: Environment | None = None,
) -> Rollouts:
    """Sample a chain for each prompt.

    Parameters
    ----------
    model : PreTrainedModel
        A causal language model.
    prompts : int64 Tensor (B, P)
        All of one length, B and P at least 1.
    max_new_tokens : int
        Tokens of a chain at most, the end token and those of an environment included.
    end : int
        Id of the end token.
    generator : torch.Generator, optional
        Draws the uniform numbers; exactly one of ``generator`` and ``uniforms`` is given.
    uniforms : float64 Tensor (B, max_new_tokens), optional
        Numbers in [0, 1), one a token; that of a token which an environment writes is not used.
    filters : sequence of callable
        Each maps logits (n, V) to logits, as in :func:`entropylab.models.generate`.
    environment : callable, optional
        Asked before each token: ``environment(rows, tokens)`` gets the numbers of the open chains, int64 (n,), and what
        they consist of so far, int64 (n, t), and gives the token that comes next in each, or -1 where the policy goes
        on, int64 (n,). What it writes is outside the mask, with no log-probability and no entropy.

    Returns
    -------
    Rollouts
        With T the length of the longest chain. A row depends on its own prompt and numbers only, up to the rounding
        of matrix products.

    Raises
    ------
    ValueError
        If a shape or a number is not allowed, or the environment writes the end token or what is no token.
    """
    if prompts.ndim != 2 or not prompts.numel():
        raise ValueError(f"prompts: got shape {tuple(prompts.shape)}, allowed is (B, P), both at least 1")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens: got {max_new_tokens}, allowed is 1 or more")
    if (generator is None) == (uniforms is None):
        raise ValueError("generator, uniforms: got both or none, allowed is exactly one of them")
    shape = (len(prompts), max_new_tokens)
    if uniforms is None:
        uniforms = torch.rand(shape, generator=generator, dtype=torch.float64)
    elif uniforms.shape != shape:
        raise ValueError(f"uniforms: got shape {tuple(uniforms.shape)}, allowed is {shape}")
    uniforms = uniforms.to(model.device, torch.float64)

    tokens = torch.full(shape, end, device=model.device)
    mask = torch.zeros(shape, dtype=torch.bool, device=model.device)
    log_probs, entropy = (torch.zeros(shape, device=model.device) for _ in range(2))
    open_rows = torch.arange(len(prompts), device=model.device)
    alive = torch.ones(len(prompts), dtype=torch.bool, device=model.device)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        cache = DynamicCache(config=model.config)
        inputs = prompts.to(model.device)
        for step in range(max_new_tokens):
            logits = model(inputs, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
            kept = logits.float()
            for keep in filters:
                kept = keep(kept)
            drawn = torch.where(alive, sample(kept, uniforms[open_rows, step]), end)
            own = alive
            if environment is not None:
                rows = open_rows[alive]
                written = _written(environment, rows, tokens[rows, :step], end, logits.shape[-1])
                drawn[alive] = torch.where(written < 0, drawn[alive], written)
                own = alive.masked_scatter(alive, written < 0)
            statistics = token_statistics(logits, drawn)
            tokens[open_rows[alive], step] = drawn[alive]
            rows = open_rows[own]
            mask[rows, step] = True
            log_probs[rows, step] = -statistics.surprisal[own]
            entropy[rows, step] = statistics.entropy[own]
            alive &= drawn != end
            if not alive.any():
                break
            if step % _EVERY == _EVERY - 1 and alive.float().mean() < 1 - _SHARE:
                cache.batch_select_indices(alive.nonzero()[:, 0])
                open_rows, drawn, alive = open_rows[alive], drawn[alive], alive[alive]
            inputs = drawn[:, None]
    model.train(was_training)
    length = step + 1
    complete = (tokens.eq(end) & mask).any(1)
    tokens, mask, log_probs, entropy = (
        field[:, :length].clone() for field in (tokens, mask, log_probs, entropy)
    )
    return Rollouts(prompts.to(model.device), tokens, mask, log_probs, entropy, complete)


def _written(environment: Environment, rows: Tensor, tokens: Tensor, end: int, vocabulary: int) -> Tensor:
    written = environment(rows, tokens)
    if written.shape != rows.shape or written.dtype != torch.int64:
        raise ValueError(
            f"environment: gave shape {tuple(written.shape)} of {written.dtype}, allowed is ({len(rows)},) of int64"
        )
    wrong = written[(written == end) | (written >= vocabulary)]
    if len(wrong):
        raise ValueError(
            f"environment: wrote token {int(wrong[0])}, allowed are those below {vocabulary} but {end}, the end"
        )
    return written.to(rows.device)


def score(
    model: PreTrainedModel, prompts: Tensor, tokens: Tensor, mask: Tensor, *, rows_at_once: int = 512
) -> Scores:
    """Log-probabilities and entropies of given chains, in one pass; differentiable where gradients are on.

    Parameters
    ----------
    model : PreTrainedModel
    prompts : int64 Tensor (B, P)
    tokens : int64 Tensor (B, T)
    mask : bool Tensor (B, T)
        Which tokens the policy wrote. What stands between them, an environment's, is read but not scored; what
        stands behind them is not read.
    rows_at_once : int
        Chains in one pass, where no gradient is needed.

    Returns
    -------
    Scores
        0 outside the mask. The entropy carries a gradient too: detach it where it only selects.

    Raises
    ------
    ValueError
        If shapes do not agree.
    """
    if prompts.ndim != 2 or tokens.shape != mask.shape or len(prompts) != len(tokens):
        raise ValueError(
            f"prompts, tokens, mask: got shapes {tuple(prompts.shape)}, {tuple(tokens.shape)}, {tuple(mask.shape)}, "
            "allowed are (B, P), (B, T), (B, T)"
        )
    at_once = len(tokens) if torch.is_grad_enabled() else rows_at_once
    parts = [
        _scored(model, *part) for part in zip(*(field.split(max(1, at_once)) for field in (prompts, tokens)))
    ]
    log_probs, entropy = (torch.cat(fields) for fields in zip(*parts))
    return Scores(log_probs * mask, entropy * mask)


def _scored(model: PreTrainedModel, prompts: Tensor, tokens: Tensor) -> Scores:
    # The logits at a place say what comes next: the last prompt token predicts the first token of the chain. What
    # stands behind a chain is never looked at by it, so no attention mask is needed.
    inputs = torch.cat([prompts, tokens[:, :-1]], 1)
    logits = model(inputs, use_cache=False, logits_to_keep=tokens.shape[1]).logits
    statistics = token_statistics(logits, tokens)
    return Scores(-statistics.surprisal, statistics.entropy)
