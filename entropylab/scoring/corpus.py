"""The input: which files, how they are cut into shards, and one record after the other.

A first pass over the files counts their records and cuts them into shards, in input order, by records and bytes
alone: the cuts do not depend on the model, and the same input gives the same shards. Nothing is parsed in that pass;
what a record holds is looked at when its shard is scored.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

SUFFIXES = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet", ".txt")
_BROKEN = (OSError, EOFError, zlib.error, pa.ArrowException)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """A file of the corpus: its name in the tables, where it is, its size and its SHA-256."""

    name: str
    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Span:
    """Consecutive records of one file.

    Attributes
    ----------
    source : Source
    kind : {"lines", "rows", "text", "broken"}
        ``"broken"`` stands for one record: a file, or the rest of one, that cannot be read.
    first : int
        Number of the first line, or of the first row, counted from 1.
    offset : int
        Lines only: the byte, after decompression, where the first line begins.
    records : int
    bytes : int
        Size of the records; for rows, that of the text column as the file's metadata have it.
    reason : str
        Of a broken one: what is wrong.
    """

    source: Source
    kind: str
    first: int
    offset: int
    records: int
    bytes: int
    reason: str = ""


@dataclass(frozen=True)
class Shard:
    """Consecutive records of the corpus, which are scored and written together.

    Attributes
    ----------
    index : int
        Its number, counted from 0.
    first_record : int
        Number of its first record in the corpus, counted from 0.
    spans : tuple of Span
    """

    index: int
    first_record: int
    spans: tuple[Span, ...]

    @property
    def records(self) -> int:
        """How many records it has."""
        return sum(span.records for span in self.spans)

    @property
    def bytes(self) -> int:
        """Size of its records."""
        return sum(span.bytes for span in self.spans)


@dataclass(frozen=True)
class Document:
    """A record that can be scored."""

    record: int
    file: str
    line: int
    id: str
    text: str


@dataclass(frozen=True)
class Rejection:
    """A record that cannot be scored, and why. ``line`` is ``None`` where the whole file is meant."""

    record: int
    file: str
    line: int | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """A line of ``rejected.jsonl``."""
        return asdict(self)


def find_sources(corpus: str | Path) -> list[Source]:
    """The files of a corpus, in the order in which they are read.

    Parameters
    ----------
    corpus : str or Path
        A file, a folder (read with its subfolders, hidden files left out), or a pattern such as
        ``"part-*.jsonl.gz"``. Files end in .jsonl, .ndjson, these with .gz, .parquet or .txt.

    Returns
    -------
    list of Source
        Sorted by path. Names are relative to the folder, or to the fixed part of the pattern.

    Raises
    ------
    ValueError
        If there is nothing to read; the message says what is allowed.
    """
    place = Path(corpus)
    if place.is_dir():
        root, found = place, [path for path in place.rglob("*") if path.is_file()]
        found = [p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts)]
    elif place.is_file():
        root, found = place.parent, [place]
    else:
        found = [Path(name) for name in glob.glob(str(corpus), recursive=True) if Path(name).is_file()]
        fixed = []
        for part in place.parts[:-1]:
            if glob.has_magic(part):
                break
            fixed.append(part)
        root = Path(*fixed)
    if not found:
        raise ValueError(f"corpus: got {str(corpus)!r}, and no file, folder or pattern of files is there")
    chosen = sorted((p for p in found if p.name.endswith(SUFFIXES)), key=lambda p: p.relative_to(root).parts)
    if not chosen:
        raise ValueError(
            f"corpus: got {str(corpus)!r}, of whose {len(found)} files none ends in one of the allowed "
            f"{', '.join(SUFFIXES)}"
        )
    return [_source(path, path.relative_to(root).as_posix()) for path in chosen]


def _source(path: Path, name: str) -> Source:
    path = path.resolve()
    try:
        with path.open("rb") as stream:
            return Source(name, path, path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())
    except OSError:  # reported as a record that is rejected
        return Source(name, path, 0, "")


def plan_shards(
    sources: list[Source], text_column: str, shard_documents: int, shard_bytes: int
) -> Iterator[Shard]:
    """Cut a corpus into shards.

    Parameters
    ----------
    sources : list of Source
    text_column : str
        Whose size counts, for Parquet.
    shard_documents, shard_bytes : int
        The record that fills one of the two closes its shard.

    Yields
    ------
    Shard
        None of them is empty.
    """
    index = first_record = 0
    spans: list[Span] = []
    records = size = 0
    for span in (span for source in sources for span in _spans(source, text_column)):
        rest: Span | None = span
        while rest is not None:
            part, rest = _split(rest, shard_documents - records, shard_bytes - size)
            if spans and _adjoin(spans[-1], part):
                last = spans[-1]
                spans[-1] = replace(last, records=last.records + part.records, bytes=last.bytes + part.bytes)
            else:
                spans.append(part)
            records, size = records + part.records, size + part.bytes
            if records >= shard_documents or size >= shard_bytes:
                yield Shard(index, first_record, tuple(spans))
                index, first_record = index + 1, first_record + records
                spans, records, size = [], 0, 0
    if spans:
        yield Shard(index, first_record, tuple(spans))


def _adjoin(left: Span, right: Span) -> bool:
    """Whether two pieces of a file are one. Blank lines between two records do not count as a gap."""
    return left.source == right.source and left.kind == right.kind and left.kind in ("lines", "rows")


def _split(span: Span, records: int, size: int) -> tuple[Span, Span | None]:
    """The part of a run of equal records that still fits, at least one, and what is left."""
    each = max(1, span.bytes // span.records)
    take = min(span.records, records, max(1, -(-size // each)))
    if take == span.records:
        return span, None
    left = replace(span, records=take, bytes=each * take)
    return left, replace(
        span, first=span.first + take, records=span.records - take, bytes=max(0, span.bytes - left.bytes)
    )


def _spans(source: Source, text_column: str) -> Iterator[Span]:
    """The records of a file, as runs."""

    def broken(line: int, error: object) -> Span:
        return Span(source, "broken", line, 0, 1, 1, str(error) or type(error).__name__)

    if source.name.endswith(".txt"):
        yield Span(source, "text", 1, 0, 1, max(1, source.bytes))
    elif source.name.endswith(".parquet"):
        try:
            with pq.ParquetFile(source.path) as file:
                names = file.schema_arrow.names
                if text_column not in names:
                    yield broken(0, f"there is no column {text_column!r}; there are {', '.join(names)}")
                    return
                place = next(
                    n
                    for n in range(file.metadata.num_columns)
                    if file.metadata.schema.column(n).path.split(".")[0] == text_column
                )
                first = 1
                for number in range(file.num_row_groups):
                    group = file.metadata.row_group(number)
                    if group.num_rows:
                        size = group.column(place).total_uncompressed_size
                        yield Span(source, "rows", first, 0, group.num_rows, max(size, group.num_rows))
                    first += group.num_rows
        except _BROKEN as error:
            yield broken(0, f"the file cannot be read: {error}")
    else:
        line = 0
        try:
            with open_lines(source.path) as stream:
                offset = 0
                for line, content in enumerate(stream, 1):
                    if content.strip():
                        yield Span(source, "lines", line, offset, 1, len(content))
                    offset += len(content)
        except _BROKEN as error:
            yield broken(line + 1, f"from here on the file cannot be read: {error}")


def open_lines(path: Path) -> IO[bytes]:
    """Open a file of lines, compressed or not, for reading bytes."""
    return cast(IO[bytes], gzip.open(path) if path.name.endswith(".gz") else path.open("rb"))


class Reader:
    """Reads the records of shards.

    The file of lines that was read last stays open: in a compressed file one can only go forward, and the next
    shard begins where this one ends.

    Parameters
    ----------
    text_column : str
    id_column : str, optional
        As in the settings.
    """

    def __init__(self, text_column: str, id_column: str | None = None) -> None:
        self.text_column = text_column
        self.id_column = id_column
        self._open: tuple[Path, IO[bytes]] | None = None

    def close(self) -> None:
        """Close the file that is still open."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def records(self, shard: Shard) -> Iterator[Document | Rejection]:
        """The records of a shard, in order, each exactly once.

        Parameters
        ----------
        shard : Shard

        Yields
        ------
        Document or Rejection
        """
        number = shard.first_record
        for span in shard.spans:
            for line, content in self._contents(span):
                name = span.source.name
                text = content if isinstance(content, _Bad) else _as_text(content[0], self.text_column)
                if isinstance(text, _Bad):
                    yield Rejection(number, name, line or None, text.reason)
                else:
                    assert not isinstance(content, _Bad)
                    called = self._name(content[1], f"{name}:{line}")
                    if isinstance(called, _Bad):
                        yield Rejection(number, name, line, called.reason)
                    else:
                        yield Document(number, name, line, called, text)
                number += 1

    def _name(self, given: object, otherwise: str) -> str | _Bad:
        if self.id_column is None:
            return otherwise
        if isinstance(given, bool) or not isinstance(given, str | int):
            return _Bad(f"the field {self.id_column!r} is {_kind(given)}, not a string or an integer")
        return str(given)

    def _contents(self, span: Span) -> Iterator[tuple[int, tuple[object, object] | _Bad]]:
        """Number of the line, and (text, id) or what is wrong; as many as the span has records."""
        if span.kind == "broken":
            yield span.first, _Bad(span.reason)
            return
        read = {"lines": self._lines, "rows": self._rows, "text": self._text}[span.kind]
        given, line = 0, span.first - 1
        try:
            for line, content in read(span):
                given += 1
                yield line, content
            problem = "the file has changed: the record is gone"
        except _BROKEN as error:
            problem = f"cannot be read: {error or type(error).__name__}"
        # Each record that was counted appears, whatever happened to the file.
        for missing in range(given, span.records):
            yield line + 1 + missing - given, _Bad(problem)

    def _text(self, span: Span) -> Iterator[tuple[int, tuple[object, object] | _Bad]]:
        # A text file has nothing but its name to be called by.
        yield 1, _decoded(span.source.path.read_bytes(), lambda text: (text, span.source.name))

    def _lines(self, span: Span) -> Iterator[tuple[int, tuple[object, object] | _Bad]]:
        path = span.source.path
        if self._open is None or self._open[0] != path:
            self.close()
            self._open = path, open_lines(path)
        stream = self._open[1]
        stream.seek(span.offset)
        line, given = span.first, 0
        while given < span.records:
            content = stream.readline()
            if not content:
                return
            if content.strip():
                given += 1
                yield line, self._parsed(content)
            line += 1

    def _parsed(self, line: bytes) -> tuple[object, object] | _Bad:
        text = _decoded(line, lambda text: (text, None))
        if isinstance(text, _Bad):
            return text
        try:
            value = json.loads(str(text[0]))
        except ValueError as error:
            return _Bad(f"invalid JSON: {error}")
        except RecursionError:
            return _Bad("invalid JSON: nested too deeply")
        if not isinstance(value, dict):
            return _Bad(f"the line is {_kind(value)}, not an object")
        if self.text_column not in value:
            return _Bad(f"the field {self.text_column!r} is missing")
        if self.id_column is not None and self.id_column not in value:
            return _Bad(f"the field {self.id_column!r} is missing")
        return value[self.text_column], value[self.id_column] if self.id_column else None

    def _rows(self, span: Span) -> Iterator[tuple[int, tuple[object, object] | _Bad]]:
        first, stop = span.first - 1, span.first - 1 + span.records
        with pq.ParquetFile(span.source.path) as file:
            columns = [self.text_column]
            if self.id_column is not None and self.id_column in file.schema_arrow.names:
                columns.append(self.id_column)
            starts, groups = [0], []
            for number in range(file.num_row_groups):
                starts.append(starts[-1] + file.metadata.row_group(number).num_rows)
                if starts[-2] < stop and starts[-1] > first:
                    groups.append(number)
            row = starts[groups[0]] if groups else stop
            for batch in file.iter_batches(batch_size=64, row_groups=groups, columns=columns):
                for place in range(max(0, first - row), min(len(batch), stop - row)):
                    yield row + place + 1, self._row(batch, place)
                row += len(batch)
                if row >= stop:
                    return

    def _row(self, batch: pa.RecordBatch, place: int) -> tuple[object, object] | _Bad:
        if self.id_column is not None and self.id_column not in batch.schema.names:
            return _Bad(f"the column {self.id_column!r} is missing")
        try:
            text = batch.column(self.text_column)[place].as_py()
            called = batch.column(self.id_column)[place].as_py() if self.id_column else None
        except UnicodeDecodeError as error:
            return _Bad(f"invalid UTF-8: {error}")
        return text, called


@dataclass(frozen=True)
class _Bad:
    """Why something is not a document."""

    reason: str


def _decoded(content: bytes, then: Any) -> Any:
    try:
        return then(content.removeprefix(_BOM).decode("utf-8"))
    except UnicodeDecodeError as error:
        return _Bad(f"invalid UTF-8: {error.reason} at byte {error.start}")


def _as_text(value: object, column: str) -> str | _Bad:
    if not isinstance(value, str):
        return _Bad(f"the field {column!r} is {_kind(value)}, not a string")
    if not value:
        return _Bad("the text is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        return _Bad(f"the text has an unpaired surrogate at character {error.start}")
    return value


def _kind(value: object) -> str:
    """What a value of JSON or of a table is, in words."""
    if value is None:
        return "null"
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"of type {type(value).__name__}")
