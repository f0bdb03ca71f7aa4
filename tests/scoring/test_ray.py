"""The same run on a Ray cluster with two workers gives the same bytes."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from entropylab import cli
from entropylab.scoring import Settings, ray_engine, score_corpus
from entropylab.scoring.corpus import find_sources, plan_shards
from entropylab.scoring.manifest import describe_model
from entropylab.scoring.run import load_model

MODEL = "lab/arithmetic-s"
with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: extra 'ray'"
)


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with one CPU each beside a head that has none: a worker can only be on one of the two."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    small = {"object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, **small)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture
def connected(cluster):
    """This process is a driver of the cluster, and stays one."""
    import ray

    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
        assert ray.is_initialized(), "a connection that was there before is left alone"
    finally:
        ray.shutdown()


@with_ray
def test_two_workers_write_what_one_machine_writes(tmp_path, corpus, connected):
    settings = Settings(MODEL, shard_documents=4)
    here = score_corpus(corpus, tmp_path / "here", settings, threads=1, progress=False)
    out = tmp_path / "there"
    there = score_corpus(corpus, out, settings, engine="ray", workers=2, progress=False)
    assert (there.documents, there.tokens, there.rejected) == (here.documents, here.tokens, here.rejected)
    assert there.nats_per_token == here.nats_per_token
    tables = sorted((tmp_path / "here").glob("*.parquet"))
    assert len(tables) == 2 * 7
    for path in tables:
        pd.testing.assert_frame_equal(
            pd.read_parquet(path), pd.read_parquet(out / path.name), check_exact=True
        )
        assert path.read_bytes() == (out / path.name).read_bytes()
    assert (out / "rejected.jsonl").read_text() == (tmp_path / "here" / "rejected.jsonl").read_text()
    assert json.loads((out / "manifest.json").read_text())["shards"] == 7


@with_ray
def test_the_command_finds_the_cluster_and_scores_what_is_missing(tmp_path, corpus, cluster, monkeypatch):
    import ray

    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    out = tmp_path / "out"
    score_corpus(corpus, out, Settings(MODEL, shard_documents=10), threads=1, progress=False)
    lost = out / "documents-00001.parquet"
    before = lost.read_bytes()
    lost.unlink()
    options = ["--model", MODEL, "--out", str(out), "--shard-documents", "10", "--engine", "ray"]
    answer = CliRunner().invoke(cli.app, ["score", str(corpus), *options])
    assert answer.exit_code == 0, answer.output
    assert "24 in 3 shards, 2 of them before" in answer.output
    assert lost.read_bytes() == before
    assert not ray.is_initialized(), "the command leaves the cluster"


@with_ray
def test_what_cannot_be_done_is_one_sentence(tmp_path, corpus, connected):
    settings = Settings(MODEL)
    # A worker that fails is one sentence, with what the worker said.
    (tmp_path / "file").write_text("no folder")
    (shard,) = plan_shards(find_sources(corpus / "text.txt"), "text", 1, 1)
    described = describe_model(*load_model(settings), settings)
    with pytest.raises(RuntimeError, match=r"^engine: a worker failed; .*kept\. \w+Error: .*file"):
        ray_engine.score_with_ray([shard], settings, tmp_path / "file", described, 1, 1, print)

    with pytest.raises(ValueError, match="threads: got 5 for a worker on cpu"):
        score_corpus(corpus, tmp_path / "room", settings, engine="ray", threads=5, progress=False)


def test_a_worker_with_another_model_refuses(tmp_path):
    described = {"name": MODEL, "revision": None, "weights_sha256": "0", "tokenizer_sha256": "0"}
    answer = ray_engine.ShardWorker({}, Settings(MODEL), tmp_path, described, 1)({"shard": 0})
    assert answer["error"].startswith("RuntimeError: model: the driver has {'name': 'lab/arithmetic-s'")


def test_without_ray_the_remedy_is_named(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RuntimeError, match=r"pip install 'entropylab-book\[ray\]'"):
        score_corpus(corpus, tmp_path / "out", Settings(MODEL), engine="ray", progress=False)
    assert not (tmp_path / "out").exists()
