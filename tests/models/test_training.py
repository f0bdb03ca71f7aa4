from __future__ import annotations

import dataclasses
import heapq
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from entropylab.models import checkpoints, documents, load, training
from entropylab.models.corpus import TokenStream
from entropylab.models.documents import Reader, document_names, read_documents
from entropylab.models.muon import Muon, orthogonalise
from entropylab.models.recipes import (
    Architecture,
    Recipe,
    Schedule,
    Transformer,
    Trigram,
    Vocabulary,
    parse_recipe,
    read_recipe,
    recipe_names,
)
from entropylab.models.tokenization import symbol_tokenizer

SCHEDULE = Schedule(
    seed=0,
    steps=12,
    batch=4,
    context=16,
    matrix_learning_rate=0.02,
    vector_learning_rate=0.01,
    weight_decay=0.01,
    warmup_steps=2,
    final_learning_rate_share=0.1,
    checkpoint_every=5,
)
RECIPE = Recipe(
    name="tiny",
    description="A tiny model.",
    corpus="books",
    train=("one", "two"),
    validation=("three",),
    test=("four",),
    vocabulary=Vocabulary(size=300),
    model=Transformer(Architecture(32, 64, 1, 2, 32), SCHEDULE),
)


@pytest.fixture(autouse=True)
def books(monkeypatch):
    """Books made up here: no test trains on the real ones, and none compiles."""

    def read(name, options):
        return (f"This is book {name}. The rain fell on the road to {name}.\n\n" * 60,)

    made_up = Reader("made-up books", lambda options: ["one", "two", "three", "four"], read)
    monkeypatch.setitem(documents.READERS, "books", made_up)
    monkeypatch.setattr(training.shutil, "which", lambda name: None)


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole = training.train(RECIPE, tmp_path / "whole")
    save, saved = checkpoints.save_checkpoint, []

    def save_and_die(*arguments):
        save(*arguments)
        saved.append(arguments)
        if len(saved) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        training.train(RECIPE, tmp_path / "parts")
    assert checkpoints.read_progress(tmp_path / "parts" / "checkpoint.safetensors").step == 5
    parts = training.train(RECIPE, tmp_path / "parts")
    for name, weight in load(str(whole))[0].state_dict().items():
        assert torch.equal(weight, load(str(parts))[0].state_dict()[name]), name


def test_a_run_learns_and_leaves_model_log_and_card(tmp_path):
    folder = training.train(RECIPE, tmp_path / "run")
    log = pd.read_parquet(folder / "training_log.parquet")
    assert log["step"].tolist() == list(range(12))
    assert (
        log["loss"][0] == pytest.approx(math.log(300), abs=0.3)
        and log["loss"].iloc[-1] < log["loss"][0] - 0.5
    )
    card = (folder / "MODEL_CARD.md").read_text()
    assert "xz -9" in card and "3 times" not in card and "| test" in card
    held_out = pd.read_csv(folder / "held_out.csv")
    assert held_out["document"].tolist() == ["three", "four"]
    assert not list(tmp_path.rglob("*.partial"))


def test_no_resume_starts_anew(tmp_path):
    training.train(RECIPE, tmp_path)
    (tmp_path / "stale").write_text("left over")
    training.train(RECIPE, tmp_path, resume=False)
    assert not (tmp_path / "stale").exists()


def test_a_trigram_recipe_gives_a_model_that_loads(tmp_path):
    folder = training.train(dataclasses.replace(RECIPE, model=Trigram(minimum_count=2)), tmp_path)
    model, tokenizer = load(str(folder))
    ids = torch.tensor([tokenizer("on the road")["input_ids"]])
    assert tokenizer.decode(model(input_ids=ids).logits[0, -1].argmax()) == " to"


