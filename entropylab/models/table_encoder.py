"""A small encoder of contexts that are given as vectors, trained on the exact loss of known next-token laws."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TableEncoder(nn.Module):
    """One hidden layer of tanh units, a bottleneck of width d, and an unembedding without bias.

    Parameters
    ----------
    inputs, symbols : int
        Length of a context's vector, and V.
    units, width : int
        Hidden units, and d.
    seed : int
        Of the weights.

    Raises
    ------
    ValueError
        If a size is below 1.
    """

    def __init__(self, inputs: int, symbols: int, *, units: int = 128, width: int = 4, seed: int = 0) -> None:
        super().__init__()
        if min(inputs, symbols, units, width) < 1:
            raise ValueError(
                f"inputs, symbols, units, width: got {inputs}, {symbols}, {units} and {width}, allowed are 1 or more"
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(nn.Linear(inputs, units), nn.Tanh(), nn.Linear(units, width))
            self.unembedding = nn.Linear(width, symbols, bias=False)

    def hidden(self, contexts: Tensor) -> Tensor:
        """States, Tensor [N, d], of contexts, Tensor [N, inputs]."""
        states: Tensor = self.encoder(contexts)
        return states

    def forward(self, contexts: Tensor) -> Tensor:
        """Logits, Tensor [N, V], of contexts, Tensor [N, inputs]."""
        logits: Tensor = self.unembedding(self.hidden(contexts))
        return logits


def train_table_encoder(
    model: TableEncoder, contexts: Tensor, laws: Tensor, *, steps: int = 1500, learning_rate: float = 1e-2
) -> list[float]:
    """Minimise the exact cross-entropy of the laws, all contexts at once, with Adam.

    Parameters
    ----------
    model : TableEncoder
        Changed in place.
    contexts : Tensor [N, inputs]
    laws : Tensor [N, V]
        The true next-token distributions; contexts are equally likely.
    steps : int
        At least 0.
    learning_rate : float
        Above 0.

    Returns
    -------
    list of float
        Loss before each step, nats.

    Raises
    ------
    ValueError
        If the lengths differ, ``steps`` is negative or the rate is not above 0.
    """
    if len(contexts) != len(laws):
        raise ValueError(
            f"contexts, laws: got {len(contexts)} and {len(laws)} rows, allowed are equal numbers"
        )
    if steps < 0 or not learning_rate > 0:
        raise ValueError(
            f"steps, learning_rate: got {steps} and {learning_rate}, allowed are 0 or more and above 0"
        )
    search = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(contexts), laws)  # accepts probabilities as targets
        search.zero_grad()
        loss.backward()
        search.step()
        losses.append(float(loss.detach()))
    return losses
