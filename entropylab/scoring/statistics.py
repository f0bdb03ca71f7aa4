"""What a model says of each token of some windows, in one forward pass."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from entropylab.detection.renyi_cgf import LAMBDAS, renyi_cgf
from entropylab.information import token_statistics
from entropylab.scoring.windows import Window

FIELDS = ("surprisal", "entropy", "varentropy", "logsumexp", "max_probability")


@dataclass(frozen=True)
class WindowScores:
    """Figures of the tokens that count in a window, nats.

    Attributes
    ----------
    values : dict of float32 arrays [n]
        ``surprisal``, ``entropy``, ``varentropy`` (nats squared), ``logsumexp``, ``max_probability``.
    ranks : float32 array [n, K]
        ``-p ln p`` of the K likeliest tokens, the likeliest first; 0 beyond the vocabulary.
    cgf : float32 array [n, G] or None
        ``psi(lambda)`` on the grid of the concentration test.
    """

    values: dict[str, NDArray[np.float32]]
    ranks: NDArray[np.float32]
    cgf: NDArray[np.float32] | None


def score_windows(
    windows: Sequence[Window], model: PreTrainedModel, *, top_k: int, concentration: bool, batch_tokens: int
) -> list[WindowScores]:
    """Score windows in batches of alike lengths.

    Parameters
    ----------
    windows : sequence of Window
    model : PreTrainedModel
    top_k : int
        K of the ranks, 0 for none.
    concentration : bool
        Whether to compute the cgf.
    batch_tokens : int
        Tokens in a forward pass, padding included; one window is always taken.

    Returns
    -------
    list of WindowScores
        One for each window, in their order.

    Notes
    -----
    Short windows are filled at the right, where a causal model's earlier positions cannot see it. Which windows
    share a batch changes the figures by rounding alone, but it does change them: the batches are a function of
    the windows given, and of nothing else.

    A row of logits that is no distribution (NaN) gives NaN for that token.
    """
    found: list[WindowScores | None] = [None] * len(windows)
    # Windows that count from the same place on have the same logits to leave out.
    order = sorted(range(len(windows)), key=lambda n: (len(windows[n].ids), windows[n].first, n))
    batch: list[int] = []
    for n in order:
        longest = len(windows[n].ids) - 1  # ascending
        if batch and (len(batch) + 1) * longest > batch_tokens:
            _score_batch(batch, windows, model, top_k, concentration, found)
            batch = []
        batch.append(n)
    if batch:
        _score_batch(batch, windows, model, top_k, concentration, found)
    return [scores for scores in found if scores is not None]


def _score_batch(
    batch: list[int],
    windows: Sequence[Window],
    model: PreTrainedModel,
    top_k: int,
    concentration: bool,
    found: list[WindowScores | None],
) -> None:
    """Score the windows of these numbers, and put what comes out in their places."""
    chosen = [windows[n] for n in batch]
    length = max(len(window.ids) - 1 for window in chosen)
    skipped = min(window.first for window in chosen) if keeps_last_logits(model) else 0
    inputs, targets = np.zeros((2, len(chosen), length), dtype=np.int64)
    counts = np.zeros((len(chosen), length), dtype=bool)
    for row, window in enumerate(chosen):
        stop = len(window.ids) - 1
        inputs[row, :stop], targets[row, :stop] = window.ids[:-1], window.ids[1:]
        counts[row, window.first : stop] = True
    if not length or not counts.any():  # a text of one token that nothing predicts
        rows = torch.zeros(0, vocabulary_size(model))
        wanted = torch.zeros(0, dtype=torch.int64)
    else:
        with torch.inference_mode():
            keep = {"logits_to_keep": length - skipped} if skipped else {}
            logits = model(input_ids=torch.from_numpy(inputs).to(model.device), **keep).logits
            mask = torch.from_numpy(counts[:, skipped:]).to(logits.device)
            wanted = torch.from_numpy(targets[:, skipped:]).to(logits.device)[mask]
            rows = logits[mask]
            del logits
    with torch.inference_mode():
        statistics = token_statistics(rows, wanted, check_finite=False)
        values = {name: getattr(statistics, name).float().cpu().numpy() for name in FIELDS}
        ranks = rank_contributions(rows, statistics.logsumexp, top_k).cpu().numpy()
        cgf = renyi_cgf(rows, LAMBDAS, check_finite=False).float().cpu().numpy() if concentration else None
    place = 0
    for n, window in zip(batch, chosen):
        part = slice(place, place + window.scored)
        place += window.scored
        found[n] = WindowScores(
            {name: column[part] for name, column in values.items()},
            ranks[part],
            None if cgf is None else cgf[part],
        )


def rank_contributions(logits: torch.Tensor, logsumexp: torch.Tensor, top_k: int) -> torch.Tensor:
    """``-p ln p`` of the K likeliest tokens of each row, as they stand: not normalised to sum to 1.

    Moslonka, Randrianarivo, Garnier and Malherbe (2025), *Learned Hallucination Detection in Black-Box LLMs using
    Token-level Entropy Production Rate*, arXiv:2509.04492, equation 3; there in bits, here in nats.

    Parameters
    ----------
    logits : Tensor [n, V]
    logsumexp : Tensor [n]
    top_k : int
        K.

    Returns
    -------
    float32 Tensor [n, K]
        The likeliest first. 0 for ranks beyond the vocabulary and for tokens of probability 0.
    """
    inside = min(top_k, logits.shape[-1])
    log_p = logits.topk(inside, dim=-1).values.float() - logsumexp.float().unsqueeze(-1)
    contributions = torch.where(log_p.isneginf(), torch.zeros_like(log_p), -log_p.exp() * log_p)
    return torch.nn.functional.pad(contributions, (0, top_k - inside))


def vocabulary_size(model: PreTrainedModel) -> int:
    """V: how many logits the model gives for a token."""
    return int(model.config.get_text_config().vocab_size)


def keeps_last_logits(model: PreTrainedModel) -> bool:
    """Whether the model can be asked for the logits of the last positions only."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters
