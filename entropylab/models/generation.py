"""Sample from a causal language model, with the statistics of each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StaticCache

from entropylab.information import token_statistics

LogitsFilter = Callable[[torch.Tensor], torch.Tensor]


class Generation(NamedTuple):
    """Sampled tokens and what the model thought of them; all of shape (prompts, max_new_tokens).

    Statistics are those of the model's own distribution, before temperature and filters, in nats.
    """

    tokens: torch.Tensor
    surprisal: torch.Tensor
    entropy: torch.Tensor
    varentropy: torch.Tensor
    most_likely_cut: torch.Tensor


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    filters: Sequence[LogitsFilter] = (),
    temperature: float = 1.0,
    uniforms: torch.Tensor | None = None,
    seed: int = 0,
) -> Generation:
    """Continue each prompt by sampling: temperature first, then the filters in the given order.

    A token is drawn by inverting the cumulative distribution at one uniform number. So the result depends on
    the row's numbers only, not on the batch, and two settings can be compared under the same random numbers.

    Parameters
    ----------
    model, tokenizer
        As :func:`entropylab.models.load` gives them.
    prompts : sequence of str
        At least one text.
    max_new_tokens : int
        Tokens for each prompt; there is no early stop.
    filters : sequence of callable
        Each maps logits (prompts, V) to logits with -inf where a token is cut, as
        ``lambda z: typical_filter(z, 0.2)`` does.
    temperature : float
        Divides the logits, above 0.
    uniforms : torch.Tensor, shape (prompts, max_new_tokens), optional
        Numbers in [0, 1) to draw with; default drawn from ``seed``.
    seed : int
        Seed of the default uniforms.

    Returns
    -------
    Generation
        Tokens and the statistics of each step, on the CPU; ``most_likely_cut`` says where a filter cut the
        most likely token.

    Raises
    ------
    ValueError
        If there is no prompt, a number is out of range, or ``uniforms`` has the wrong shape.
    """
    if isinstance(prompts, str) or not prompts:
        raise ValueError(f"prompts: got {prompts!r}, allowed is a sequence of at least one str")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens: got {max_new_tokens}, allowed is 1 or more")
    if not temperature > 0:
        raise ValueError(f"temperature: got {temperature}, allowed is above 0")
    shape = (len(prompts), max_new_tokens)
    if uniforms is None:
        uniforms = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    elif uniforms.shape != shape:
        raise ValueError(f"uniforms: got shape {tuple(uniforms.shape)}, allowed is {shape}")
    uniforms = uniforms.to(model.device, torch.float64)

    ids, mask = _left_padded(tokenizer, prompts, model.device)
    columns: dict[str, list[torch.Tensor]] = {name: [] for name in Generation._fields}
    with torch.inference_mode():
        # The cache is allocated once: growing it would copy all of it at every step.
        cache = (
            StaticCache(model.config, ids.shape[1] + max_new_tokens)
            if getattr(model.config, "use_cache", False)
            else None
        )
        inputs = _inputs(ids, mask, cache, ids.shape[1])
        for step in range(max_new_tokens):
            logits = model(**inputs, logits_to_keep=1).logits[:, -1].float()
            kept = logits if temperature == 1 else logits / temperature
            for keep in filters:
                kept = keep(kept)
            tokens = sample(kept, uniforms[:, step])
            statistics = token_statistics(logits, tokens)
            cut = torch.isneginf(kept.gather(1, logits.argmax(1, keepdim=True))[:, 0])
            row = (tokens, statistics.surprisal, statistics.entropy, statistics.varentropy, cut)
            for name, values in zip(Generation._fields, row, strict=True):
                columns[name].append(values.cpu())
            ids, mask = (
                torch.cat([ids, tokens[:, None]], 1),
                torch.cat([mask, torch.ones_like(mask[:, :1])], 1),
            )
            inputs = _inputs(ids, mask, cache, 1)
    return Generation(*(torch.stack(values, 1) for values in columns.values()))


def sample(logits: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Draw one token a row by inverting the cumulative distribution, in the order of the vocabulary.

    Parameters
    ----------
    logits : torch.Tensor, shape (n, V)
        -inf where a token is cut.
    uniforms : torch.Tensor, shape (n,)
        Numbers in [0, 1).

    Returns
    -------
    torch.Tensor of int64, shape (n,)
        Token ids.
    """
    cumulative = torch.softmax(logits, -1).cumsum(-1, dtype=torch.float64)
    thresholds = (uniforms.to(cumulative) * cumulative[:, -1])[:, None]
    return torch.searchsorted(cumulative, thresholds, right=True)[:, 0].clamp_max(logits.shape[-1] - 1)


def _left_padded(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    rows = [start + tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    if not all(rows):
        raise ValueError("prompts: an empty prompt needs a tokenizer with a beginning-of-text token")
    length = max(map(len, rows))
    ids = torch.tensor([[0] * (length - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def _inputs(ids: torch.Tensor, mask: torch.Tensor, cache: StaticCache | None, new: int) -> dict[str, Any]:
    """What the model reads at a step: the ``new`` last tokens, or all of them if it has no cache."""
    new = ids.shape[1] if cache is None else new
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    return {
        "input_ids": ids[:, -new:],
        "attention_mask": mask,
        "position_ids": positions[:, -new:],
        "past_key_values": cache,
        "use_cache": cache is not None,
    }
