"""A small recurrent language model of symbols, trained in seconds: for sources whose entropies are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class RecurrentLM(nn.Module):
    """A gated recurrent unit with a linear head.

    The state at a token is computed from the tokens before it: the input is shifted by one, and begins with zeros.

    Parameters
    ----------
    symbols, width : int
        V and d.
    seed : int
        Of the weights.

    Raises
    ------
    ValueError
        If a size is below 1.
    """

    def __init__(self, symbols: int, width: int = 32, *, seed: int = 0) -> None:
        super().__init__()
        if symbols < 1 or width < 1:
            raise ValueError(f"symbols, width: got {symbols} and {width}, allowed are 1 or more")
        self.symbols = symbols
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.cell = nn.GRU(symbols, width, batch_first=True)
            self.head = nn.Linear(width, symbols)

    def hidden(self, text: Tensor) -> Tensor:
        """States before each token.

        Parameters
        ----------
        text : int64 Tensor [B, L]

        Returns
        -------
        Tensor [B, L, d]
            Row n depends on the tokens before token n only.
        """
        inputs = nn.functional.one_hot(text, self.symbols).to(self.head.weight.dtype)
        shifted = nn.functional.pad(inputs[:, :-1], (0, 0, 1, 0))
        states: Tensor = self.cell(shifted)[0]
        return states

    def forward(self, text: Tensor) -> Tensor:
        """Logits of each token given those before it, Tensor [B, L, V]."""
        logits: Tensor = self.head(self.hidden(text))
        return logits


def train_recurrent(
    model: RecurrentLM,
    sample: Callable[[int], Tensor],
    *,
    steps: int = 400,
    learning_rate: float = 3e-3,
    watch: Callable[[int], None] | None = None,
) -> list[float]:
    """Minimise the cross-entropy with Adam.

    Parameters
    ----------
    model : RecurrentLM
        Changed in place.
    sample : callable
        From the number of a step, 0 to steps - 1, to its batch, int64 Tensor [B, L].
    steps : int
        At least 0.
    learning_rate : float
        Above 0.
    watch : callable, optional
        Called with the number of each step before it is taken.

    Returns
    -------
    list of float
        Mean cross-entropy of each batch before its step, nats.

    Raises
    ------
    ValueError
        If ``steps`` is negative or the rate is not above 0.
    """
    if steps < 0 or not learning_rate > 0:
        raise ValueError(
            f"steps, learning_rate: got {steps} and {learning_rate}, allowed are 0 or more and above 0"
        )
    search = torch.optim.Adam(model.parameters(), lr=learning_rate)
    losses = []
    for step in range(steps):
        if watch is not None:
            watch(step)
        text = sample(step)
        loss = nn.functional.cross_entropy(model(text).flatten(0, 1), text.flatten())
        search.zero_grad()
        loss.backward()
        search.step()
        losses.append(float(loss.detach()))
    return losses
