"""A run may be killed at any moment: nothing is lost, nothing is done twice, nothing is half."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from entropylab import files
from entropylab.scoring import Settings, score_corpus

MODEL = "lab/arithmetic-s"


def contents(out):
    """Every file that a finished run leaves, but for what tells the time."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_dir():
            continue
        name = path.relative_to(out).as_posix()
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            found[name] = {key: value for key, value in content.items() if key not in ("seconds", "begun")}
        else:
            found[name] = path.read_bytes()
    return found


def marks(out):
    """Which file is which, and when it was written."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*.parquet")}


def command(corpus, out, *options):
    return [
        sys.executable, "-m", "entropylab", "score", str(corpus), "--model", MODEL, "--out", str(out),
        "--threads", "1", *options,
    ]  # fmt: skip


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, sums):
    corpus = tmp_path / "corpus.jsonl"
    lines = [json.dumps({"text": sums(250, n)}) for n in range(40)]
    lines[17] = "not a record"
    corpus.write_text("\n".join(lines))
    # One shard has some 10,000 tokens: many windows, long enough to be killed in.
    settings = ("--shard-documents", "4")
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command(corpus, out, *settings), stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        # In the middle of a shard: three are done, and the next one's file is being written.
        while not (len(list((out / "receipts").glob("*.json"))) >= 3 and list(out.glob(".tokens-*.partial"))):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = {path.stem for path in (out / "receipts").glob("[0-9]*.json")}
    assert 3 <= len(done) < 10
    assert not (out / "rejected.jsonl").exists()
    before = marks(out)

    answer = subprocess.run(command(corpus, out, *settings), capture_output=True, text=True, check=True)
    assert f"{len(done)} of them before" in answer.stdout
    after = marks(out)
    for path, mark in before.items():
        if path.stem[-5:] in done:
            assert after[path] == mark, f"{path.name} was written again"
    assert not list(out.rglob("*.partial")), "what the killed run left behind is gone"

    whole = tmp_path / "whole"
    summary = score_corpus(corpus, whole, Settings(MODEL, shard_documents=4), threads=1, progress=False)
    assert (summary.shards, summary.documents, summary.rejected) == (10, 39, 1)
    assert contents(out) == contents(whole)
    assert (out / "rejected.jsonl").read_text().count("\n") == 1


def test_a_run_that_fails_at_any_write_goes_on(tmp_path, corpus, monkeypatch):
    """Before each file takes its place, in turn: manifest, tables, receipts, rejections."""
    settings = Settings(MODEL, shard_documents=10)
    whole = tmp_path / "whole"
    score_corpus(corpus, whole, settings, progress=False)
    expected = contents(whole)
    files_written = len(expected)
    replace, calls = os.replace, []
    for failing in range(files_written):
        out = tmp_path / f"failed at {failing}"
        calls.clear()

        def fail(*arguments, failing=failing):
            calls.append(arguments)
            if len(calls) == failing + 1:
                raise KeyboardInterrupt
            replace(*arguments)

        monkeypatch.setattr(files.os, "replace", fail)
        with pytest.raises(KeyboardInterrupt):
            score_corpus(corpus, out, settings, progress=False)
        monkeypatch.setattr(files.os, "replace", replace)
        before = marks(out)
        receipts = {path.stem for path in out.glob("receipts/*.json")}
        score_corpus(corpus, out, settings, progress=False)
        assert contents(out) == expected
        after = marks(out)
        assert all(after[path] == mark for path, mark in before.items() if path.stem[-5:] in receipts)


def test_a_finished_run_does_nothing(tmp_path, corpus):
    out = tmp_path / "out"
    settings = Settings(MODEL, shard_documents=10)
    first = score_corpus(corpus, out, settings, progress=False)
    before, rejected = marks(out), (out / "rejected.jsonl").read_text()
    second = score_corpus(corpus, out, settings, progress=False)
    assert marks(out) == before
    assert (out / "rejected.jsonl").read_text() == rejected
    assert second.shards_before == second.shards == first.shards == 3
    assert (second.documents, second.tokens, second.rejected) == (
        first.documents,
        first.tokens,
        first.rejected,
    )
    assert "nothing was left to score" in str(second)


def test_a_table_that_is_gone_or_cut_off_is_made_again(tmp_path, corpus):
    out = tmp_path / "out"
    settings = Settings(MODEL, shard_documents=10)
    score_corpus(corpus, out, settings, progress=False)
    expected, before = contents(out), marks(out)
    (out / "tokens-00001.parquet").unlink()
    cut = out / "documents-00002.parquet"
    cut.write_bytes(cut.read_bytes()[:-10])
    (out / "receipts" / "00000.json").write_text("{")
    summary = score_corpus(corpus, out, settings, progress=False)
    assert summary.shards_before == 0
    assert contents(out) == expected
    (out / "tokens-00001.parquet").unlink()
    again = marks(out)
    score_corpus(corpus, out, settings, progress=False)
    assert {path.name for path, mark in marks(out).items() if again.get(path) != mark} == {
        "tokens-00001.parquet",
        "documents-00001.parquet",
    }
    assert set(before) == set(again) | {out / "tokens-00001.parquet"}


def test_the_manifest_says_what_the_folder_holds(tmp_path, corpus):
    score_corpus(corpus, tmp_path / "out", Settings(MODEL), progress=False)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["model"]["name"] == MODEL
    assert len(manifest["model"]["weights_sha256"]) == len(manifest["model"]["tokenizer_sha256"]) == 64
    assert manifest["settings"]["context"] == 256
    assert manifest["settings"]["stride"] == 128
    assert manifest["settings"]["batch_tokens"] == 8192
    assert manifest["input"]["records"] == 27
    assert [file["name"] for file in manifest["input"]["files"]] == ["sums.jsonl", "text.txt"]
    assert manifest["shards"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": "lab/english-xs"},
            "name was 'lab/arithmetic-s' and is 'lab/english-xs'; weights_sha256 was",
        ),
        ({"context": 64}, "context was 256 and is 64; stride was 128 and is 32"),
        ({"tokens": False}, "tokens was True and is False"),
        ({"shard_documents": 5}, "shard_documents was 10 and is 5"),
    ],
)
def test_another_run_is_not_mixed_in(tmp_path, corpus, change, message):
    out = tmp_path / "out"
    score_corpus(corpus, out, Settings(MODEL, shard_documents=10), progress=False)
    before = contents(out)
    with pytest.raises(ValueError, match=r"^out: the run in .* was begun otherwise: ") as caught:
        score_corpus(
            corpus, out, Settings(**{"model": MODEL, "shard_documents": 10} | change), progress=False
        )
    assert message in str(caught.value)
    assert contents(out) == before


def test_another_input_is_not_mixed_in(tmp_path, corpus):
    out = tmp_path / "out"
    score_corpus(corpus, out, Settings(MODEL), progress=False)
    (corpus / "text.txt").write_text("1+1=3\n")
    with pytest.raises(ValueError, match=r"the input differs in 1 files, such as text\.txt"):
        score_corpus(corpus, out, Settings(MODEL), progress=False)


def test_another_version_of_the_package_is_not_mixed_in(tmp_path, corpus, monkeypatch):
    out = tmp_path / "out"
    score_corpus(corpus, out, Settings(MODEL), progress=False)
    monkeypatch.setattr("entropylab.__version__", "9.0")
    with pytest.raises(ValueError, match=r"entropylab was .* and is '9.0'"):
        score_corpus(corpus, out, Settings(MODEL), progress=False)


def test_a_folder_with_other_files_is_left_alone(tmp_path, corpus):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.md").write_text("chapter 1")
    with pytest.raises(ValueError, match=r"out: .* has files in it and no manifest\.json"):
        score_corpus(corpus, out, Settings(MODEL), progress=False)
    (out / "thesis.md").unlink()
    (out / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="is not a manifest"):
        score_corpus(corpus, out, Settings(MODEL), progress=False)
    with pytest.raises(ValueError, match="choose a folder outside"):
        score_corpus(corpus, corpus, Settings(MODEL), progress=False)


def test_rejections_are_in_order_and_stand_once(tmp_path, corpus):
    out = tmp_path / "out"
    score_corpus(corpus, out, Settings(MODEL, shard_documents=3), progress=False)
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    assert [(r["record"], r["file"], r["line"]) for r in rejected] == [
        (4, "sums.jsonl", 5),
        (9, "sums.jsonl", 10),
        (25, "sums.jsonl", 26),
    ]
    tables = [pd.read_parquet(path) for path in sorted(out.glob("documents-*.parquet"))]
    records = pd.concat(tables)["record"].tolist()
    assert sorted(records + [r["record"] for r in rejected]) == list(range(27))
