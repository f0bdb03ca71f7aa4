"""Which files are read, how they are cut, and what is wrong with a record."""

from __future__ import annotations

import gzip
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entropylab.scoring.corpus import Document, Reader, Rejection, find_sources, plan_shards


def read(corpus, *, documents=1000, size=10**9, text="text", id_column=None):
    """All records of a corpus, shard by shard."""
    shards = list(plan_shards(find_sources(corpus), text, documents, size))
    reader = Reader(text, id_column)
    records = [list(reader.records(shard)) for shard in shards]
    reader.close()
    assert [shard.records for shard in shards] == [len(found) for found in records]
    assert [record.record for found in records for record in found] == list(range(sum(map(len, records))))
    return records


def flat(corpus, **arguments):
    return [record for shard in read(corpus, **arguments) for record in shard]


def reasons(path, **arguments):
    found = flat(path, **arguments)
    assert all(isinstance(record, Rejection) for record in found), found
    return [record.reason for record in found]


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path):
    for name in ("b.txt", "a/z.txt", "a/b.txt", ".hidden/c.txt", "a/.d.txt", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [source.name for source in find_sources(tmp_path)] == ["a/b.txt", "a/z.txt", "b.txt"]
    assert [source.name for source in find_sources(tmp_path / "b.txt")] == ["b.txt"]
    assert [source.name for source in find_sources(f"{tmp_path}/*/*.txt")] == ["a/b.txt", "a/z.txt"]
    assert [record.text for record in flat(tmp_path)] == ["a/b.txt", "a/z.txt", "b.txt"]


def test_nothing_to_read_is_an_error_that_says_what_can_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"corpus: got .*nowhere"):
        find_sources(tmp_path / "nowhere")
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(ValueError, match=r"1 files none ends in one of the allowed \.jsonl, .*\.parquet"):
        find_sources(tmp_path)
    with pytest.raises(ValueError, match="no file, folder or pattern"):
        find_sources(f"{tmp_path}/*.txt")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".ndjson", ".parquet"])
@pytest.mark.parametrize("cut", [{"documents": 1}, {"documents": 7}, {"size": 40}, {"size": 1}, {}])
def test_every_record_is_in_one_shard_whatever_the_format_and_the_cuts(tmp_path, suffix, cut):
    texts = [f"text {n} " * (n % 4 + 1) for n in range(23)]
    path = tmp_path / f"all{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table({"other": range(23), "text": texts}), path, row_group_size=5)
    else:
        # A blank line is no record, and the last line may lack its end.
        content = "\n".join(json.dumps({"text": text}) for text in texts).replace("\n", "\n\n", 3).encode()
        path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    shards = read(path, **cut)
    assert [record.text for shard in shards for record in shard] == texts
    if cut.get("documents") == 7:
        assert [len(shard) for shard in shards] == [7, 7, 7, 2]
    if cut in ({"size": 1}, {"documents": 1}):
        assert [len(shard) for shard in shards] == [1] * 23
    if cut == {"size": 40}:
        assert 2 < len(shards) < 23
    if not cut:
        assert len(shards) == 1


def test_the_cuts_of_a_compressed_file_are_those_of_the_file(tmp_path):
    content = b"".join(json.dumps({"text": "x" * n}).encode() + b"\n" for n in range(1, 200))
    (tmp_path / "a.jsonl").write_bytes(content)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(content))
    plain, packed = (
        [shard.records for shard in plan_shards(find_sources(tmp_path / name), "text", 50, 3000)]
        for name in ("a.jsonl", "b.jsonl.gz")
    )
    assert plain == packed
    # Shards can be read in any order, too.
    shards = list(plan_shards(find_sources(tmp_path / "b.jsonl.gz"), "text", 50, 3000))
    reader = Reader("text")
    backwards = [list(reader.records(shard)) for shard in reversed(shards)]
    lengths = [len(record.text) for shard in reversed(backwards) for record in shard]
    assert lengths == list(range(1, 200))


def test_a_shard_may_hold_many_files(tmp_path):
    for n in range(10):
        (tmp_path / f"{n}.txt").write_text(f"text {n}")
    assert [len(shard) for shard in read(tmp_path, documents=4)] == [4, 4, 2]


