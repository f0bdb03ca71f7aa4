"""A Kneser-Ney trigram model with full next-token distributions, as a Hugging Face causal language model.

Interpolated modified Kneser-Ney smoothing: Chen & Goodman 1999, "An empirical study of smoothing techniques
for language modeling", section 3. It is the deterministic baseline of several chapters: no training run, no
GPU, the same numbers everywhere.

The model is pruned to fit a package: a trigram that occurs fewer than ``minimum_count`` times is left out,
and its probability goes to the bigram model, so that every distribution still sums to one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import CausalLMOutput


class KneserNeyConfig(PretrainedConfig):
    """Sizes of the count tables of a :class:`KneserNeyLM`.

    Parameters
    ----------
    vocab_size : int
        V, at most 32,768 (token ids are kept in 16 bits).
    bigrams, contexts, trigrams : int
        Distinct bigrams, two-token contexts and trigrams that are kept.
    bigram_discounts, trigram_discounts : list of float
        What is taken off a count of one, two, and three or more.
    """

    model_type = "kneser_ney"

    def __init__(
        self,
        vocab_size: int = 2,
        bigrams: int = 0,
        contexts: int = 0,
        trigrams: int = 0,
        bigram_discounts: tuple[float, ...] = (0.0, 0.0, 0.0),
        trigram_discounts: tuple[float, ...] = (0.0, 0.0, 0.0),
        max_position_embeddings: int = 1_000_000,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.bigrams, self.contexts, self.trigrams = bigrams, contexts, trigrams
        self.bigram_discounts, self.trigram_discounts = list(bigram_discounts), list(trigram_discounts)
        self.max_position_embeddings = max_position_embeddings
        super().__init__(use_cache=False, **kwargs)


class KneserNeyLM(PreTrainedModel, GenerationMixin):
    """A trigram model: ``model(input_ids).logits`` are log-probabilities, shape (batch, length, V).

    The first two positions have fewer than two tokens before them; they use the bigram model, and
    the token at the left edge of a padded batch is treated like any other.
    """

    config_class = KneserNeyConfig
    main_input_name = "input_ids"
    _tied_weights_keys = None

    def __init__(self, config: KneserNeyConfig) -> None:
        super().__init__(config)
        vocabulary = config.vocab_size
        # Sparse rows in compressed form: row r holds entries offsets[r]:offsets[r + 1].
        self.register_buffer("continuations", torch.zeros(vocabulary, dtype=torch.int32))
        self.register_buffer("bigram_offsets", torch.zeros(vocabulary + 1, dtype=torch.int32))
        self.register_buffer("bigram_tokens", torch.zeros(config.bigrams, dtype=torch.int16))
        self.register_buffer("bigram_counts", torch.zeros(config.bigrams, dtype=torch.int16))
        self.register_buffer("context_keys", torch.zeros(config.contexts, dtype=torch.int32))
        self.register_buffer("context_totals", torch.zeros(config.contexts, dtype=torch.int32))
        self.register_buffer("trigram_offsets", torch.zeros(config.contexts + 1, dtype=torch.int32))
        self.register_buffer("trigram_tokens", torch.zeros(config.trigrams, dtype=torch.int16))
        self.register_buffer("trigram_counts", torch.zeros(config.trigrams, dtype=torch.uint16))
        self._tables: tuple[torch.Tensor, ...] | None = None
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Nothing is random here: the counts are loaded."""

    @property
    def device(self) -> torch.device:
        """Where the counts are."""
        return self.bigram_tokens.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the log-probabilities; the model has counts, no floating-point parameter."""
        return torch.float32

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        """Two tokens of context need no cache (asked by ``generate``)."""
        return False

    def _apply(self, *args: Any, **kwargs: Any) -> KneserNeyLM:
        self._tables = None
        return super()._apply(*args, **kwargs)

    def _probabilities(self) -> tuple[torch.Tensor, ...]:
        """Bigram model as a dense matrix (V, V), and each trigram's and context's share; built once."""
        if self._tables is None:
            config, vocabulary = self.config, self.config.vocab_size
            unigram = (
                self.continuations.double() + 1.0
            )  # one extra each: a token never seen keeps a probability
            unigram = unigram / unigram.sum()

            rows = _row_numbers(self.bigram_offsets)
            counts = self.bigram_counts.double()
            totals = torch.zeros(vocabulary, dtype=torch.float64, device=self.device).index_add_(
                0, rows, counts
            )
            share = (counts - _discount(self.bigram_counts, config.bigram_discounts)) / totals[rows]
            bigram = torch.zeros(vocabulary, vocabulary, dtype=torch.float64, device=self.device)
            bigram[rows, self.bigram_tokens.long()] = share
            bigram += (1 - bigram.sum(1, keepdim=True)) * unigram

            contexts = _row_numbers(self.trigram_offsets)
            counts = self.trigram_counts.double()
            share = (counts - _discount(self.trigram_counts, config.trigram_discounts)) / self.context_totals[
                contexts
            ]
            kept = torch.zeros(config.contexts, dtype=torch.float64, device=self.device).index_add_(
                0, contexts, share
            )
            self._tables = bigram.float(), share.float(), (1 - kept).float()
        return self._tables

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int = 0,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutput | tuple[torch.Tensor, ...]:
        """Log-probabilities of the next token after each position.

        Parameters
        ----------
        input_ids : torch.Tensor of int64, shape (batch, length)
            Token ids.
        attention_mask : torch.Tensor, optional
            Accepted for the common interface; a trigram sees two tokens only.
        labels : torch.Tensor, optional
            With them, ``loss`` is the mean surprisal of ``labels[:, 1:]`` in nats, as in other models.
        logits_to_keep : int
            Only the last positions; 0 keeps all.
        return_dict : bool, optional
            ``False`` gives a tuple.
        **kwargs
            Ignored arguments of other models (cache, positions).

        Returns
        -------
        transformers.modeling_outputs.CausalLMOutput
            ``logits``: float32, shape (batch, length, V), normalised.
        """
        batch, length = input_ids.shape
        keep = min(length, logits_to_keep) if logits_to_keep else length
        current = input_ids[:, length - keep :]
        previous = torch.nn.functional.pad(input_ids, (1, 0), value=-1)[:, length - keep : length]
        logits = self._next_token(previous.reshape(-1), current.reshape(-1)).log()
        logits = logits.view(batch, keep, self.config.vocab_size)
        loss = None
        if labels is not None:
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        output = CausalLMOutput(loss=loss, logits=logits)
        return output.to_tuple() if return_dict is False else output

    def _next_token(self, previous: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
        """p(. | previous, current), shape (n, V); ``previous`` -1 stands for none."""
        bigram, share, backoff = self._probabilities()
        probability = bigram[current]
        if self.config.contexts == 0:
            return probability
        keys = previous * self.config.vocab_size + current
        place = torch.searchsorted(self.context_keys, keys.to(torch.int32)).clamp_max(
            self.config.contexts - 1
        )
        (found,) = torch.nonzero((self.context_keys[place] == keys) & (previous >= 0), as_tuple=True)
        place = place[found]
        probability[found] *= backoff[place, None]

        starts, ends = self.trigram_offsets[place].long(), self.trigram_offsets[place + 1].long()
        sizes = ends - starts
        rows = torch.repeat_interleave(found, sizes)
        within = torch.arange(int(sizes.sum()), device=rows.device) - torch.repeat_interleave(
            sizes.cumsum(0) - sizes, sizes
        )
        entries = torch.repeat_interleave(starts, sizes) + within
        # Each (row, token) occurs once, so plain indexed addition is exact and its order does not matter.
        probability[rows, self.trigram_tokens[entries].long()] += share[entries]
        return probability

    def prepare_inputs_for_generation(self, input_ids: torch.Tensor, **kwargs: Any) -> dict[str, Any]:
        """Only the last two tokens matter (called by ``generate``)."""
        return {"input_ids": input_ids[:, -2:], "logits_to_keep": 1}


AutoConfig.register(KneserNeyConfig.model_type, KneserNeyConfig)
AutoModelForCausalLM.register(KneserNeyConfig, KneserNeyLM)


def train_kneser_ney(
    tokens: NDArray[np.integer[Any]], vocabulary: int, *, minimum_count: int = 1
) -> KneserNeyLM:
    """Count a text and build the trigram model from it.

    Parameters
    ----------
    tokens : array of int, shape (n,)
        Training text, n at least 3.
    vocabulary : int
        V, at most 32,768.
    minimum_count : int
        Trigrams seen fewer times are pruned; 1 keeps all.

    Returns
    -------
    KneserNeyLM
        Ready for use, and for ``save_pretrained``.

    Raises
    ------
    ValueError
        If the text is too short, a token is out of range, the vocabulary too large or ``minimum_count``
        below 1.
    """
    ids = np.asarray(tokens, dtype=np.int64)
    if ids.ndim != 1 or ids.size < 3:
        raise ValueError(f"tokens: got shape {ids.shape}, allowed is a flat array of at least 3 tokens")
    if not 1 <= vocabulary <= 2**15:
        raise ValueError(f"vocabulary: got {vocabulary}, allowed is 1 to {2**15}")
    if ids.min() < 0 or ids.max() >= vocabulary:
        raise ValueError(f"tokens: got ids from {ids.min()} to {ids.max()}, allowed is 0 to {vocabulary - 1}")
    if minimum_count < 1:
        raise ValueError(f"minimum_count: got {minimum_count}, allowed is 1 or more")

    trigrams, counts = np.unique(
        (ids[:-2] * vocabulary + ids[1:-1]) * vocabulary + ids[2:], return_counts=True
    )
    contexts, first = np.unique(trigrams // vocabulary, return_index=True)
    totals = np.add.reduceat(counts, first)
    # A bigram's Kneser-Ney count is the number of distinct tokens before it, not how often it occurs.
    bigrams, bigram_counts = np.unique(trigrams % vocabulary**2, return_counts=True)
    continuations = np.bincount(bigrams % vocabulary, minlength=vocabulary)

    kept = counts >= minimum_count
    kept_contexts = np.isin(contexts, trigrams[kept] // vocabulary)
    contexts, totals = contexts[kept_contexts], totals[kept_contexts]
    model = KneserNeyLM(
        KneserNeyConfig(
            vocab_size=vocabulary,
            bigrams=len(bigrams),
            contexts=len(contexts),
            trigrams=int(kept.sum()),
            bigram_discounts=_discounts(bigram_counts),
            trigram_discounts=_discounts(counts),
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    )
    tables = {
        "continuations": continuations,
        "bigram_offsets": np.searchsorted(bigrams // vocabulary, np.arange(vocabulary + 1)),
        "bigram_tokens": bigrams % vocabulary,
        "bigram_counts": bigram_counts,
        "context_keys": contexts,
        "context_totals": totals,
        "trigram_offsets": np.searchsorted(trigrams[kept] // vocabulary, np.append(contexts, vocabulary**2)),
        "trigram_tokens": trigrams[kept] % vocabulary,
        "trigram_counts": counts[kept]
        .clip(max=2**16 - 1)
        .astype(np.uint16),  # an excess falls to the backoff
    }
    for name, table in tables.items():
        getattr(model, name).copy_(torch.from_numpy(table))
    return model.eval()


def _discounts(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """Discounts for counts of 1, 2 and 3 or more (Chen & Goodman 1999, equation 17)."""
    n1, n2, n3, n4 = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not n1 or not n2 or not n3:
        return 0.5, 0.5, 0.5  # too little text to estimate them
    y = n1 / (n1 + 2 * n2)
    discounts = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    return tuple(min(max(discount, 0.0), limit) for discount, limit in zip(discounts, (1, 2, 3), strict=True))  # type: ignore[return-value]


def _discount(counts: torch.Tensor, discounts: list[float]) -> torch.Tensor:
    table = torch.tensor([0.0, *discounts], dtype=torch.float64, device=counts.device)
    return table[counts.long().clamp(0, 3)]


def _row_numbers(offsets: torch.Tensor) -> torch.Tensor:
    sizes = offsets[1:] - offsets[:-1]
    return torch.repeat_interleave(torch.arange(len(sizes), device=offsets.device), sizes)
