"""``entropylab score``."""

from __future__ import annotations

import pandas as pd
import pytest
from typer.testing import CliRunner

from entropylab import cli, scoring
from entropylab.scoring import Settings, score_corpus

MODEL = "lab/arithmetic-s"
runner = CliRunner()


def call(*arguments):
    return runner.invoke(cli.app, ["score", *map(str, arguments)])


def test_the_command_writes_tables_and_a_summary(corpus, tmp_path):
    out = tmp_path / "out"
    answer = call(corpus, "--model", MODEL, "--out", out, "--shard-documents", 10, "--top-k", 3)
    assert answer.exit_code == 0, answer.output
    lines = {line[:14].strip(): line[14:] for line in answer.output.splitlines()}
    documents = pd.concat(map(pd.read_parquet, sorted(out.glob("documents-*.parquet"))))
    tokens = sum(len(pd.read_parquet(path)) for path in out.glob("tokens-*.parquet"))
    assert lines["documents"] == "24 in 3 shards"
    assert lines["rejected"] == "3"
    assert lines["tokens"] == f"{tokens:,}"
    mean = documents["surprisal_sum"].sum() / documents["tokens"].sum()
    assert lines["nats/token"] == f"{mean:.4f}"
    bits = documents["surprisal_sum"].sum() / documents["bytes"].sum() / 0.6931471805599453
    assert lines["bits/byte"] == f"{bits:.4f}"
    assert "tokens/s" in lines["speed"]
    assert str(out / "rejected.jsonl") in answer.output.replace("\n", "")
    assert len(documents["rank_mean"].iloc[0]) == 3


def test_every_setting_has_an_option(monkeypatch, tmp_path):
    seen = []

    def score(corpus, out, settings, **options):
        seen.append((corpus, out, settings, options))
        raise ValueError("enough")

    monkeypatch.setattr(scoring, "score_corpus", score)
    given = {
        "model": "m", "revision": "r", "text_column": "t", "id_column": "i", "context": 8, "stride": 4,
        "batch_tokens": 9, "top_k": 2, "concentration": False, "alpha": 0.5, "tokens": False,
        "shard_documents": 3, "shard_bytes": 4, "device": "d", "dtype": "float16",
    }  # fmt: skip
    assert set(given) == set(Settings("m").as_dict())
    words = []
    for name, value in given.items():
        option = name.replace("_", "-")
        words += [f"--no-{option}"] if value is False else [f"--{option}", value]
    extra = ("--engine", "ray", "--workers", 2, "--threads", 3, "--no-progress")
    answer = call("c", "--out", tmp_path, *words, *extra)
    assert answer.exit_code == 2
    assert answer.output.strip() == "enough"
    ((corpus, out, settings, options),) = seen
    assert (corpus, out, settings) == ("c", tmp_path, Settings(**given))
    assert options == {"engine": "ray", "workers": 2, "threads": 3, "progress": False}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "lab/arithmetic-z"), "there is no zoo model 'lab/arithmetic-z'"),
        (("--context", 1000), "context: got 1000, allowed is 1 to 256"),
        (("--stride", 1000), "stride: got 1000"),
        (("--dtype", "int8"), "dtype: got 'int8', allowed are 'float32', 'bfloat16', 'float16'"),
        (("--alpha", 1.5), "alpha: got 1.5"),
        (("--top-k", -1), "top_k: got -1"),
        (("--shard-documents", 0), "shard_documents: got 0"),
        (("--shard-bytes", 0), "shard_bytes: got 0"),
        (("--batch-tokens", 0), "batch_tokens: got 0"),
        (("--threads", 0), "threads: got 0"),
        (("--engine", "steam"), "engine: got 'steam', allowed are 'local', 'ray'"),
        (("--workers", 2), "workers: the local engine has one process"),
    ],
)
def test_bad_arguments_are_one_sentence_and_make_no_folder(corpus, tmp_path, options, message):
    answer = call(corpus, "--model", MODEL, "--out", tmp_path / "out", *options)
    assert answer.exit_code == 2
    assert message in answer.output
    assert "Traceback" not in answer.output
    assert not (tmp_path / "out").exists()


def test_a_corpus_that_is_not_there(tmp_path):
    answer = call(tmp_path / "nowhere", "--model", MODEL, "--out", tmp_path / "out")
    assert answer.exit_code == 2
    assert "nowhere" in answer.output


def test_nothing_but_rejections_is_status_1(tmp_path, corpus):
    answer = call(corpus / "sums.jsonl", "--model", MODEL, "--out", tmp_path / "out", "--text-column", "txt")
    assert answer.exit_code == 1
    assert "No document could be scored" in answer.output
    lines = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert len(lines) == 26
    assert "the field 'txt' is missing" in lines[0]


def test_stopping_says_how_to_go_on(monkeypatch, tmp_path, corpus):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "score_corpus", stop)
    answer = call(corpus, "--model", MODEL, "--out", tmp_path / "out")
    assert answer.exit_code == 130
    assert "The same command goes on" in answer.output


def test_an_empty_corpus_is_an_empty_result(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n\n")
    summary = score_corpus(tmp_path / "a.jsonl", tmp_path / "out", Settings(MODEL), progress=False)
    assert (summary.documents, summary.shards, summary.rejected) == (0, 0, 0)
    assert (tmp_path / "out" / "rejected.jsonl").read_text() == ""


def test_the_bar_counts_records_and_tokens(corpus, tmp_path, monkeypatch):
    from entropylab.scoring import run

    bars = []

    class Bar(run.tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options | {"disable": False})
            bars.append(self)

    monkeypatch.setattr(run, "tqdm", Bar)
    score_corpus(corpus, tmp_path / "out", Settings(MODEL, shard_documents=10))
    score_corpus(corpus, tmp_path / "out", Settings(MODEL, shard_documents=10))
    assert [(bar.total, bar.n) for bar in bars] == [(27, 27), (27, 27)]
    assert "tokens/s" in bars[0].postfix
