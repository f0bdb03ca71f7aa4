"""DPO on the next token of a language model, where the answers can be counted: they are the vocabulary.

For the chapter on Won et al. 2025, "Differential information distribution". Chosen tokens come from the reference,
rejected ones from a given law, and only the output layer is trained, so that the exact optimum is known and can be
reached.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.information.preference import dpo_loss
from entropylab.information.validation import check_count


def next_token_states(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """What a model holds at the end of each text: the last hidden state and the logits of the next token.

    Parameters
    ----------
    model, tokenizer
        As :func:`entropylab.models.load` gives them, the model with an output layer without bias.
    texts : sequence of str
        At least one.

    Returns
    -------
    states : Tensor of float32 [N, D]
    logits : Tensor of float32 [N, V]
        ``states @ W.T`` with the output layer's W.

    Raises
    ------
    ValueError
        If there is no text.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError(f"texts: got {texts!r}, allowed is a sequence of at least one str")
    states = []
    with torch.no_grad():
        for text in texts:
            ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
            inputs = torch.tensor([ids], device=model.device)
            states.append(model.model(input_ids=inputs).last_hidden_state[0, -1])
        stacked = torch.stack(states)
        return stacked, stacked @ model.lm_head.weight.T


def prefer_next_token(
    states: Tensor,
    weight: Tensor,
    rejected_logits: Tensor,
    *,
    beta: float,
    learning_rate: float,
    updates: int = 200,
    pairs: int = 4096,
    seed: int = 0,
) -> Tensor:
    """Train an output layer with DPO on sampled pairs of next tokens, and return its logits.

    Parameters
    ----------
    states : Tensor [N, D]
        Last hidden states of N prompts; they stay as they are.
    weight : Tensor [V, D]
        The output layer to begin with. With it, the states give the reference policy; a copy is trained.
    rejected_logits : Tensor [N, V]
        Law of the rejected tokens after each prompt. Chosen ones come from the reference.
    beta : float
        DPO's, above 0.
    learning_rate : float
        Adam's at the start; it falls to 0 along a cosine.
    updates, pairs : int
        Steps, and new pairs of each prompt in a step.
    seed : int
        Of the pairs.

    Returns
    -------
    Tensor [N, V]
        Logits of the trained policy.

    Raises
    ------
    ValueError
        If shapes do not fit or a number is out of range.
    """
    expected = (len(states), len(weight))
    if states.ndim != 2 or weight.shape[1:] != states.shape[1:] or rejected_logits.shape != expected:
        raise ValueError(
            f"states, weight, rejected_logits: got shapes {tuple(states.shape)}, {tuple(weight.shape)} and "
            f"{tuple(rejected_logits.shape)}, allowed are (N, D), (V, D) and (N, V)"
        )
    if not learning_rate > 0:
        raise ValueError(f"learning_rate: got {learning_rate}, allowed are numbers above 0")
    check_count(updates, "updates")
    check_count(pairs, "pairs")
    generator = torch.Generator(states.device).manual_seed(seed)
    layer = weight.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([layer], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    log_ref = (states @ weight.detach().T).log_softmax(-1)
    laws = (log_ref.exp(), rejected_logits.softmax(-1))
    for _ in range(updates):
        chosen, rejected = (torch.multinomial(law, pairs, True, generator=generator) for law in laws)
        log_pi = (states @ layer.T).log_softmax(-1)
        four = [policy.gather(1, tokens) for policy in (log_pi, log_ref) for tokens in (chosen, rejected)]
        dpo_loss(*four, beta=beta).mean().backward()  # type: ignore[misc]
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return (states @ layer.T).detach()
