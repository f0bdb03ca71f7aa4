"""One shard: read it, score it, write its tables, and last its receipt.

The receipt is what makes a shard done. It is written after the tables, each file whole or not at all, so that a run
that is killed at any moment leaves a shard either done, or to be done again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.files import atomic_write
from entropylab.models.scoring import check_window
from entropylab.scoring.corpus import Reader, Rejection, Shard
from entropylab.scoring.settings import Settings, default_batch_tokens
from entropylab.scoring.statistics import score_windows, vocabulary_size
from entropylab.scoring.tables import Tally, document_schema, token_schema, token_table
from entropylab.scoring.windows import Window, token_pieces, windows

# Rows that are gathered before they are written as a row group.
ROW_GROUP = 1 << 16
# Batches among which windows are sorted by length.
POOL_BATCHES = 8

Progress = Callable[[int, int], None]
"""Called with records and tokens that were finished since the last call."""


def receipt_path(out: Path, index: int) -> Path:
    """Where the receipt of a shard is."""
    return out / "receipts" / f"{index:05d}.json"


def table_path(out: Path, table: str, index: int) -> Path:
    """Where a table of a shard is: ``documents-00000.parquet``."""
    return out / f"{table}-{index:05d}.parquet"


def read_receipt(out: Path, index: int) -> dict[str, Any] | None:
    """The receipt of a shard that is done.

    Parameters
    ----------
    out : Path
    index : int

    Returns
    -------
    dict or None
        ``None`` if the shard has to be done: there is no receipt, or a table of it is gone or has another size.
    """
    try:
        receipt: dict[str, Any] = json.loads(receipt_path(out, index).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    for name, size in receipt["files"].items():
        path = out / name
        if not path.is_file() or path.stat().st_size != size:
            return None
    return receipt


class ShardScorer:
    """Scores shards with one model, and writes them.

    Parameters
    ----------
    model, tokenizer
        As :func:`entropylab.models.load` gives them.
    settings : Settings
    out : Path
        The folder of the run.

    Raises
    ------
    ValueError
        If context or stride do not fit the model.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: Settings, out: Path
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self.out = out
        self.context, self.stride = check_window(model, settings.context, settings.stride)
        self.batch_tokens = settings.batch_tokens or default_batch_tokens(
            settings.device, vocabulary_size(model)
        )
        self._reader = Reader(settings.text_column, settings.id_column)

    def close(self) -> None:
        """Close the input file that is still open."""
        self._reader.close()

    def score(self, shard: Shard, progress: Progress | None = None) -> dict[str, Any]:
        """Score a shard and write its files.

        Parameters
        ----------
        shard : Shard
        progress : callable, optional

        Returns
        -------
        dict
            The receipt: counts, sums, rejections, and the sizes of the files.
        """
        began = time.monotonic()
        rejected: list[dict[str, Any]] = []
        totals = {"documents": 0, "tokens": 0, "unfinite": 0, "finite_tokens": 0, "finite_bytes": 0}
        surprisal = 0.0
        documents: list[dict[str, Any]] = []
        paths = {"documents": table_path(self.out, "documents", shard.index)}
        if self.settings.tokens:
            paths["tokens"] = table_path(self.out, "tokens", shard.index)
        with ExitStack() as stack:
            token_rows = None
            if self.settings.tokens:
                token_rows = stack.enter_context(
                    _parquet_writer(paths["tokens"], token_schema(self.settings))
                )
            for tally, found in self._windows_scored(shard, rejected, progress):
                if token_rows is not None:
                    token_rows.write(found)
                if tally is not None:
                    documents.append(tally.row())
                    totals["documents"] += 1
                    totals["tokens"] += tally.tokens
                    if math.isfinite(tally.surprisal):
                        totals["finite_tokens"] += tally.scored
                        totals["finite_bytes"] += tally.bytes
                        surprisal += tally.surprisal
                    else:
                        totals["unfinite"] += 1
        with atomic_write(paths["documents"]) as partial:
            table = pa.Table.from_pylist(documents, schema=document_schema(self.settings))
            pq.write_table(table, partial, compression="zstd")
        receipt = {
            "shard": shard.index,
            "first_record": shard.first_record,
            "records": shard.records,
            **totals,
            "finite_surprisal": surprisal,
            "seconds": round(time.monotonic() - began, 3),
            "rejected": rejected,
            "files": {path.name: path.stat().st_size for path in paths.values()},
        }
        with atomic_write(receipt_path(self.out, shard.index)) as partial:
            partial.write_text(json.dumps(receipt, indent=1) + "\n", encoding="utf-8")
        return receipt

    def _windows_scored(
        self, shard: Shard, rejected: list[dict[str, Any]], progress: Progress | None
    ) -> Iterator[tuple[Tally | None, pa.Table | None]]:
        """Token rows of each window in order, and with a document's last window its tally."""
        schema = token_schema(self.settings)
        pool: list[tuple[Tally, Window]] = []
        waiting = 0

        def flush() -> Iterator[tuple[Tally | None, pa.Table | None]]:
            found = score_windows(
                [window for _, window in pool],
                self.model,
                top_k=self.settings.top_k,
                concentration=self.settings.concentration,
                batch_tokens=self.batch_tokens,
            )
            finished = 0
            for (tally, window), scores in zip(pool, found):
                rows = None
                if self.settings.tokens:
                    rows = token_table(tally.record, tally.tokens, window, scores, schema)
                tally.add(window, scores)
                finished += window.last
                yield (tally if window.last else None), rows
            if progress is not None:
                progress(finished, sum(window.scored for _, window in pool))
            pool.clear()

        for record in self._reader.records(shard):
            if isinstance(record, Rejection):
                rejected.append(record.as_dict())
                if progress is not None:
                    progress(1, 0)
                continue
            tally, empty = Tally(record, self.settings), True
            pieces = token_pieces(record.text, self.tokenizer)
            for window in windows(pieces, self.context, self.stride, self.tokenizer.bos_token_id):
                empty = False
                pool.append((tally, window))
                waiting += len(window.ids)
                if waiting >= POOL_BATCHES * self.batch_tokens:
                    yield from flush()
                    waiting = 0
            if empty:
                reason = "the text has no token"
                rejected.append(Rejection(record.record, record.file, record.line, reason).as_dict())
                if progress is not None:
                    progress(1, 0)
        if pool:
            yield from flush()


class _Rows:
    """Gathers rows into row groups, so that a shard of any length is written with the memory of one group."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._tables: list[pa.Table] = []
        self._count = 0

    def write(self, rows: pa.Table | None) -> None:
        if rows is not None:
            self._tables.append(rows)
            self._count += len(rows)
        if self._tables and (rows is None or self._count >= ROW_GROUP):
            self._writer.write_table(
                pa.concat_tables(self._tables).combine_chunks(), row_group_size=ROW_GROUP
            )
            self._tables, self._count = [], 0


@contextmanager
def _parquet_writer(path: Path, schema: pa.Schema) -> Iterator[_Rows]:
    # Numbers that count up, and floats byte by byte: half the size of the defaults, and faster to write.
    encodings = {field.name: "DELTA_BINARY_PACKED" for field in schema if field.type == pa.int64()}
    encodings |= {field.name: "BYTE_STREAM_SPLIT" for field in schema if field.type == pa.float32()}
    repeated = ["record", "token_id"]
    del encodings["record"]
    with atomic_write(path) as partial:
        with pq.ParquetWriter(
            partial, schema, compression="zstd", use_dictionary=repeated, column_encoding=encodings
        ) as writer:
            rows = _Rows(writer)
            yield rows
            rows.write(None)
