"""What a test of authorship needs to know of each token, from logits, from a text, or while sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from entropylab.detection.renyi_cgf import LAMBDAS, renyi_cgf
from entropylab.information import token_statistics

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from entropylab.models.generation import LogitsFilter


class TokenEvidence(NamedTuple):
    """Figures of each token under a model, nats; arrays or tensors [...], ``cgf`` [..., G].

    Attributes
    ----------
    surprisal : array or tensor
        ``s = -ln p`` of the token; +inf if the model holds it for impossible.
    entropy, varentropy : array or tensor
        Mean and variance of the surprisal under the model.
    cgf : array or tensor
        ``psi(lambda)`` for each lambda of the grid, see :func:`renyi_cgf`.
    """

    surprisal: Any
    entropy: Any
    varentropy: Any
    cgf: Any


def token_evidence(logits: Tensor, targets: Tensor, *, lambdas: Sequence[float] = LAMBDAS) -> TokenEvidence:
    """Figures of tokens from logits.

    Parameters
    ----------
    logits : Tensor [..., V]
    targets : integer Tensor [...]
        The tokens of the text: those whose distribution stands in the row.
    lambdas : sequence of float
        Grid of the e-process.

    Returns
    -------
    TokenEvidence of tensors [...] and [..., G].

    Raises
    ------
    TypeError, ValueError
        As :func:`entropylab.information.token_statistics` and :func:`renyi_cgf`.
    """
    statistics = token_statistics(logits.detach() if isinstance(logits, Tensor) else logits, targets)
    return TokenEvidence(
        statistics.surprisal,
        statistics.entropy,
        statistics.varentropy,
        renyi_cgf(logits, lambdas, check_finite=False),
    )


def ids_evidence(
    model: PreTrainedModel,
    ids: Tensor,
    *,
    prompt: int = 1,
    lambdas: Sequence[float] = LAMBDAS,
    rows_at_once: int = 16,
) -> TokenEvidence:
    """Figures of token ids under a model, each given all ids before it.

    Parameters
    ----------
    model : PreTrainedModel
    ids : int64 Tensor [B, M]
        The exact ids: decoding and encoding again may give others.
    prompt : int
        The first so many ids are context and not scored; at least 1.
    lambdas : sequence of float
    rows_at_once : int
        Rows in a forward pass.

    Returns
    -------
    TokenEvidence of tensors [B, M - prompt] and [B, M - prompt, G], on the CPU.

    Raises
    ------
    ValueError
        If the shape does not fit, or the ids are longer than the model's context.
    """
    longest = int(getattr(model.config, "max_position_embeddings", ids.shape[-1]))
    if ids.ndim != 2 or not 1 <= prompt < ids.shape[1]:
        raise ValueError(
            f"ids, prompt: got shape {tuple(ids.shape)} and {prompt}, allowed is (B, M) with 1 <= prompt < M"
        )
    if ids.shape[1] - 1 > longest:
        raise ValueError(f"ids: got {ids.shape[1]} columns, allowed are {longest + 1} for this model")
    parts = []
    with torch.inference_mode():
        for rows in ids.split(rows_at_once):
            rows = rows.to(model.device)
            logits = model(input_ids=rows[:, :-1]).logits[:, prompt - 1 :]
            found = token_evidence(logits, rows[:, prompt:], lambdas=lambdas)
            parts.append(TokenEvidence(*(x.cpu() for x in found)))
    return TokenEvidence(*(torch.cat(list(columns)) for columns in zip(*parts, strict=True)))


def text_evidence(
    text: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    lambdas: Sequence[float] = LAMBDAS,
) -> TokenEvidence:
    """Figures of a text's tokens under a model, read in windows of the model's context.

    A text longer than the context is read in windows that do not overlap; each begins with the
    beginning-of-text token, or with the last token of the window before.

    Parameters
    ----------
    text : str
    model, tokenizer
        As :func:`entropylab.models.load` gives them.
    lambdas : sequence of float

    Returns
    -------
    TokenEvidence of tensors [N] and [N, G], on the CPU. Without a beginning-of-text token the first token is
    context, and N is one less.

    Raises
    ------
    TypeError, ValueError
        If the text is no str, or has no token to score.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: got {type(text).__name__}, allowed is a str")
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ids = torch.tensor(start + tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    if len(ids) < 2:
        raise ValueError(
            "text: got no token to score, allowed is a text of at least one token after the first"
        )
    context = min(int(getattr(model.config, "max_position_embeddings", len(ids))), 1024)
    windows = [ids[first : first + context + 1] for first in range(0, len(ids) - 1, context)]
    found = [ids_evidence(model, window[None], lambdas=lambdas) for window in windows]
    return TokenEvidence(*(torch.cat([x[0] for x in columns]) for columns in zip(*found, strict=True)))


def generate_with_evidence(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    filters: Sequence[LogitsFilter] = (),
    temperature: float = 1.0,
    seed: int = 0,
    lambdas: Sequence[float] = LAMBDAS,
) -> tuple[Tensor, TokenEvidence]:
    """Sample texts, and keep the figures of each token from the very logits that it was drawn with.

    The figures are those of the model itself, before temperature and filters. Without filters and at
    temperature 1 the samples are exact: the tests' hypothesis holds.

    Parameters
    ----------
    model, tokenizer, prompts, max_new_tokens, filters, temperature, seed
        As for :func:`entropylab.models.generate`.
    lambdas : sequence of float

    Returns
    -------
    tokens : int64 Tensor [B, N]
    evidence : TokenEvidence of tensors [B, N] and [B, N, G]

    Raises
    ------
    ValueError
        As :func:`entropylab.models.generate`.
    """
    from entropylab.models import generate

    steps: list[Tensor] = []

    def record(logits: Tensor) -> Tensor:
        steps.append(renyi_cgf(logits if temperature == 1 else logits * temperature, lambdas).cpu())
        return logits

    run = generate(
        model,
        tokenizer,
        prompts,
        max_new_tokens=max_new_tokens,
        filters=[record, *filters],
        temperature=temperature,
        seed=seed,
    )
    cgf = torch.stack(steps, 1)
    return run.tokens, TokenEvidence(run.surprisal, run.entropy, run.varentropy, cgf)
