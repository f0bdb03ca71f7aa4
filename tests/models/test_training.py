from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch

from entropylab.data.novels import Novel, novel_names
from entropylab.models import cards, checkpoints, corpus, load, training
from entropylab.models.corpus import TokenStream
from entropylab.models.muon import Muon, orthogonalise
from entropylab.models.recipes import (
    Architecture,
    Recipe,
    Schedule,
    Transformer,
    Trigram,
    parse_recipe,
    read_recipe,
    recipe_names,
)

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
    train=("one", "two"),
    validation=("three",),
    test=("four",),
    vocabulary=300,
    model=Transformer(Architecture(32, 64, 1, 2, 32), SCHEDULE),
)


@pytest.fixture(autouse=True)
def books(monkeypatch):
    """Books made up here: no test trains on the real ones, and none compiles."""

    def read(names):
        return [
            Novel(name, f"This is book {name}. The rain fell on the road to {name}.\n\n" * 60)
            for name in names
        ]

    monkeypatch.setattr(corpus, "read_novels", read)
    monkeypatch.setattr(cards, "read_novels", read)
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
    assert held_out["book"].tolist() == ["three", "four"]
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


def test_every_recipe_is_sound_and_holds_its_books_apart():
    assert {"english-s", "english-trigram"} <= set(recipe_names())
    for name in recipe_names():
        recipe = read_recipe(name)
        parts = [*recipe.train, *recipe.validation, *recipe.test]
        assert sorted(parts) == novel_names() and recipe.validation and recipe.test
    assert read_recipe("english-s").train == read_recipe("english-trigram").train


def test_bad_recipes_are_refused():
    with pytest.raises(ValueError, match=r"recipe: there is no recipe 'english-q'; there are \['english-s'"):
        read_recipe("english-q")
    good = {
        "corpus": "novels",
        "description": "",
        "tokenizer": {"vocabulary": 300},
        "trigram": {"minimum_count": 1},
    }
    for books, message in [
        ({"validation": ["Nobody"], "test": []}, "unknown books"),
        ({"validation": ["Woolf_Night_1919"], "test": ["Woolf_Night_1919"]}, "in both or twice"),
    ]:
        with pytest.raises(ValueError, match=message):
            parse_recipe("bad", good | books)


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
