"""Reading texts character by character with a small transformer."""

import math

import numpy as np
import pytest
import torch

from entropylab.models.character_study import (
    ALPHABET,
    Reading,
    character_losses,
    controls,
    encode,
    new_reader,
    read,
    windows,
)

SMALL = Reading(window=8, batch=4, steps=30, held_out=12, width=16, layers=1, heads=2, warmup=5)


def test_the_alphabet_and_its_numbers():
    assert len(ALPHABET) == 96
    text = "A line,\n“two” — it’s\té"
    assert "".join(ALPHABET[i] for i in encode(text)) == 'A line,\n"two" - it\'s '
    assert (encode(ALPHABET) == np.arange(96)).all()


def test_controls_keep_what_they_should():
    text = encode("the cat sat on the mat " * 50)
    shuffled = controls(text, "shuffled", 0)
    assert (np.bincount(shuffled) == np.bincount(text)).all() and (shuffled != text).any()
    random = controls(np.zeros(96_000, np.uint8), "random", 0)
    assert random.max() == 95 and abs(np.bincount(random) - 1000).max() < 200


def test_windows_are_disjoint_and_all_from_the_text():
    # Each window is one letter eight times; 54 letters stand twice.
    text = np.concatenate([np.repeat(np.arange(96), 8), np.repeat(np.arange(54), 8)]).astype(np.uint8)
    training, held_out = windows(text, SMALL, 0)
    assert training.shape == (30, 4, 8) and held_out.shape == (12, 8)
    letters = torch.cat([training.reshape(-1, 8), held_out])
    assert (letters == letters[:, :1]).all()
    assert (torch.bincount(letters[:, 0], minlength=96)[54:] <= 1).all()


def test_losses_are_causal_and_normalised():
    model = new_reader(SMALL, 0).eval()
    rows = torch.randint(0, 96, (3, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = character_losses(model, rows)
        changed = rows.clone()
        changed[:, 5] = (changed[:, 5] + 1) % 96
        after = character_losses(model, changed)
        first = torch.stack(
            [character_losses(model, torch.full((1, 8), letter))[0, 0] for letter in range(96)]
        )
    assert torch.equal(before[:, :5], after[:, :5]) and not torch.equal(before[:, 5:], after[:, 5:])
    assert torch.exp(-first).sum() == pytest.approx(1.0, abs=1e-5)


def test_a_reading_logs_the_loss_before_the_update_and_learns():
    text = encode("abcd" * 400)
    curve = read(text, SMALL, 1)
    again = read(text, SMALL, 1, stop=3)
    assert curve.losses.shape == (30,) and curve.held_out.shape == (12,)
    assert (again.losses == curve.losses[:3]).all()
    with torch.no_grad():
        start = character_losses(new_reader(SMALL, 1), windows(text, SMALL, 1)[0][0]).mean()
    assert curve.losses[0] == pytest.approx(float(start), abs=1e-6)
    assert abs(curve.losses[0] - math.log(96)) < 0.2 and curve.held_out.mean() < curve.losses[0] - 0.5


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="kind"):
        controls(np.zeros(3, np.uint8), "sorted", 0)
    with pytest.raises(ValueError, match="characters: got 100"):
        windows(np.zeros(100, np.uint8), SMALL, 0)
