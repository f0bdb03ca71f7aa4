"""The models that ship: what their cards say is true of the files beside them."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from entropylab.models import bits_per_byte, list_models, load, model_folder, score_text
from entropylab.models.recipes import Transformer, read_recipe, recipe_names

# Written for this test: prose, and a program.
PROSE = (
    "The old house stood at the end of the lane, and nobody had lived in it for years. When the rain came in from the "
    "sea, the children of the village used to say that they could hear somebody walking about upstairs. "
)
PROGRAM = "def total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result\n"


def facts_of(name):
    return json.loads((model_folder(name) / "facts.json").read_text(encoding="utf-8"))


ENGLISH = [name for name in list_models() if facts_of(name)["corpus"] == "novels"]
NEURAL = [name for name in list_models() if (model_folder(name) / "training_log.parquet").exists()]


def test_the_family_is_there():
    sizes = ["lab/english-xs", "lab/english-s", "lab/english-m"]
    rivals = ["lab/english-s-a", "lab/english-s-b", "lab/english-s-step460", "lab/english-s-step1840"]
    assert {
        *sizes,
        *rivals,
        "lab/english-trigram",
        "lab/code",
        "lab/arithmetic-s",
        "lab/arithmetic-l",
    } <= set(list_models())
    counts = [facts_of(name)["stored_numbers"] for name in sizes]
    assert counts[0] < 300_000 < 1_000_000 < counts[1] < 1_500_000 < 5_000_000 < counts[2] < 8_000_000
    measured = [facts_of(name)["held_out"]["test"]["model"] for name in sizes]
    assert measured[0] > measured[1] > measured[2]
    assert {facts_of(name)["stored_numbers"] for name in rivals} == {counts[1]}


@pytest.mark.parametrize("name", list_models())
def test_the_facts_are_those_of_the_files(name):
    facts, folder = facts_of(name), model_folder(name)
    assert facts["name"] == name and facts["recipe"] in recipe_names()
    stored = load_file(folder / "model.safetensors")
    assert sum(tensor.size for tensor in stored.values()) == facts["stored_numbers"]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"# {name}" in card and f"{facts['stored_numbers']:,}" in card
    table = pd.read_csv(folder / "held_out.csv")
    for part, numbers in facts["held_out"].items():
        for column, value in numbers.items():
            assert table.loc[table["part"] == part, column].mean() == pytest.approx(value, abs=2e-4)
    recipe = read_recipe(facts["recipe"])
    assert isinstance(recipe.model, Transformer) or "steps" not in facts


@pytest.mark.parametrize("name", NEURAL)
def test_the_log_holds_the_loss_of_each_step_before_its_update(name):
    facts, log = facts_of(name), pd.read_parquet(model_folder(name) / "training_log.parquet")
    assert log["step"].tolist() == list(range(facts["steps"]))
    # Before the first update nothing is known, so the loss is that of a uniform guess.
    assert log["loss"][0] == pytest.approx(math.log(facts["vocabulary"]), abs=0.35)
    assert log["loss"].tail(20).mean() < 0.75 * log["loss"][0]
    assert np.isfinite(log["loss"]).all()


def test_the_english_models_share_one_tokenizer():
    vocabularies = [load(name)[1].get_vocab() for name in ENGLISH]
    assert len(ENGLISH) >= 8 and all(vocabulary == vocabularies[0] for vocabulary in vocabularies)


def test_each_knows_its_own_kind_of_text_best():
    code, english = (load(name) for name in ("lab/code", "lab/english-s"))
    prose = {
        name: bits_per_byte(score_text(PROSE, *pair), PROSE) for name, pair in (("c", code), ("e", english))
    }
    program = {
        name: bits_per_byte(score_text(PROGRAM, *pair), PROGRAM)
        for name, pair in (("c", code), ("e", english))
    }
    assert prose["e"] < prose["c"] - 0.5 and program["c"] < program["e"] - 0.5


def test_the_neural_models_beat_the_trigram_of_their_own_text():
    for name in ("lab/english-s", "lab/english-m", "lab/english-s-a", "lab/english-s-b"):
        test = facts_of(name)["held_out"]["test"]
        assert test["model"] < test["trigram"] < test["xz -9"]
