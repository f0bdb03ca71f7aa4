"""The largest batch that fits into memory, with and without the logits (Wijmans et al. 2025, Figure 1).

The formula is ours: it reproduces the paper's table. Of a cluster of 16 GPUs with 80 GB each, 75 GiB a GPU are free
for use. Parameters, their gradients and the state of AdamW take 8 bytes a parameter. A token takes 4 bytes for each
logit, and 2 bytes for each number of the residual stream that activation checkpointing keeps, one vector a layer.
"""

from __future__ import annotations

from typing import NamedTuple

BUDGET = 16 * 75 * 2**30
PARAMETER_BYTES = 8
LOGIT_BYTES = 4
CHECKPOINT_BYTES = 2


class ModelSize(NamedTuple):
    """What the memory of a model depends on: parameters, layers, width of the residual stream, vocabulary."""

    parameters: float
    layers: int
    width: int
    vocabulary: int


# From the models' public cards.
MODELS = {
    "GPT-2": ModelSize(137e6, 12, 768, 50_257),
    "Gemma 2B": ModelSize(2.506e9, 18, 2_048, 256_000),
    "Gemma 2 2B": ModelSize(2.614e9, 26, 2_304, 256_000),
    "Gemma 2 27B": ModelSize(27.2e9, 46, 4_608, 256_000),
    "Llama 2 7B": ModelSize(6.74e9, 32, 4_096, 32_000),
    "Llama 2 13B": ModelSize(13.0e9, 40, 5_120, 32_000),
    "Llama 3 8B": ModelSize(8.03e9, 32, 4_096, 128_256),
    "Llama 3 70B": ModelSize(70.6e9, 80, 8_192, 128_256),
    "Qwen 1.5 7B": ModelSize(7.72e9, 32, 4_096, 151_936),
}


def token_bytes(model: ModelSize, *, logits: bool = True) -> int:
    """Bytes that one token of a batch takes.

    Parameters
    ----------
    model : ModelSize
    logits : bool
        Whether its logits are held.

    Returns
    -------
    int
    """
    kept = CHECKPOINT_BYTES * model.layers * model.width
    return kept + LOGIT_BYTES * model.vocabulary if logits else kept


def logit_share(model: ModelSize) -> float:
    """Share of the logits in the bytes of a token."""
    return LOGIT_BYTES * model.vocabulary / token_bytes(model)


def largest_batch(model: ModelSize, *, logits: bool = True, budget: float = BUDGET) -> float:
    """Tokens of the largest batch.

    Parameters
    ----------
    model : ModelSize
    logits : bool
        Whether the logits of all tokens are held.
    budget : float
        Bytes of all GPUs together.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the model alone does not fit.
    """
    left = budget - PARAMETER_BYTES * model.parameters
    if left <= 0:
        raise ValueError(
            f"budget: got {budget:.3g} bytes, the parameters alone need {PARAMETER_BYTES * model.parameters:.3g}"
        )
    return left / token_bytes(model, logits=logits)
