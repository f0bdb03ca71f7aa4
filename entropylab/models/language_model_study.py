"""Surplus, metric and alignment in the states of a trained language model (Zhang 2025, sections 4, 6 and 7).

Nothing is known exactly here. The surplus is that of a coarse text, in which all tokens but the commonest are one
class: a probe cannot learn thousands of rare tokens from few texts, and the identity holds for the classes as well.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from entropylab.information.fisher_pullback import fisher_pullback_spectrum
from entropylab.information.probe_surplus import ProbeSurplus
from entropylab.models.source_study import other_texts, probe_future
from entropylab.statistics.representation import linear_cka


class LanguageModelStudy(NamedTuple):
    """By kind of state ("trained", "permuted", "start"): surplus about each later place, and alignment."""

    surplus: dict[str, list[ProbeSurplus]]
    cka: dict[str, float]
    spectrum: NDArray[np.float64]


def common_classes(text: Tensor, count: int) -> Tensor:
    """Number the commonest tokens, most common first; all others are the last class.

    Parameters
    ----------
    text : int64 Tensor
        Token ids.
    count : int
        Classes, at least 2.

    Returns
    -------
    int64 Tensor
        Of the same shape, 0 to count - 1.

    Raises
    ------
    ValueError
        If there are fewer than 2 classes.
    """
    if count < 2:
        raise ValueError(f"count: got {count}, allowed is 2 or more")
    frequency = torch.bincount(text.flatten())
    kept = frequency.argsort(descending=True, stable=True)[: count - 1]
    table = torch.full((len(frequency),), count - 1)
    table[kept] = torch.arange(len(kept))
    return table[text]


def states_before(model: PreTrainedModel, ids: Tensor, *, batch: int = 128) -> Tensor:
    """Last hidden states, each computed from the tokens before a token.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    ids : int64 Tensor [B, L + 1]
        The first token is context only.
    batch : int
        Texts in a pass.

    Returns
    -------
    Tensor [B, L, d]
        Entry n belongs to ``ids[:, n + 1]``: what the output matrix turns into that token's logits.
    """
    with torch.no_grad():
        parts = [
            model(input_ids=rows, output_hidden_states=True).hidden_states[-1][:, :-1]
            for rows in ids.split(batch)
        ]
    return torch.cat(parts)


def restarted(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A model of the same architecture with fresh random weights.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    seed : int

    Returns
    -------
    transformers.PreTrainedModel
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(model)(copy.deepcopy(model.config)).eval()


def study_language_model(
    model: PreTrainedModel,
    ids: Tensor,
    *,
    first: int = 0,
    classes: int = 64,
    ahead: int = 2,
    positions: int = 200,
    steps: int = 150,
    seed: int = 0,
) -> LanguageModelStudy:
    """Probe the states of a model for later classes, and look at metric and alignment.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        With a linear output matrix without bias.
    ids : int64 Tensor [B, L + 1]
        Texts, the first token context only; three quarters of them are for fitting.
    first : int
        First position that is looked at.
    classes : int
        Of the coarse text: the commonest tokens, and one for all others.
    ahead : int
        Places after the next token.
    positions : int
        Random positions for the metric; ten times as many for the alignment.
    steps : int
        Of the probes.
    seed : int
        Of probes, positions, permutations and the random start.

    Returns
    -------
    LanguageModelStudy
        Surplus about the class 1, ..., `ahead` places after the next, given the classes in between; linear CKA of the
        states and the roots of the trained model's predictions; eigenvalues of the pulled-back Fisher metric, shape
        (positions, d), largest first. "permuted": states of another text at the same place. "start": of the model with
        fresh random weights.
    """
    text = common_classes(ids[:, 1:], classes)
    trained = states_before(model, ids)
    states = {
        "trained": trained,
        "permuted": other_texts(trained, seed),
        "start": states_before(restarted(model, seed), ids),
    }
    surplus: dict[str, list[ProbeSurplus]] = {name: [] for name in states}
    for place in range(1, ahead + 1):
        baseline = None
        for name, of in states.items():
            found = probe_future(
                of, text, classes, ahead=place, first=first, steps=steps, seed=seed, baseline=baseline
            )
            surplus[name].append(found)
            baseline = found
    flat = {name: of[:, first:].flatten(0, 1) for name, of in states.items()}
    chosen = torch.randperm(len(flat["trained"]), generator=torch.Generator().manual_seed(seed))
    weight = model.get_output_embeddings().weight.detach()
    many = chosen[: 10 * positions]
    roots = (flat["trained"][many] @ weight.T).softmax(-1).sqrt().numpy()
    cka = {name: linear_cka(of[many].numpy(), roots) for name, of in flat.items()}
    values = fisher_pullback_spectrum(weight.double(), flat["trained"][chosen[:positions]].double())
    return LanguageModelStudy(surplus, cka, values.numpy())