def test_a_snapshot_is_a_model_with_a_card_of_its_own(tmp_path):
    schedule = dataclasses.replace(SCHEDULE, snapshots=(4,))
    recipe = dataclasses.replace(RECIPE, model=dataclasses.replace(RECIPE.model, schedule=schedule))
    finished, plain = training.train(recipe, tmp_path / "run"), training.train(RECIPE, tmp_path / "plain")
    early = tmp_path / "run" / "model-step4"
    facts = json.loads((early / "facts.json").read_text())
    assert facts["name"] == "lab/tiny-step4" and facts["steps"] == 4
    assert len(pd.read_parquet(early / "training_log.parquet")) == 4
    assert "stopped after 4 of 12 steps" in (early / "MODEL_CARD.md").read_text()
    weights = {
        name: load(str(folder))[0].state_dict() for name, folder in [("early", early), ("end", finished)]
    }
    assert not torch.equal(weights["early"]["model.norm.weight"], weights["end"]["model.norm.weight"])
    # Writing it does not disturb the run.
    for name, weight in load(str(plain))[0].state_dict().items():
        assert torch.equal(weight, weights["end"][name]), name


def test_products_in_bfloat16_learn_too_and_leave_float32_states(tmp_path):
    schedule = dataclasses.replace(SCHEDULE, precision="bfloat16")
    recipe = dataclasses.replace(RECIPE, model=dataclasses.replace(RECIPE.model, schedule=schedule))
    log = pd.read_parquet(training.train(recipe, tmp_path) / "training_log.parquet")
    assert log["loss"].iloc[-1] < log["loss"][0] - 0.5
    stored = load_file(tmp_path / "checkpoint.safetensors")
    assert {tensor.dtype for name, tensor in stored.items() if name.startswith("model/")} == {torch.float32}
    with pytest.raises(ValueError, match="precision: got 'float8'"):
        dataclasses.replace(SCHEDULE, precision="float8")


def test_every_recipe_is_sound_and_holds_its_documents_apart():
    assert {"code", "english-m", "english-s", "english-trigram", "english-xs"} <= set(recipe_names())
    for name in recipe_names():
        recipe = read_recipe(name)
        parts = [*recipe.train, *recipe.validation, *recipe.test]
        assert recipe.train and recipe.validation and recipe.test and recipe.good_for
        assert len(parts) == len(set(parts)) and set(parts) <= set(
            document_names(recipe.corpus, recipe.options)
        )
    whole, first, second = (read_recipe(name) for name in ("english-s", "english-s-a", "english-s-b"))
    assert whole.train == read_recipe("english-trigram").train == read_recipe("english-m").train
    assert not set(first.train) & set(second.train) and sorted(first.train + second.train) == sorted(
        whole.train
    )
    assert first.test == second.test == whole.test


def test_bad_recipes_are_refused():
    with pytest.raises(ValueError, match=r"recipe: there is no recipe 'english-q'; there are \["):
        read_recipe("english-q")
    good = {
        "corpus": "novels",
        "description": "",
        "tokenizer": {"vocabulary": 300},
        "trigram": {"minimum_count": 1},
        "validation": [],
        "test": [],
    }
    for change, message in [
        ({"validation": ["Nobody"]}, "unknown documents"),
        ({"validation": ["Woolf_Night_1919"], "test": ["Woolf_Night_1919"]}, "in both or twice"),
        ({"corpus": "songs"}, r"corpus: got 'songs', allowed are \["),
        ({"half": "c"}, "half: got 'c'"),
        ({"tokenizer": {"vocabulary": 300, "of": "english-s"}}, "exactly one"),
    ]:
        with pytest.raises(ValueError, match=message):
            parse_recipe("bad", good | change)


def test_the_python_corpus_is_the_running_interpreters_source():
    names = document_names("python", {})
    assert {"json", "heapq", "argparse"} <= set(names) and not {"test", "idlelib"} & set(names)
    json_module, heap = read_documents("python", ("json", "heapq"), {})
    assert len(json_module.texts) > 3 and any("class JSONDecoder" in text for text in json_module.texts)
    assert heap.texts == (Path(heapq.__file__).read_text(encoding="utf-8"),)