LINES = [
    (b'{"text": "good"', "invalid JSON: Expecting ',' delimiter"),
    (b"[1, 2]", "the line is a list, not an object"),
    (b"null", "the line is null, not an object"),
    (b'"a text"', "the line is of type str, not an object"),
    (b"{}", "the field 'text' is missing"),
    (b'{"text": null}', "the field 'text' is null, not a string"),
    (b'{"text": 3}', "the field 'text' is a number, not a string"),
    (b'{"text": true}', "the field 'text' is a truth value, not a string"),
    (b'{"text": ["a"]}', "the field 'text' is a list, not a string"),
    (b'{"text": ""}', "the text is empty"),
    (b'{"text": "ab\\ud800"}', "the text has an unpaired surrogate at character 2"),
    (b'{"text": "\xff"}', "invalid UTF-8: invalid start byte at byte 10"),
    (b"[" * 100_000, "invalid JSON: nested too deeply"),
    (b'{"text": ' + b"1" * 5000 + b"}", "invalid JSON: Exceeds the limit"),
]


@pytest.mark.parametrize(("line", "reason"), LINES, ids=range(len(LINES)))
def test_a_bad_line_is_named_and_its_neighbours_are_read(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    before, bad, after = flat(path)
    assert (before.text, after.text) == ("before", "after")
    assert isinstance(bad, Rejection)
    assert (bad.file, bad.line) == ("a.jsonl", 2)
    assert bad.reason.startswith(reason)


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a"}\n')
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfb")
    assert [record.text for record in flat(tmp_path)] == ["a", "b"]


def test_ids_are_strings_or_integers(tmp_path):
    path = tmp_path / "a.jsonl"
    values = ["one", 2, None, 3.5, True, ["x"]]
    lines = [json.dumps({"text": "t", "key": value}) for value in values]
    path.write_text("\n".join([*lines, json.dumps({"text": "t"})]))
    found = flat(path, id_column="key")
    assert [record.id for record in found[:2]] == ["one", "2"]
    assert [record.reason for record in found[2:]] == [
        "the field 'key' is null, not a string or an integer",
        "the field 'key' is a number, not a string or an integer",
        "the field 'key' is a truth value, not a string or an integer",
        "the field 'key' is a list, not a string or an integer",
        "the field 'key' is missing",
    ]
    assert [record.id for record in flat(path)] == [f"a.jsonl:{n}" for n in range(1, 8)]
    (tmp_path / "b.txt").write_text("t")
    assert flat(tmp_path / "b.txt", id_column="key")[0].id == "b.txt"


def test_bad_rows_of_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"text": ["one", None, "", "four"], "key": ["a", "b", "c", None]}).to_parquet(path)
    assert [getattr(record, "reason", "") for record in flat(path)] == [
        "",
        "the field 'text' is null, not a string",
        "the text is empty",
        "",
    ]
    assert flat(path, id_column="key")[3].reason == "the field 'key' is null, not a string or an integer"
    assert reasons(path, id_column="lock") == ["the column 'lock' is missing"] * 4
    assert reasons(path, text="words") == ["there is no column 'words'; there are text, key"]
    bad = pa.array([b"good", b"\xff\xfe"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": bad}), path)
    good, rejected = flat(path)
    assert isinstance(good, Document)
    assert rejected.reason.startswith("invalid UTF-8")
    assert rejected.line == 2
    pq.write_table(pa.table({"text": [1, 2]}), path)
    assert reasons(path) == ["the field 'text' is a number, not a string"] * 2


def test_files_that_cannot_be_read_are_one_record_each(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"not a table at all")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "c.jsonl.gz").write_bytes(b"not compressed")
    (tmp_path / "d.txt").write_text("")
    (tmp_path / "e.jsonl").write_text("")  # no line, no record
    found = reasons(tmp_path)
    assert len(found) == 4
    assert found[0].startswith("the file cannot be read: ")
    assert found[1] == "invalid UTF-8: invalid start byte at byte 0"
    assert found[2].startswith("from here on the file cannot be read: Not a gzipped file")
    assert found[3] == "the text is empty"


def test_a_compressed_file_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path):
    lines = b"".join(json.dumps({"text": f"{n} {n**9}"}).encode() + b"\n" for n in range(40_000))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-30_000])
    found = flat(path, documents=10_000)
    last = found.pop()
    assert isinstance(last, Rejection)
    assert "from here on the file cannot be read" in last.reason
    assert len(found) > 1000
    good = [record for record in found if isinstance(record, Document)]
    assert [record.text for record in good] == [f"{n} {n**9}" for n in range(len(good))]
    assert last.line == len(found) + 1


def test_a_file_that_changes_after_the_plan_loses_no_record_silently(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    (shard,) = plan_shards(find_sources(path), "text", 10, 10**6)
    path.write_text('{"text": "a"}\n')
    first, second = Reader("text").records(shard)
    assert first.text == "a"
    assert second.reason == "the file has changed: the record is gone"
    path.unlink()
    assert [record.reason[:14] for record in Reader("text").records(shard)] == ["cannot be read"] * 2
