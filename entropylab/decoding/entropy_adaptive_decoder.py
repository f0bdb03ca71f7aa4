"""Two causal language models write one text, switched by entropy: Entropy Adaptive Decoding (Simonds 2025).

Each model keeps its own key-value cache. A model that takes over has not seen what the other wrote, so it first reads
those tokens in one pass: the *catch-up*. Rows of a batch switch at different times; at each step a model runs on the
rows that need it, and on no other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from transformers import Cache, DynamicLayer, PreTrainedModel

from entropylab.decoding.entropy_adaptive import EntropySwitch
from entropylab.information import entropy
from entropylab.information.validation import check_count
from entropylab.models import sample

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SwitchedText:
    """What two models wrote together, a row a text; all arrays are on the CPU.

    ``tokens`` (int64), ``large`` (who wrote it) and ``entropy`` (what the switch saw, nats) have the shape (rows,
    tokens) and count up to ``lengths``, which includes the end token; behind that they are padding. The pairs have the
    shape (rows, 2), first the small model, then the large one: ``passes`` are forward passes, ``caught_up`` the
    tokens written by the other model that had to be read in addition. Reading the prompt counts as part of a model's
    first pass.
    """

    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    large: NDArray[np.bool_]
    entropy: NDArray[np.float64]
    passes: NDArray[np.int64]
    caught_up: NDArray[np.int64]

    @property
    def written(self) -> NDArray[np.bool_]:
        """Which entries are text and not padding."""
        return np.arange(self.tokens.shape[1]) < self.lengths[:, None]

    @property
    def share(self) -> float:
        """f: share of all tokens that the large model wrote."""
        return float(self.large[self.written].mean())

    @property
    def switches(self) -> NDArray[np.int64]:
        """Changes of the writer in each text."""
        changes = self.large[:, 1:] != self.large[:, :-1]
        return (changes & self.written[:, 1:]).sum(1)

    def rows(self, which: slice | Rows) -> SwitchedText:
        """Some of the rows, for example those of one threshold."""
        return replace(self, **{field.name: getattr(self, field.name)[which] for field in fields(self)})


class EntropyAdaptiveDecoder:
    """Decode with a small and a large model that share a vocabulary, switched by entropy.

    Parameters
    ----------
    small, large : transformers.PreTrainedModel
        Two causal language models with one vocabulary and on one device; they may be the same object.
    threshold, window, min_dwell, variant, start, ties, keep_window, free_start
        The rule, see :class:`~entropylab.decoding.entropy_adaptive.EntropySwitch`; the threshold is in nats.
    monitor : {"active", "small"}
        Whose entropy is watched. "active": that of the model that runs anyway. "small": the small model runs at
        every token.
    use_cache : bool, optional
        Default: where both models can. A cache needs full attention in all layers and masks of four dimensions (eager
        or sdpa attention); without one each step reads the whole text, which any model can do.

    Raises
    ------
    ValueError
        If the vocabularies differ, or an argument is not allowed.

    Examples
    --------
    >>> decoder = EntropyAdaptiveDecoder(small, large, threshold=0.3)        # doctest: +SKIP
    >>> text = decoder.generate(input_ids, max_new_tokens=60)                # doctest: +SKIP
    >>> text.share, text.switches.mean()                                     # doctest: +SKIP

    Notes
    -----
    At the threshold's limits a model writes alone, token by token as ``model.generate(do_sample=False)`` does:
    ``+inf`` gives the small one, ``-inf`` with ``start="large"`` the large one.
    """

    def __init__(
        self,
        small: PreTrainedModel,
        large: PreTrainedModel,
        threshold: ArrayLike,
        window: int = 5,
        min_dwell: int = 10,
        *,
        variant: str = "B",
        start: str = "small",
        ties: str = "large",
        keep_window: bool = True,
        free_start: bool = True,
        monitor: str = "active",
        use_cache: bool | None = None,
    ) -> None:
        sizes = small.config.vocab_size, large.config.vocab_size
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"small, large: got vocabularies of {sizes[0]} and {sizes[1]}, allowed is one size"
            )
        if monitor not in ("active", "small"):
            raise ValueError(f"monitor: got {monitor!r}, allowed are 'active' and 'small'")
        self.switch = EntropySwitch(
            threshold, window, min_dwell, variant, start, ties, keep_window, free_start
        )
        self.models = (small, large)
        self.monitor = monitor
        self.use_cache = all(map(_can_cache, self.models)) if use_cache is None else use_cache

    @torch.inference_mode()
    def generate(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *,
        max_new_tokens: int,
        eos_token_id: int | None = None,
        mask: ArrayLike | None = None,
        uniforms: torch.Tensor | None = None,
    ) -> SwitchedText:
        """Continue prompts; greedily, or with given uniform numbers.

        Parameters
        ----------
        input_ids : torch.Tensor of int64, shape (rows, length)
            Prompts, padded on the left.
        attention_mask : torch.Tensor, shape (rows, length), optional
            0 at padding; default all 1.
        max_new_tokens : int
            Tokens at most; a text ends earlier at the end token.
        eos_token_id : int, optional
            The end token; default the small model's. -1 for none.
        mask : array_like of bool, shape (rows, max_new_tokens), optional
            Who writes each token, True for the large model; replaces the rule (for controls).
        uniforms : torch.Tensor, shape (rows, max_new_tokens), optional
            Numbers in [0, 1): sample by inverting the cumulative distribution, in place of the likeliest token.

        Returns
        -------
        SwitchedText

        Raises
        ------
        ValueError
            If a shape does not fit, or a prompt is empty or padded on the right.
        """
        tokens_at_most = check_count(max_new_tokens, "max_new_tokens")
        device = self.models[0].device
        text = _Text(input_ids.to(device), attention_mask, tokens_at_most)
        rows, shape = len(input_ids), (len(input_ids), tokens_at_most)
        router = _router(self.switch, mask, shape)
        if uniforms is not None and tuple(uniforms.shape) != shape:
            raise ValueError(f"uniforms: got shape {tuple(uniforms.shape)}, allowed is {shape}")
        end = self.models[0].config.eos_token_id if eos_token_id is None else eos_token_id
        ends = torch.tensor(end if isinstance(end, list) else [-1 if end is None else end], device=device)
        dtype = torch.promote_types(*(model.dtype for model in self.models))
        readers = [_Reader(model, text, self.use_cache, dtype) for model in self.models]

        large = np.zeros(shape, dtype=bool)
        entropies = np.zeros(shape)
        lengths = np.full(rows, tokens_at_most)
        alive = np.arange(rows)
        for token in range(tokens_at_most):
            logits = _read(readers, alive, router.large[alive])
            watched = logits if self.monitor == "active" else readers[0].logits(alive)
            entropies[alive, token] = entropy(watched).cpu().numpy()
            if router.rule.variant == "A":
                router.observe(entropies[alive, token], alive)
                changed = router.decide(alive)
                if changed.any():
                    logits[torch.from_numpy(changed).to(device)] = _read(
                        readers, alive[changed], router.large[alive[changed]]
                    )
            large[alive, token] = router.large[alive]
            new = (
                logits.argmax(-1)
                if uniforms is None
                else sample(logits.float(), uniforms[alive, token].to(device, torch.float64))
            )
            text.append(alive, new)
            if router.rule.variant == "B":
                router.observe(entropies[alive, token], alive)
            router.wrote(alive)
            if router.rule.variant == "B":
                router.decide(alive)
            ended = torch.isin(new, ends).cpu().numpy()
            lengths[alive[ended]] = token + 1
            alive = alive[~ended]
            if not len(alive):
                break
        return SwitchedText(
            tokens=text.written.cpu().numpy(),
            lengths=lengths,
            large=large,
            entropy=entropies,
            passes=np.stack([reader.passes for reader in readers], 1),
            caught_up=np.stack([reader.caught_up for reader in readers], 1),
        )


class _Router(Protocol):
    """Who writes: an entropy switch, or a mask that is given."""

    rule: EntropySwitch
    large: NDArray[np.bool_]

    def observe(self, entropy: NDArray[np.floating], rows: Rows | slice = ...) -> None: ...
    def decide(self, rows: Rows | slice = ...) -> NDArray[np.bool_]: ...
    def wrote(self, rows: Rows | slice = ...) -> None: ...


class _Mask:
    """A routing that is known beforehand, in the manner of variant B."""

    def __init__(self, rule: EntropySwitch, mask: NDArray[np.bool_]) -> None:
        self.rule = replace(rule, variant="B")
        self.mask, self.token = mask, np.zeros(len(mask), dtype=np.int64)
        self.large = mask[:, 0].copy()

    def observe(self, entropy: NDArray[np.floating], rows: Rows | slice = slice(None)) -> None:
        """The entropy does not matter here."""

    def wrote(self, rows: Rows | slice = slice(None)) -> None:
        self.token[rows] += 1

    def decide(self, rows: Rows | slice = slice(None)) -> NDArray[np.bool_]:
        before = self.large[rows].copy()
        numbers = np.arange(len(self.mask))[rows]
        self.large[numbers] = self.mask[numbers, np.minimum(self.token[numbers], self.mask.shape[1] - 1)]
        return self.large[rows] != before


def _router(rule: EntropySwitch, mask: ArrayLike | None, shape: tuple[int, int]) -> _Router:
    if mask is None:
        return rule.begin(shape[0])
    given = np.asarray(mask, dtype=bool)
    if given.shape != shape:
        raise ValueError(f"mask: got shape {given.shape}, allowed is {shape}")
    return _Mask(rule, given)


class _Text:
    """Prompts and what was written so far: all rows end in the same column, unless they have ended."""

    def __init__(self, ids: torch.Tensor, attention_mask: torch.Tensor | None, new: int) -> None:
        if ids.ndim != 2 or not ids.numel():
            raise ValueError(f"input_ids: got shape {tuple(ids.shape)}, allowed is (rows, length), not empty")
        valid = torch.ones_like(ids) if attention_mask is None else attention_mask.to(ids)
        if valid.shape != ids.shape or not bool((valid[:, -1] == 1).all()):
            raise ValueError(
                "attention_mask: allowed is the shape of input_ids, with padding on the left only"
            )
        self.prompt, self.length = ids.shape[1], ids.shape[1]
        self.ids = torch.nn.functional.pad(ids, (0, new))
        self.valid = torch.nn.functional.pad(valid, (0, new), value=1).bool()
        self.positions = (self.valid.long().cumsum(1) - 1).clamp_min(0)

    @property
    def written(self) -> torch.Tensor:
        return self.ids[:, self.prompt :]

    def append(self, rows: Rows, tokens: torch.Tensor) -> None:
        self.ids[torch.from_numpy(rows).to(self.ids.device), self.length] = tokens
        self.length += 1


class _Reader:
    """One model with its memory of every row: how far it has read, and how much it had to."""

    def __init__(self, model: PreTrainedModel, text: _Text, use_cache: bool, dtype: torch.dtype) -> None:
        self.model, self.text, self.dtype = model, text, dtype
        rows, capacity = text.ids.shape
        self.cache = _RowCache(rows, capacity) if use_cache else None
        self.seen = np.zeros(rows, dtype=np.int64)
        self.passes = np.zeros(rows, dtype=np.int64)
        self.caught_up = np.zeros(rows, dtype=np.int64)

    def logits(self, rows: Rows) -> torch.Tensor:
        """Logits of the next token, shape (len(rows), V)."""
        length = self.text.length
        fresh = self.seen[rows] < length  # asked twice for one token, a model has run once
        behind = length - self.seen[rows]
        written = length - self.text.prompt
        self.passes[rows] += fresh
        self.caught_up[rows] += np.maximum(np.minimum(behind, written) - 1, 0)
        out: torch.Tensor | None = None
        # Rows that follow read one token. Those that catch up read as many as the last of them has missed; for the
        # others some of these are known already, and are computed again to the same values.
        for group in np.unique(behind > 1):
            members = np.flatnonzero((behind > 1) == group)
            result = self._run(
                rows[members], int(behind[members].max()) if self.cache is not None else length
            )
            if out is None:
                out = result.new_empty(len(rows), result.shape[-1])
            out[torch.from_numpy(members).to(out.device)] = result
        self.seen[rows] = length
        assert out is not None
        return out

    def _run(self, rows: Rows, new: int) -> torch.Tensor:
        text, length = self.text, self.text.length
        index = torch.from_numpy(rows).to(text.ids.device)
        new = max(new, 1)
        inputs: dict[str, Any] = {
            "input_ids": text.ids[index, length - new : length],
            "position_ids": text.positions[index, length - new : length],
            "logits_to_keep": 1,
        }
        if self.cache is None:
            inputs |= {"attention_mask": text.valid[index, :length].long(), "use_cache": False}
        else:
            self.cache.select(index, length - new, length)
            mask = self._attention(index, length - new, length)
            inputs |= {"attention_mask": mask, "past_key_values": self.cache, "use_cache": True}
        return self.model(**inputs).logits[:, -1].to(self.dtype)

    def _attention(self, index: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """Additive mask (rows, 1, new, last): each token sees itself and what is valid before it."""
        columns = torch.arange(last, device=index.device)
        queries = columns[first:, None]
        seen = (columns < queries) & self.text.valid[index, None, :last] | (columns == queries)
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=index.device)
        return mask.masked_fill_(~seen, torch.finfo(self.model.dtype).min)[:, None]


def _read(readers: list[_Reader], rows: Rows, large: NDArray[np.bool_]) -> torch.Tensor:
    """Logits of the next token of each row, from the model that is chosen for it."""
    if large.all() or not large.any():
        return readers[int(large[0])].logits(rows)
    parts = [readers[which].logits(rows[large == which]) for which in (0, 1)]
    out = parts[0].new_empty(len(rows), parts[0].shape[-1])
    for which in (0, 1):
        out[torch.from_numpy(np.flatnonzero(large == which)).to(out.device)] = parts[which]
    return out


class _RowCache(Cache):
    """Keys and values of all rows in one buffer a layer, of which a pass reads and writes some rows and columns."""

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__(layer_class_to_replicate=DynamicLayer)
        self._size = rows, capacity
        self._buffers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._index: torch.Tensor | None = None  # all rows
        self._first, self._last = 0, 0

    def select(self, index: torch.Tensor, first: int, last: int) -> None:
        """The next pass is over these rows, and adds the columns ``first`` to ``last``."""
        self._index = None if len(index) == self._size[0] else index
        self._first, self._last = first, last

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep new keys and values, shape (rows, heads, new, width); return all up to the last column."""
        if layer_idx not in self._buffers:
            heads, width = key_states.shape[1], key_states.shape[3]
            self._buffers[layer_idx] = (
                key_states.new_zeros(self._size[0], heads, self._size[1], width),
                value_states.new_zeros(self._size[0], heads, self._size[1], value_states.shape[3]),
            )
        keys, values = self._buffers[layer_idx]
        rows = slice(None) if self._index is None else self._index
        keys[rows, :, self._first : self._last] = key_states
        values[rows, :, self._first : self._last] = value_states
        seen = keys[:, :, : self._last], values[:, :, : self._last]
        if self._index is None:
            return seen
        return seen[0].index_select(0, self._index), seen[1].index_select(0, self._index)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Columns before the new ones."""
        return self._first


def _can_cache(model: PreTrainedModel) -> bool:
    """Whether all layers attend to everything before, so that one buffer and one mask fit them all."""
    config = model.config
    layers = getattr(config, "layer_types", None)
    full = (
        all(kind == "full_attention" for kind in layers)
        if layers
        else not getattr(config, "sliding_window", None)
    )
    return bool(getattr(config, "use_cache", False)) and full
