"""What a small transformer pays to learn a text, character by character, in one pass (Finzi et al. 2026, section 6).

Every source is read with the same alphabet, the same architecture and the same number of characters. Training and
held-out windows are drawn from one pool without replacement, so the finished model meets at the end what it was
trained on: a held-out loss from another book would be off, and that error would count for each character.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

# Line feed and the printable characters of ASCII.
ALPHABET = "\n" + "".join(map(chr, range(32, 127)))
_TYPOGRAPHIC = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "\t": " "})
SOURCES = ("english", "python", "shuffled", "random")


@dataclass(frozen=True)
class Reading:
    """How a text is read.

    Attributes
    ----------
    window : int
        Characters of a window; each of them is predicted from those before it in its window.
    batch, steps : int
        Windows of a step, and steps of the one pass.
    held_out : int
        Windows that the finished model is scored on.
    width, layers, heads : int
        Of the transformer.
    rate : float
        Of Adam, reached after `warmup` steps and then constant.
    warmup : int
    """

    window: int = 128
    batch: int = 16
    steps: int = 600
    held_out: int = 960
    width: int = 64
    layers: int = 2
    heads: int = 4
    rate: float = 3e-3
    warmup: int = 20

    @property
    def units(self) -> int:
        """Characters of a step."""
        return self.window * self.batch


class Curve(NamedTuple):
    """A reading: loss of each step before its update, and loss of each held-out window at the end, nats a character."""

    losses: NDArray[np.float64]
    held_out: NDArray[np.float64]


def encode(text: str) -> NDArray[np.uint8]:
    """Characters as numbers of :data:`ALPHABET`; typographic marks become plain ones, all others are left out.

    Parameters
    ----------
    text : str

    Returns
    -------
    array of uint8, shape (n,)
    """
    plain = np.frombuffer(text.translate(_TYPOGRAPHIC).encode("ascii", "ignore"), np.uint8)
    plain = plain[(plain == 10) | ((plain >= 32) & (plain < 127))]
    return np.where(plain == 10, 0, plain - 31).astype(np.uint8)


def controls(characters: NDArray[np.uint8], kind: str, seed: int) -> NDArray[np.uint8]:
    """The text without its order, or characters without any law.

    Parameters
    ----------
    characters : array of uint8, shape (n,)
    kind : {"shuffled", "random"}
        A permutation of the characters, or uniform draws from the alphabet.
    seed : int

    Returns
    -------
    array of uint8, shape (n,)

    Raises
    ------
    ValueError
        If there is no such control.
    """
    generator = np.random.default_rng(seed)
    if kind == "shuffled":
        return generator.permutation(characters)
    if kind == "random":
        return generator.integers(0, len(ALPHABET), characters.size, dtype=np.uint8)
    raise ValueError(f"kind: got {kind!r}, allowed are 'shuffled' and 'random'")


def windows(characters: NDArray[np.uint8], reading: Reading, seed: int) -> tuple[Tensor, Tensor]:
    """Draw windows that do not overlap, for training and for the end.

    Parameters
    ----------
    characters : array of uint8, shape (n,)
    reading : Reading
    seed : int

    Returns
    -------
    training : int64 Tensor [steps, batch, window]
    held_out : int64 Tensor [held_out, window]

    Raises
    ------
    ValueError
        If the text is too short to read every window once.
    """
    needed = reading.steps * reading.batch + reading.held_out
    count = characters.size // reading.window
    if count < needed:
        raise ValueError(
            f"characters: got {characters.size}, allowed are {needed * reading.window} or more for one pass"
        )
    rows = characters[: count * reading.window].reshape(count, reading.window)
    chosen = rows[np.random.default_rng(seed).permutation(count)[:needed]].astype(np.int64)
    drawn = torch.from_numpy(chosen)
    return drawn[reading.held_out :].reshape(reading.steps, reading.batch, -1), drawn[: reading.held_out]


def new_reader(reading: Reading, seed: int) -> LlamaForCausalLM:
    """A causal transformer over the alphabet and a start mark, with fresh weights.

    Parameters
    ----------
    reading : Reading
    seed : int

    Returns
    -------
    transformers.LlamaForCausalLM
    """
    config = LlamaConfig(
        vocab_size=len(ALPHABET) + 1,
        hidden_size=reading.width,
        intermediate_size=reading.width * 11 // 4,
        num_hidden_layers=reading.layers,
        num_attention_heads=reading.heads,
        num_key_value_heads=reading.heads,
        max_position_embeddings=reading.window,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def character_losses(model: LlamaForCausalLM, rows: Tensor) -> Tensor:
    """Surprisal of each character given those before it in its window.

    Parameters
    ----------
    model : transformers.LlamaForCausalLM
        From :func:`new_reader`.
    rows : int64 Tensor [N, window]

    Returns
    -------
    Tensor [N, window]
        Nats. The start mark is never predicted.
    """
    start = torch.full((len(rows), 1), len(ALPHABET))
    logits = model(input_ids=torch.cat([start, rows[:, :-1]], 1), use_cache=False).logits
    return cross_entropy(logits[..., : len(ALPHABET)].transpose(1, 2), rows, reduction="none")


def read(characters: NDArray[np.uint8], reading: Reading, seed: int, *, stop: int | None = None) -> Curve:
    """Train a fresh transformer in one pass over a text.

    Parameters
    ----------
    characters : array of uint8, shape (n,)
    reading : Reading
    seed : int
        Of weights and windows.
    stop : int, optional
        Stop after that many steps, to compare the beginning with an archived run.

    Returns
    -------
    Curve

    Raises
    ------
    ValueError
        If the text is too short.
    """
    training, held_out = windows(characters, reading, seed)
    model = new_reader(reading, seed).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=reading.rate, betas=(0.9, 0.95))
    losses = []
    for step, rows in enumerate(training[:stop]):
        optimizer.param_groups[0]["lr"] = reading.rate * min(1.0, (step + 1) / reading.warmup)
        loss = character_losses(model, rows).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        ends = [character_losses(model, part).double().mean(1) for part in held_out.split(64)]
    return Curve(np.array(losses), torch.cat(ends).numpy())
