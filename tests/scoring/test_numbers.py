"""The figures in the tables are those of the functions for one text."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from entropylab.detection import concentration_figures, ids_evidence, text_evidence
from entropylab.models import bits_per_byte, generate, load, score_text
from entropylab.scoring import Settings, score_corpus
from entropylab.scoring.settings import default_batch_tokens
from entropylab.scoring.statistics import FIELDS, rank_contributions, score_windows
from entropylab.scoring.windows import Tokens, windows

MODEL = "lab/arithmetic-s"


def tables(out):
    """Both tables of a run, all shards."""
    return [
        pd.concat(
            [pd.read_parquet(path) for path in sorted(out.glob(f"{name}-*.parquet"))], ignore_index=True
        )
        for name in ("documents", "tokens")
    ]


@pytest.fixture(scope="module")
def texts(loaded, sums):
    """Short and long ones, one that the model wrote, and one that it did not."""
    run = generate(*loaded, [""], max_new_tokens=60, seed=0)
    written = loaded[1].decode(run.tokens[0].tolist())
    return [sums(1 + 9 * n, n) for n in range(12)] + ["7", sums(300, 3), written, "no sum? 1+1=\n"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("numbers")
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    # Many shards and small batches: windows of several documents share them.
    settings = Settings(MODEL, context=64, stride=24, shard_documents=6, batch_tokens=200, top_k=5)
    score_corpus(path, folder / "out", settings, progress=False)
    return tables(folder / "out")


def test_tokens_are_those_of_score_text(scored, texts, loaded):
    documents, tokens = scored
    assert documents["record"].tolist() == list(range(len(texts)))
    for record, text in enumerate(texts):
        expected = score_text(text, *loaded, context=64, stride=24)
        found = tokens[tokens["record"] == record].reset_index(drop=True)
        assert found["position"].tolist() == list(range(len(expected)))
        for name in ("token_id", "start", "end"):
            assert found[name].tolist() == expected[name].tolist()
        for name in FIELDS:
            np.testing.assert_allclose(found[name], expected[name], rtol=2e-4, atol=2e-5, err_msg=name)


def test_documents_are_sums_over_their_tokens(scored, texts, loaded):
    documents, tokens = scored
    for record, text in enumerate(texts):
        row = documents.loc[record]
        of_text = tokens[tokens["record"] == record].astype(dict.fromkeys(FIELDS, "float64"))
        assert row["tokens"] == row["scored_tokens"] == len(of_text)
        assert (row["characters"], row["bytes"]) == (len(text), len(text.encode()))
        assert row["windows"] == 1 + max(0, math.ceil((len(of_text) - 64) / 24))
        assert row["surprisal_sum"] == pytest.approx(of_text["surprisal"].sum(), rel=1e-12)
        assert row["surprisal_mean"] == pytest.approx(of_text["surprisal"].mean(), rel=1e-12)
        assert row["surprisal_max"] == of_text["surprisal"].max()
        assert row["entropy_mean"] == pytest.approx(of_text["entropy"].mean(), rel=1e-12)
        assert row["entropy_max"] == of_text["entropy"].max()
        assert row["varentropy_mean"] == pytest.approx(of_text["varentropy"].mean(), rel=1e-12)
        assert row["max_probability_mean"] == pytest.approx(of_text["max_probability"].mean(), rel=1e-12)
        assert row["epr"] == pytest.approx(of_text["top_k_entropy"].mean(), rel=1e-5)
        assert row["epr_max"] == of_text["top_k_entropy"].max()
        expected = bits_per_byte(score_text(text, *loaded, context=64, stride=24), text)
        assert row["bits_per_byte"] == pytest.approx(expected, rel=1e-4)
        # K of 57 tokens: never more than the entropy, and all of it where five tokens have all the mass.
        assert (of_text["top_k_entropy"] <= of_text["entropy"] + 1e-5).all()


def test_the_test_of_a_document_is_the_concentration_test(scored, texts, loaded):
    documents, _ = scored
    model, tokenizer = loaded
    for record, text in enumerate(texts):
        row = documents.loc[record]
        if row["windows"] > 1:
            continue  # text_evidence reads a long text in other windows
        expected = concentration_figures(text_evidence(text, model, tokenizer))
        assert row["gap"] == pytest.approx(expected.gap[0], rel=1e-3, abs=1e-4)
        assert row["standardised_gap"] == pytest.approx(expected.standardised[0], rel=1e-3, abs=1e-3)
        assert row["log_e_value"] == pytest.approx(expected.log_mixture[0], rel=1e-3, abs=1e-3)
        assert row["p_value"] == pytest.approx(math.exp(-expected.log_supremum[0]), rel=1e-2)
        assert (-1 if np.isnan(row["stopping_time"]) else row["stopping_time"]) == expected.stopping_time[0]
        assert row["reject"] == (expected.stopping_time[0] >= 0)
    assert documents["reject"].iloc[-2:].tolist() == [False, True]


def test_the_running_test_of_many_windows_is_the_test_of_all_tokens(loaded, scored, texts):
    """The evidence of a long text, gathered by hand with the same windows, gives the same figures."""
    documents, _ = scored
    model, tokenizer = loaded
    record = int(documents["tokens"].idxmax())
    ids = np.asarray(tokenizer(texts[record], verbose=False)["input_ids"])
    parts = []
    for window in windows(iter([Tokens(ids, ids, ids)]), 64, 24, tokenizer.bos_token_id):
        found = ids_evidence(model, torch.from_numpy(window.ids)[None])
        parts.append([column[0, window.first :] for column in found])
    evidence = type(found)(*(torch.cat(columns) for columns in zip(*parts)))
    expected = concentration_figures(evidence)
    row = documents.loc[record]
    assert row["windows"] > 10
    assert row["standardised_gap"] == pytest.approx(expected.standardised[0], rel=1e-3)
    assert row["log_e_value"] == pytest.approx(expected.log_mixture[0], rel=1e-3)
    assert row["tokens"] == expected.length[0]


def test_rank_contributions_of_the_paper():
    """Figures of the four distributions and three ranks by hand, in nats: EPR .5978 (.8625 bits)."""
    p = torch.tensor([[0.9, 0.05, 0.03], [0.5, 0.3, 0.1], [0.4, 0.3, 0.2], [0.99, 0.005, 0.003]])
    rest = (1 - p.sum(1, keepdim=True)) / 40  # a tail of 40 tokens, less likely than the three
    logits = torch.cat([rest.expand(-1, 40), p], 1).double().log() + 3.0
    found = rank_contributions(logits, logits.logsumexp(-1), 3)
    entropies = found.sum(1)
    assert entropies.tolist() == pytest.approx([0.349807815, 0.938023941, 1.049595717, 0.053868848], abs=1e-6)
    assert entropies.mean().item() == pytest.approx(0.5978240801, abs=1e-6)
    assert entropies.mean().item() / math.log(2) == pytest.approx(0.8624778357, abs=1e-6)
    assert found.mean(0).tolist() == pytest.approx([0.204466045, 0.224665471, 0.168692564], abs=1e-6)
    assert found.max(0).values.tolist() == pytest.approx([0.366516293, 0.361191841, 0.321887582], abs=1e-6)


def test_ranks_beyond_the_vocabulary_and_impossible_tokens_are_0():
    logits = torch.tensor([[0.0, 0.0, -math.inf]])
    found = rank_contributions(logits, logits.logsumexp(-1), 5)
    assert found[0].tolist() == pytest.approx([math.log(2) / 2] * 2 + [0.0] * 3)


def test_the_ranks_of_a_document(scored):
    documents, _ = scored
    for row in documents.itertuples():
        assert len(row.rank_mean) == len(row.rank_max) == 5
        assert sum(row.rank_mean) == pytest.approx(row.epr)
        assert (np.asarray(row.rank_max) >= row.rank_mean).all()
        assert max(row.rank_max) <= math.exp(-1) + 1e-6  # -p ln p has its maximum at 1/e


def test_columns_say_their_units(tmp_path, corpus):
    score_corpus(corpus, tmp_path / "out", Settings(MODEL), progress=False)
    for name in ("documents", "tokens"):
        for field in pq.read_schema(tmp_path / "out" / f"{name}-00000.parquet"):
            assert field.metadata[b"description"], field.name


def test_what_is_switched_off_is_not_there(tmp_path, corpus):
    settings = Settings(MODEL, tokens=False, top_k=0, concentration=False)
    score_corpus(corpus, tmp_path / "out", settings, progress=False)
    assert not list((tmp_path / "out").glob("tokens*"))
    names = pq.read_schema(tmp_path / "out" / "documents-00000.parquet").names
    assert "surprisal_mean" in names
    assert not {"epr", "rank_mean", "p_value", "gap"} & set(names)


def test_padding_changes_no_more_than_rounding(loaded, sums):
    model, tokenizer = loaded
    found = []
    for batch_tokens in (1, 10_000):
        chosen = [
            window
            for n in (40, 3, 17)
            for window in windows(
                iter([Tokens(*[np.asarray(tokenizer(sums(n, n), verbose=False)["input_ids"])] * 3)]),
                128,
                64,
                0,
            )
        ]
        found.append(score_windows(chosen, model, top_k=3, concentration=True, batch_tokens=batch_tokens))
    for alone, together in zip(*found):
        for name in FIELDS:
            np.testing.assert_allclose(alone.values[name], together.values[name], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(alone.cgf, together.cgf, rtol=1e-3, atol=1e-5)


class Broken(torch.nn.Module):
    """A model that has no distribution after the token "7", and gives some tokens no chance."""

    def __init__(self, model):
        super().__init__()
        self.model, self.config, self.device = model, model.config, torch.device("cpu")
        self.seven = load(MODEL)[1]("7")["input_ids"][0]

    def forward(self, input_ids):
        output = self.model(input_ids=input_ids)
        output.logits[input_ids == self.seven] = math.nan
        output.logits[..., 20:] = -math.inf
        return output


def test_no_distribution_and_no_chance_are_seen_in_the_row_and_stop_nothing(
    tmp_path, corpus, loaded, monkeypatch
):
    from entropylab.scoring import run

    (tmp_path / "b.jsonl").write_text('{"text": "7+1=8\\n"}\n{"text": "1+1=2\\n"}\n{"text": "kk"}\n')
    monkeypatch.setattr(run, "load_model", lambda *_, **__: (Broken(loaded[0]), loaded[1]))
    summary = score_corpus(tmp_path / "b.jsonl", tmp_path / "out", Settings(MODEL), progress=False)
    documents, tokens = tables(tmp_path / "out")
    assert documents["invalid_tokens"].tolist() == [1, 0, 0]
    assert math.isnan(documents["surprisal_mean"][0])
    assert documents["p_value"].isna().tolist() == [True, False, False]
    assert math.isfinite(documents["surprisal_mean"][1])
    assert documents["surprisal_sum"][2] == math.inf
    assert documents["p_value"][2] == 0.0
    assert np.isnan(tokens["surprisal"][tokens["record"] == 0]).sum() == 1
    assert (summary.documents, summary.unfinite) == (3, 2)
    assert summary.nats_per_token == pytest.approx(documents["surprisal_mean"][1])


def test_a_first_token_that_nothing_predicts_is_null(tmp_path, loaded, monkeypatch):
    from entropylab.scoring import run

    model, tokenizer = loaded
    tokenizer = type(tokenizer).from_pretrained(tokenizer.name_or_path)
    tokenizer.bos_token = None
    monkeypatch.setattr(run, "load_model", lambda *_, **__: (model, tokenizer))
    path = tmp_path / "b.jsonl"
    path.write_text('{"text": "1+1=2\\n"}\n{"text": "7"}\n')
    score_corpus(path, tmp_path / "out", Settings(MODEL), progress=False)
    documents, tokens = tables(tmp_path / "out")
    assert documents["tokens"].tolist() == [6, 1]
    assert documents["scored_tokens"].tolist() == [5, 0]
    assert documents["surprisal_mean"].isna().tolist() == [False, True]
    assert tokens["surprisal"].isna().tolist() == [True] + [False] * 5 + [True]
    expected = score_text("1+1=2\n", model, tokenizer)
    np.testing.assert_allclose(tokens["surprisal"][1:6], expected["surprisal"][1:], rtol=1e-4)


@pytest.mark.parametrize(
    ("device", "vocabulary", "tokens"),
    [
        ("cpu", 57, 8192),
        ("cpu", 4096, 1024),
        ("cpu", 151_936, 512),
        ("cuda:1", 4096, 16_384),
        ("cuda", 10, 65_536),
    ],
)
def test_batches_have_a_size_by_device_and_vocabulary(device, vocabulary, tokens):
    assert default_batch_tokens(device, vocabulary) == tokens


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_figures(tmp_path, corpus):
    found = []
    for device in ("cpu", "cuda"):
        score_corpus(corpus, tmp_path / device, Settings(MODEL, device=device), progress=False)
        found.append(tables(tmp_path / device))
    for here, there in zip(*found):
        numbers = [name for name, kind in here.dtypes.items() if kind.kind == "f" and name != "stopping_time"]
        np.testing.assert_allclose(here[numbers], there[numbers], rtol=5e-3, atol=1e-3)
