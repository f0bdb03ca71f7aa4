"""The two tables: their columns, and the running sums from which a document's row is made.

A document's row takes a fixed amount of memory, however long the document: sums, maxima, and the state of the
concentration test, which is one number for each of the nine lambdas of its grid.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entropylab.detection import ConcentrationTest, TokenEvidence
from entropylab.scoring.corpus import Document
from entropylab.scoring.settings import Settings
from entropylab.scoring.statistics import WindowScores
from entropylab.scoring.windows import Window

# name, type, unit and meaning: written into the files as metadata of the columns.
_DOCUMENT = (
    ("record", pa.int64(), "number of the record in the input, from 0; rejected records are counted"),
    ("id", pa.string(), "the id column, or <file>:<line>"),
    ("file", pa.string(), "file, relative to the corpus"),
    ("line", pa.int64(), "line (JSONL) or row (Parquet) in the file, from 1"),
    ("characters", pa.int64(), "length of the text, characters"),
    ("bytes", pa.int64(), "length of the text in UTF-8, bytes"),
    ("tokens", pa.int64(), "length of the text, tokens"),
    ("scored_tokens", pa.int64(), "tokens that were predicted: all, or all but the first"),
    ("invalid_tokens", pa.int64(), "tokens for which the model gave no distribution (NaN)"),
    ("windows", pa.int32(), "windows that the text was read in"),
    ("surprisal_sum", pa.float64(), "sum of the surprisals, nats"),
    ("surprisal_mean", pa.float64(), "log-perplexity, nats per token"),
    ("surprisal_max", pa.float64(), "largest surprisal of a token, nats"),
    ("bits_per_byte", pa.float64(), "sum of the surprisals over the bytes, bits per byte"),
    ("entropy_mean", pa.float64(), "mean entropy, nats per token"),
    ("entropy_max", pa.float64(), "largest entropy, nats"),
    ("varentropy_mean", pa.float64(), "mean varentropy, nats squared per token"),
    ("max_probability_mean", pa.float64(), "mean probability of the likeliest token"),
)
_RANKS = (
    ("epr", pa.float64(), "entropy production rate: mean entropy of the K likeliest tokens, nats per token"),
    ("epr_max", pa.float64(), "largest entropy of the K likeliest tokens, nats"),
    ("rank_mean", pa.list_(pa.float64()), "mean of -p ln p by rank, nats; K numbers, the likeliest first"),
    ("rank_max", pa.list_(pa.float64()), "largest -p ln p by rank, nats; K numbers, the likeliest first"),
)
_TEST = (
    ("gap", pa.float64(), "entropy_mean - surprisal_mean, nats per token; above 0: likelier than typical"),
    ("standardised_gap", pa.float64(), "the gap in standard deviations under the model"),
    ("log_e_value", pa.float64(), "logarithm of the e-value after the last token, nats"),
    ("p_value", pa.float64(), "of 'the model wrote this', valid at any time"),
    ("reject", pa.bool_(), "whether that is rejected at the level of the settings"),
    ("stopping_time", pa.int64(), "tokens read when it was first rejected; null if never"),
)
_TOKEN = (
    ("record", pa.int64(), "number of the record in the input, as in the table of documents"),
    ("position", pa.int64(), "number of the token in its text, from 0"),
    ("token_id", pa.int32(), "id in the tokenizer's vocabulary"),
    ("start", pa.int64(), "first character of the token in the text; null without offsets"),
    ("end", pa.int64(), "character after the token; null without offsets"),
    ("surprisal", pa.float32(), "-ln p of the token, nats; null where nothing predicts it"),
    ("entropy", pa.float32(), "of the distribution that the token was drawn from, nats"),
    ("varentropy", pa.float32(), "of that distribution, nats squared"),
    ("logsumexp", pa.float32(), "of the logits"),
    ("max_probability", pa.float32(), "probability of the likeliest token"),
)
_TOKEN_RANKS = (("top_k_entropy", pa.float32(), "sum of -p ln p over the K likeliest tokens, nats"),)


def document_schema(settings: Settings) -> pa.Schema:
    """Columns of ``documents-*.parquet``; each says its unit in its metadata."""
    columns = _DOCUMENT + (_RANKS if settings.top_k else ()) + (_TEST if settings.concentration else ())
    return _schema(columns)


def token_schema(settings: Settings) -> pa.Schema:
    """Columns of ``tokens-*.parquet``; each says its unit in its metadata."""
    return _schema(_TOKEN + (_TOKEN_RANKS if settings.top_k else ()))


def _schema(columns: tuple[tuple[str, pa.DataType, str], ...]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, metadata={"description": text}) for name, kind, text in columns])


def token_table(
    record: int, position: int, window: Window, scores: WindowScores, schema: pa.Schema
) -> pa.Table:
    """Rows of the tokens that a window accounts for.

    Parameters
    ----------
    record : int
    position : int
        Number of the first of them in the text.
    window : Window
    scores : WindowScores
    schema : pa.Schema

    Returns
    -------
    pa.Table
    """
    count = len(window.tokens.ids)
    lead = count - window.scored  # the first token, where nothing predicts it
    nothing = np.arange(count) < lead
    no_offsets = window.tokens.start < 0

    def padded(values: NDArray[np.float32]) -> pa.Array:
        return pa.array(np.concatenate([np.zeros(lead, np.float32), values]), mask=nothing)

    columns: dict[str, Any] = {
        "record": np.full(count, record),
        "position": np.arange(position, position + count),
        "token_id": window.tokens.ids.astype(np.int32),
        "start": pa.array(window.tokens.start, mask=no_offsets),
        "end": pa.array(window.tokens.end, mask=no_offsets),
    }
    columns |= {name: padded(values) for name, values in scores.values.items()}
    columns["top_k_entropy"] = padded(scores.ranks.sum(axis=1, dtype=np.float32))
    return pa.table([columns[name] for name in schema.names], schema=schema)


class Tally:
    """Running sums of one document.

    Parameters
    ----------
    document : Document
        Its text is measured and not kept.
    settings : Settings
    """

    def __init__(self, document: Document, settings: Settings) -> None:
        self.bytes = len(document.text.encode())
        self._head = {
            "record": document.record,
            "id": document.id,
            "file": document.file,
            "line": document.line,
            "characters": len(document.text),
            "bytes": self.bytes,
        }
        self.record = document.record
        self.tokens = self.scored = self.invalid = self.windows = 0
        self._sums = dict.fromkeys(("surprisal", "entropy", "varentropy", "max_probability"), 0.0)
        self._max = dict.fromkeys(("surprisal", "entropy"), -math.inf)
        self._top_k = settings.top_k
        self._rank_sum, self._rank_max = np.zeros((2, settings.top_k))
        self._top_entropy_max = 0.0
        self._test = ConcentrationTest(settings.alpha) if settings.concentration else None

    def add(self, window: Window, scores: WindowScores) -> None:
        """Count the tokens of the next window.

        Parameters
        ----------
        window : Window
        scores : WindowScores
        """
        self.windows += 1
        self.tokens += len(window.tokens.ids)
        if not window.scored:
            return
        self.scored += window.scored
        invalid = int(np.isnan(scores.values["logsumexp"]).sum())
        self.invalid += invalid
        for name in self._sums:
            self._sums[name] += float(scores.values[name].sum(dtype=np.float64))
        for name, before in self._max.items():
            self._max[name] = float(np.maximum(before, scores.values[name].max()))  # keeps NaN
        if self._top_k:
            self._rank_sum += scores.ranks.sum(axis=0, dtype=np.float64)
            self._rank_max = np.maximum(self._rank_max, scores.ranks.max(axis=0))
            largest = scores.ranks.sum(axis=1, dtype=np.float32).max()
            self._top_entropy_max = float(np.maximum(self._top_entropy_max, largest))
        if self.invalid:
            self._test = None  # says nothing of a text that the model has no distribution for
        if self._test is not None and scores.cgf is not None:
            s, h, v = (scores.values[name] for name in ("surprisal", "entropy", "varentropy"))
            self._test.update(TokenEvidence(s, h, v, scores.cgf))

    @property
    def surprisal(self) -> float:
        """Sum of the surprisals so far, nats."""
        return self._sums["surprisal"]

    def row(self) -> dict[str, Any]:
        """The document's row; means and maxima are NaN where no token was scored."""
        n = self.scored

        def mean(total: float) -> float:
            return total / n if n else math.nan

        row = self._head | {
            "tokens": self.tokens,
            "scored_tokens": n,
            "invalid_tokens": self.invalid,
            "windows": self.windows,
            "surprisal_sum": self.surprisal,
            "surprisal_max": self._max["surprisal"] if n else math.nan,
            "bits_per_byte": self.surprisal / math.log(2) / self.bytes,
            "entropy_max": self._max["entropy"] if n else math.nan,
        }
        row |= {f"{name}_mean": mean(total) for name, total in self._sums.items()}
        row["epr"] = mean(float(self._rank_sum.sum()))
        row["epr_max"] = self._top_entropy_max if n else math.nan
        row["rank_mean"] = [mean(float(total)) for total in self._rank_sum]
        row["rank_max"] = self._rank_max.tolist() if n else [math.nan] * self._top_k
        if self._test is not None:
            result = self._test.result()
            row |= {
                "gap": result.gap,
                "standardised_gap": result.standardised,
                "log_e_value": self._test.log_e_value,
                "p_value": result.p_value,
                "reject": result.reject,
                "stopping_time": result.stopping_time if result.stopping_time >= 0 else None,
            }
        return row
