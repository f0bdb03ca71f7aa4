from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from entropylab.models import train_kneser_ney

V = 7


@pytest.fixture(scope="module")
def text():
    generator = np.random.default_rng(0)
    return generator.choice(V - 1, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01], size=3000)  # token 6 is never seen


def naive_kneser_ney(text, minimum_count, discounts2, discounts3):
    """p(w | u, v) by the formulas, with dictionaries."""
    trigrams = {}
    for gram in zip(text[:-2], text[1:-1], text[2:], strict=True):
        trigrams[gram] = trigrams.get(gram, 0) + 1
    before = {}
    for u, v, w in trigrams:
        before.setdefault((v, w), set()).add(u)
    continuations = [len({v for v, x in before if x == w}) for w in range(V)]
    unigram = [(count + 1) / (sum(continuations) + V) for count in continuations]

    def bigram(w, v):
        total = sum(len(s) for (x, _), s in before.items() if x == v)
        if not total:
            return unigram[w]
        shares = {
            y: (len(s) - discounts2[min(len(s), 3) - 1]) / total for (x, y), s in before.items() if x == v
        }
        return shares.get(w, 0) + (1 - sum(shares.values())) * unigram[w]

    def trigram(w, u, v):
        total = sum(count for gram, count in trigrams.items() if gram[:2] == (u, v))
        shares = {
            gram[2]: (count - discounts3[min(count, 3) - 1]) / total
            for gram, count in trigrams.items()
            if gram[:2] == (u, v) and count >= minimum_count
        }
        return shares.get(w, 0) + (1 - sum(shares.values())) * bigram(w, v)

    return trigram


@pytest.mark.parametrize("minimum_count", [1, 3, 50])
def test_every_distribution_equals_the_formulas(text, minimum_count):
    model = train_kneser_ney(text, V, minimum_count=minimum_count)
    naive = naive_kneser_ney(
        text.tolist(), minimum_count, model.config.bigram_discounts, model.config.trigram_discounts
    )
    contexts = torch.tensor(list(itertools.product(range(V), repeat=2)))
    ours = model(input_ids=contexts).logits[:, -1].exp()
    theirs = torch.tensor([[naive(w, u, v) for w in range(V)] for u, v in contexts.tolist()])
    assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-6)


def test_distributions_are_normalised_and_nothing_is_impossible(text):
    model = train_kneser_ney(text, V, minimum_count=2)
    ids = torch.from_numpy(np.random.default_rng(1).integers(V, size=(4, 30)))
    logits = model(input_ids=ids).logits
    assert torch.isfinite(logits).all()
    assert logits.exp().sum(-1).numpy() == pytest.approx(1, abs=1e-5)


def test_pruning_costs_likelihood_but_little(text):
    held_out = torch.from_numpy(
        np.random.default_rng(2).choice(6, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01], size=(1, 500))
    )
    full, pruned = (
        train_kneser_ney(text, V, minimum_count=n)(input_ids=held_out, labels=held_out).loss for n in (1, 3)
    )
    assert abs(full - pruned) < 0.05


def test_it_learns_what_a_bigram_cannot_see():
    pattern = np.tile([0, 1, 2, 0, 1, 3, 4, 1, 5], 200)  # after "0 1": 2 or 3; after "4 1": always 5
    model = train_kneser_ney(pattern, 6)
    after = model(input_ids=torch.tensor([[4, 1], [0, 1]])).logits[:, -1].exp()
    assert after[0, 5] > 0.95 and after[1, 5] < 0.05


def test_a_saved_model_comes_back_the_same(text, tmp_path):
    model = train_kneser_ney(text, V, minimum_count=2)
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = torch.tensor([[1, 2, 3, 0, 6, 6, 1]])
    assert (tmp_path / "model.safetensors").is_file()
    assert torch.equal(model(input_ids=ids).logits, again(input_ids=ids).logits)


def test_last_positions_only_equals_the_full_pass(text):
    model = train_kneser_ney(text, V)
    ids = torch.tensor([[1, 2, 3, 0, 1]])
    full = model(input_ids=ids).logits
    for keep in (1, 2, 5, 9):
        assert torch.equal(model(input_ids=ids, logits_to_keep=keep).logits, full[:, -min(keep, 5) :])


def test_generate_of_transformers_works(text):
    model = train_kneser_ney(text, V)
    ids = model.generate(torch.tensor([[1, 2]]), do_sample=True, max_new_tokens=5, min_new_tokens=5)
    assert ids.shape == (1, 7)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"tokens": np.array([1, 2])}, "tokens"),
        ({"tokens": np.array([1, 2, 9])}, "tokens"),
        ({"tokens": np.array([1, -1, 2])}, "tokens"),
        ({"vocabulary": 2**15 + 1}, "vocabulary"),
        ({"minimum_count": 0}, "minimum_count"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        train_kneser_ney(**{"tokens": np.array([0, 1, 2, 0]), "vocabulary": V} | arguments)