def test_symbols_of_a_task_are_tokens_and_come_back_as_they_were():
    tokenizer = symbol_tokenizer(("a", "b", " ", "then", "t"), context=32)
    ids = tokenizer("b then ta")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["b", " ", "then", " ", "t", "a"]
    assert tokenizer.decode(ids) == "b then ta"
    assert tokenizer("a?")["input_ids"] == [2, 1] and tokenizer.bos_token_id == tokenizer.eos_token_id == 0
    for symbols in (("a", "a"), ("a", "")):
        with pytest.raises(ValueError, match="symbols: got an empty or a repeated symbol"):
            symbol_tokenizer(symbols, context=32)


def test_an_epoch_reads_each_window_once_and_any_step_can_be_asked_for():
    stream = TokenStream(np.arange(1000, dtype=np.int32), batch=3, context=10, seed=1)
    epoch = [stream[step] for step in range(stream.steps_per_epoch)]
    starts = torch.cat(epoch)[:, 0]
    assert len(set(starts.tolist())) == len(starts) == stream.steps_per_epoch * 3
    assert (starts % 10 == starts[0] % 10).all() and (torch.cat(epoch).diff(dim=1) == 1).all()
    fresh = TokenStream(np.arange(1000, dtype=np.int32), batch=3, context=10, seed=1)
    assert torch.equal(fresh[5], epoch[5])
    assert not torch.equal(fresh[stream.steps_per_epoch], epoch[0])
    with pytest.raises(ValueError, match="needed are at least"):
        TokenStream(np.arange(20, dtype=np.int32), batch=3, context=10, seed=1)


def test_the_learning_rate_warms_up_and_falls_to_its_final_share():
    shares = [training.learning_rate_share(step, SCHEDULE) for step in range(SCHEDULE.steps + 1)]
    assert shares[0] == 0.5 and max(shares) == 1.0 and shares[-1] == pytest.approx(0.1)
    assert all(late <= early for early, late in zip(shares[1:], shares[2:], strict=False))


def test_the_learning_rate_can_stay_at_its_peak_and_go_down_in_a_line():
    schedule = dataclasses.replace(SCHEDULE, decay_steps=4, final_learning_rate_share=0.0)
    shares = [training.learning_rate_share(step, schedule) for step in range(schedule.steps)]
    assert shares[:2] == [0.5, 1.0] and shares[2:9] == [1.0] * 7 and shares[9:] == [0.75, 0.5, 0.25]


def test_muon_orthogonalises_and_lowers_a_loss():
    matrices = torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(0))
    for stack in (matrices, matrices.mT):
        values = torch.linalg.svdvals(orthogonalise(stack))
        assert values.min() > 0.5 and values.max() < 1.3
    weight = torch.nn.Parameter(torch.randn(4, 4, generator=torch.Generator().manual_seed(1)))
    optimizer = Muon([weight], lr=0.05)
    losses = []
    for _ in range(60):
        loss = ((weight - torch.eye(4)) ** 2).sum()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]
    with pytest.raises(ValueError, match="allowed are matrices"):
        Muon([torch.nn.Parameter(torch.zeros(3))])


def test_label_smoothing_is_that_of_torch_and_is_refused_out_of_range():
    model = training.new_model(RECIPE.model, 50)
    tokens = torch.randint(50, (3, 9), generator=torch.Generator().manual_seed(0))
    logits = model(tokens[:, :-1]).logits.flatten(0, 1)
    for smoothing in (0.0, 0.2):
        loss = training.loss_function(model, "float32", smoothing)(tokens)
        log_p, y = logits.log_softmax(-1), tokens[:, 1:].flatten()
        expected = -(1 - smoothing) * log_p.gather(1, y[:, None]).mean() - smoothing * log_p.mean()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match=r"label_smoothing: got 1.0, allowed are numbers in \[0, 1\)"):
        dataclasses.replace(SCHEDULE, label_smoothing=1.0)
