"""What the states of a plainly trained encoder span (Zhang 2025, section 7).

The rival account is the softmax bottleneck (Yang et al. 2018): what a state can express is the matrix of
log-probabilities, so its leading singular vectors are what a state of few dimensions should hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import subspace_angles

from entropylab.models.table_encoder import TableEncoder, train_table_encoder
from entropylab.statistics.paired import Interval, bootstrap_items
from entropylab.statistics.representation import linear_cka

Array = NDArray[np.float64]
RANK = 3


class AlignmentStudy(NamedTuple):
    """One seed: alignments with the roots of the laws, and angles in degrees."""

    excess: float
    trained: Interval
    start: float
    permuted: float
    to_log_laws: float
    to_prototypes: float
    random_angle: float


def context_problem(seed: int, symbols: int = 12) -> tuple[Array, Array]:
    """All contexts of two tokens, and laws whose logits have rank 3 but for a little noise.

    Parameters
    ----------
    seed : int
    symbols : int
        V.

    Returns
    -------
    contexts : array of float64, shape (V^2, 2 V)
        Two one-hot vectors side by side.
    laws : array of float64, shape (V^2, V)
        ``softmax(A B' + 0.3 E)``, all entries standard normal, A of shape (V^2, 3).
    """
    generator = np.random.default_rng(seed)
    first, second = np.divmod(np.arange(symbols * symbols), symbols)
    one_hot = np.eye(symbols)
    factors = generator.normal(size=(symbols * symbols, RANK)) @ generator.normal(size=(RANK, symbols))
    logits = factors + 0.3 * generator.normal(size=factors.shape)
    laws = np.exp(logits - logits.max(1, keepdims=True))
    return np.hstack([one_hot[first], one_hot[second]]), laws / laws.sum(1, keepdims=True)


def smallest_angles(first: Array, second: Array) -> float:
    """Mean of the three smallest principal angles between the columns of two tables.

    Parameters
    ----------
    first, second : array of float, shape (n, d) and (n, k)
        d and k of at least 3.

    Returns
    -------
    float
        Degrees.
    """
    return float(np.degrees(np.sort(subspace_angles(first, second))[:RANK].mean()))


def study_alignment(seed: int, *, steps: int = 1500, resamples: int = 1000) -> AlignmentStudy:
    """Train an encoder on a problem of its own, and compare its states with both accounts.

    Parameters
    ----------
    seed : int
        Of the problem, the weights and the permutation.
    steps : int
        Of training.
    resamples : int
        Bootstrap samples of contexts.

    Returns
    -------
    AlignmentStudy
        Loss above the laws' entropy, nats; linear CKA of states and roots of the laws, trained (95 % bootstrap interval
        over contexts), at the start, and with contexts permuted; mean of the three smallest angles of the centred
        states to the leading left singular vectors of the doubly centred log-laws, and to the centred mean prototypes;
        the former angle for random tables of four columns (mean of 200).
    """
    contexts, laws = context_problem(seed)
    inputs, targets = torch.tensor(contexts, dtype=torch.float32), torch.tensor(laws, dtype=torch.float32)
    model = TableEncoder(contexts.shape[1], laws.shape[1], seed=seed)
    with torch.no_grad():
        start = model.hidden(inputs).double().numpy()
    train_table_encoder(model, inputs, targets, steps=steps)
    with torch.no_grad():
        states = model.hidden(inputs).double().numpy()
        log_p = model(inputs).double().log_softmax(-1).numpy()
    roots = np.sqrt(laws)
    generator = np.random.default_rng(seed)
    logs = np.log(laws)
    logs -= logs.mean(0)
    logs -= logs.mean(1, keepdims=True)
    leading = np.linalg.svd(logs, full_matrices=False)[0][:, :RANK]
    means = laws @ model.unembedding.weight.detach().double().numpy()
    tables = generator.normal(size=(200, len(laws), states.shape[1]))
    return AlignmentStudy(
        float((laws * (np.log(laws) - log_p)).sum(1).mean()),
        bootstrap_items(
            len(laws), lambda rows: linear_cka(states[rows], roots[rows]), draws=resamples, seed=seed
        ),
        linear_cka(start, roots),
        linear_cka(states[generator.permutation(len(states))], roots),
        smallest_angles(states - states.mean(0), leading),
        smallest_angles(states - states.mean(0), means - means.mean(0)),
        float(np.mean([smallest_angles(table, leading) for table in tables])),
    )
