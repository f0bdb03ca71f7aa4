"""The embedded tables of Natural Stories: totals of the corpus, no text, its own licence, and the models' scores."""

from __future__ import annotations

import os
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from entropylab.cognition import ReadingTimes, score_stories
from entropylab.data import list_tables, load_table, read_natural_stories
from entropylab.data.downloads import MIRROR_VARIABLE
from entropylab.models import list_models, load

TABLES = [name for name in list_tables() if name.startswith("natural_stories")]
SCORES = [name for name in TABLES if name.startswith("natural_stories_english")]


@pytest.fixture(scope="module")
def words():
    return load_table("natural_stories")


def test_totals_of_the_corpus(words):
    assert len(words) == 10_256
    assert words.groupby("story").size().tolist() == [1073, 990, 1040, 1085, 1013, 1099, 999, 980, 1038, 939]
    assert words["readers"].sum() == 848_767
    weighted = np.average(words["mean_ms"], weights=words["readers"])
    assert weighted == pytest.approx(338.23887120964883, abs=1e-9)
    assert np.exp(np.log(words["geometric_mean_ms"]).mean()) == pytest.approx(311.4080979924001, abs=1e-9)
    assert words["geometric_mean_ms"].mean() == pytest.approx(312.89946240670605, abs=1e-9)


def test_words_stand_in_reading_order(words):
    for _, story in words.groupby("story"):
        assert story["position"].tolist() == list(range(1, len(story) + 1))
    assert len(ReadingTimes(words)) == 7_795


@pytest.mark.parametrize("name", TABLES)
def test_tables_hold_numbers_only_and_carry_the_licence_of_the_corpus(name):
    table = load_table(name)
    assert "CC BY-NC-SA 4.0" in table.attrs["licence"]
    assert "Futrell" in table.attrs["source"] and "4700daad" in table.attrs["source"]
    for column in table:
        if column != "model":  # the name of a model of this project
            assert pd.api.types.is_numeric_dtype(table[column]), column
    with resources.as_file(resources.files("entropylab.data") / "tables") as folder:
        assert (folder / f"{name}.parquet").stat().st_size < 3_000_000


def test_the_licence_lies_beside_the_tables():
    text = (resources.files("entropylab.data") / "tables" / "natural_stories.LICENSE.md").read_text("utf-8")
    assert "CC BY-NC-SA 4.0" in text and "Futrell" in text
    for name in TABLES:
        assert f"`{name}.parquet`" in text or name.startswith("natural_stories_english-")


@pytest.mark.parametrize("name", SCORES)
def test_scores_obey_the_laws_of_temperature(name, words):
    table = load_table(name)
    assert len(table) == len(words)
    assert table.attrs["model"] in list_models()
    grid = sorted(float(column[2:]) for column in table if column.startswith("h_"))
    assert grid[0] > 1
    for temperature in grid:
        mixed = table["s_1"] / temperature + (1 - 1 / temperature) * table[f"h_{temperature:g}"]
        np.testing.assert_allclose(table[f"s_{temperature:g}"], mixed, rtol=1e-4)
    limit = table["subwords"] * np.log(table.attrs["vocabulary"])
    assert np.abs(table["s_1000"] / limit - 1).max() < 0.02
    mean = table["s_1"].sum() / table["subwords"].sum()
    assert table.attrs["nats_a_subword"] == pytest.approx(mean, rel=1e-4)


def test_the_table_of_gpt3_counts_the_corpus_s_tokens(words):
    table = load_table("natural_stories_davinci")
    assert len(table) == len(words)
    assert table["subwords"].sum() == 12_373
    first = words["position"].to_numpy() == 1
    # The first token of a story has no probability; no other word is without surprisal.
    assert np.all(table["s_1"][~first] > 0)
    assert 1.9 < table["s_1"].sum() / table["subwords"].sum() < 2.2


@pytest.mark.parametrize("name", SCORES)
def test_calibration_counts_every_subword_at_every_temperature(name):
    table, bins = load_table(name), load_table("natural_stories_calibration")
    bins = bins[bins["model"] == table.attrs["model"]]
    assert sorted(bins["temperature"].unique()) == [round(0.1 * step, 1) for step in range(7, 21)]
    for _, at in bins.groupby("temperature"):
        assert at["tokens"].sum() == table["subwords"].sum()
        assert at["bin"].tolist() == list(range(15))
        used = at[at["tokens"] > 0]
        assert np.all(np.ceil(used["confidence"] / used["tokens"] * 15 - 1e-6) == used["bin"] + 1)
        assert np.all(at["correct"] <= at["tokens"])
    assert (
        bins.groupby("temperature")["correct"].sum().nunique() == 1
    )  # no temperature changes the likeliest token


@pytest.mark.skipif(MIRROR_VARIABLE not in os.environ, reason="needs the corpus in a mirror")
def test_the_scores_are_those_of_the_model_on_the_corpus(words):
    corpus = read_natural_stories()
    for column in ("story", "position", "readers", "mean_ms", "geometric_mean_ms"):
        np.testing.assert_array_equal(corpus[column], words[column])
    last = corpus["story"] == 10
    scores = score_stories(corpus[last], *load("lab/english-trigram"), (1, 2))
    table = load_table("natural_stories_english-trigram")[last.to_numpy()]
    np.testing.assert_array_equal(scores.subwords, table["subwords"])
    np.testing.assert_allclose(scores.surprisal, table[["s_1", "s_2"]].T, rtol=1e-5)
