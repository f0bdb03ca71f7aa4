from __future__ import annotations

import pytest
import torch

from entropylab.information.probe_surplus import probe_surplus


def case(rows=6000, seed=0):
    """A target that is the exclusive or of the seen bit and a hidden bit, flipped in a tenth of the rows."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(2, (3, rows), generator=generator)
    flip = (torch.rand(rows, generator=generator) < 0.1).long()
    return bits[0], bits[1], bits[0] ^ bits[1] ^ flip, torch.arange(rows) < rows // 2


def test_it_finds_what_only_the_hidden_state_knows():
    seen, secret, target, fitted = case()
    hidden = torch.stack([secret.float(), torch.zeros(len(secret))], 1)
    found = probe_surplus(hidden, seen[:, None], target, fitted, symbols=2)
    # ln 2 without the secret, the entropy of the flip with it.
    assert found.without == pytest.approx(0.6931, abs=0.01)
    assert found.with_hidden == pytest.approx(0.3251, abs=0.03)
    assert found.surplus == pytest.approx(found.without - found.with_hidden)
    assert found.losses_without.shape == found.losses_with.shape == (3000,)
    assert found.losses_with.mean().item() == pytest.approx(found.with_hidden, abs=1e-6)
    again = probe_surplus(hidden, seen[:, None], target, fitted, symbols=2, baseline=found)
    assert again.surplus == found.surplus
    assert again.losses_without is found.losses_without


def test_a_state_of_other_rows_and_a_copy_of_what_is_seen_have_no_surplus():
    seen, secret, target, fitted = case()
    other = secret[torch.randperm(len(secret), generator=torch.Generator().manual_seed(3))]
    for hidden in (other, seen):
        found = probe_surplus(hidden[:, None].float(), seen[:, None], target, fitted, symbols=2)
        assert abs(found.surplus) < 0.01


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    seen, secret, target, fitted = case(400)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    runs = [
        probe_surplus(secret[:, None].float(), seen[:, None], target, fitted, symbols=2, steps=20, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert torch.rand(1) == expected
    assert runs[0].surplus == runs[1].surplus != runs[2].surplus


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": torch.zeros(3, 2)}, "hidden, seen, target, fitted: got shapes"),
        ({"seen": torch.zeros(8, 0, dtype=torch.long)}, "hidden, seen, target, fitted: got shapes"),
        ({"fitted": torch.ones(8, dtype=torch.bool)}, "fitted: got all rows or none"),
        ({"target": torch.full((8,), 2)}, "target: got 2 to 2"),
        ({"seen": torch.full((8, 1), -1)}, "seen: got -1 to -1"),
    ],
)
def test_bad_input_is_named(change, message):
    good = {
        "hidden": torch.zeros(8, 2),
        "seen": torch.zeros(8, 1, dtype=torch.long),
        "target": torch.zeros(8, dtype=torch.long),
        "fitted": torch.arange(8) < 4,
    }
    with pytest.raises(ValueError, match=message):
        probe_surplus(**(good | change), symbols=2)
    if "fitted" in change:
        found = probe_surplus(**good, symbols=2, steps=1)
        with pytest.raises(ValueError, match="baseline: got 4 scored rows, allowed is 6"):
            probe_surplus(**(good | {"fitted": torch.arange(8) < 2}), symbols=2, baseline=found)
