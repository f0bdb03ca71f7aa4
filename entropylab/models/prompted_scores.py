"""Log-probabilities of the same continuations under many prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.information import surprisal


def continuation_log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    continuations: torch.Tensor,
    *,
    batch: int = 64,
) -> NDArray[np.float64]:
    """Log-probability of each token of each continuation, given the tokens before it and each prompt.

    Parameters
    ----------
    model, tokenizer
        As :func:`entropylab.models.load` gives them.
    prompts : sequence of str
        M of them. An empty one needs a tokenizer with a beginning-of-text token.
    continuations : torch.Tensor of int64, shape (B, T)
        Token ids, as :func:`entropylab.models.generate` draws them.
    batch : int
        Continuations at a time, at least 1.

    Returns
    -------
    array of float64, shape (B, M, T)
        Nats.

    Raises
    ------
    ValueError
        If there is no prompt or continuation, a shape does not fit, or a text is too long for the model.
    """
    if isinstance(prompts, str) or not prompts:
        raise ValueError(f"prompts: got {prompts!r}, allowed is a sequence of at least one str")
    if continuations.ndim != 2 or not continuations.numel():
        raise ValueError(
            f"continuations: got shape {tuple(continuations.shape)}, allowed is (B, T), not empty"
        )
    if batch < 1:
        raise ValueError(f"batch: got {batch}, allowed is 1 or more")
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    count, length = continuations.shape
    longest = int(getattr(model.config, "max_position_embeddings", 2**31))
    found = np.empty((count, len(prompts), length))
    for place, prompt in enumerate(prompts):
        ids = start + tokenizer(prompt, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ValueError("prompts: an empty prompt needs a tokenizer with a beginning-of-text token")
        if len(ids) + length > longest:
            raise ValueError(
                f"prompts[{place}]: got {len(ids)} tokens and {length} more, allowed are {longest} together"
            )
        for first in range(0, count, batch):
            rows = continuations[first : first + batch].to(model.device)
            texts = torch.cat([torch.tensor(ids, device=model.device).expand(len(rows), -1), rows], 1)
            with torch.inference_mode():
                logits = model(input_ids=texts[:, :-1], logits_to_keep=length).logits
                scores = -surprisal(logits, rows)
            found[first : first + batch, place] = scores.double().cpu().numpy()
    return found
