"""The other truncation rules against the warpers of transformers."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.generation import logits_process as peers

from entropylab.decoding import eta_filter, min_p_filter, top_k_filter, top_p_filter

FILTERS = {
    "top_k": (lambda z, **more: top_k_filter(z, 3, **more), lambda **more: peers.TopKLogitsWarper(3, **more)),
    "top_p": (
        lambda z, **more: top_p_filter(z, 0.8, **more),
        lambda **more: peers.TopPLogitsWarper(0.8, **more),
    ),
    "min_p": (
        lambda z, **more: min_p_filter(z, 0.1, **more),
        lambda **more: peers.MinPLogitsWarper(0.1, **more),
    ),
    "eta": (
        lambda z, **more: eta_filter(z, 0.01, **more),
        lambda **more: peers.EtaLogitsWarper(0.01, **more),
    ),
}


def logits_of(*shape, seed=0, scale=2.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("width", [1, 2, 5, 200])
@pytest.mark.parametrize("scale", [0.1, 2.0, 10.0])
def test_the_kept_set_is_that_of_transformers(name, width, scale):
    ours, theirs = FILTERS[name]
    z = logits_of(200, width, scale=scale)
    assert torch.equal(ours(z), theirs()(None, z))


@pytest.mark.parametrize("name", FILTERS)
def test_masked_tokens_stay_masked(name):
    ours, theirs = FILTERS[name]
    z = logits_of(100, 30)
    z[:, ::2] = -math.inf
    assert torch.equal(ours(z), theirs()(None, z))


@pytest.mark.parametrize("name", ["top_p", "min_p", "eta"])
@pytest.mark.parametrize("count", [1, 4, 50])
def test_the_least_number_of_tokens(name, count):
    ours, theirs = FILTERS[name]
    z = logits_of(100, 40, scale=6.0)
    result = ours(z, min_tokens_to_keep=count)
    assert torch.equal(result, theirs(min_tokens_to_keep=count)(None, z))
    assert (result.isfinite().sum(-1) >= min(count, 40)).all()


@pytest.mark.parametrize("name", FILTERS)
def test_shapes_dtypes_and_the_filter_value(name):
    ours, _ = FILTERS[name]
    z = logits_of(2, 3, 20).float()
    flat = ours(z.reshape(6, 20))
    assert torch.equal(ours(z).reshape(6, 20), flat)
    assert torch.equal(ours(z[0, 0]), flat[0])
    assert ours(z[:0]).shape == (0, 3, 20)
    for dtype in (torch.float16, torch.bfloat16):
        assert ours(z.to(dtype)).dtype == dtype
    replaced = ours(z, filter_value=-50.0)
    assert torch.equal(replaced == -50.0, ours(z).isneginf())


def test_limits():
    z = logits_of(3, 10)
    assert torch.equal(top_k_filter(z, 100), z)
    assert torch.equal(top_p_filter(z, 1.0), z)
    assert top_p_filter(z, 1e-9).isfinite().sum(-1).tolist() == [1, 1, 1]
    assert min_p_filter(z, 1.0).isfinite().sum(-1).tolist() == [1, 1, 1]


def test_ties_at_the_rank_are_kept_together():
    z = torch.tensor([[1.0, 3.0, 2.0, 2.0, 2.0]])
    assert top_k_filter(z, 2).isfinite().tolist() == [[False, True, True, True, True]]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda z: top_k_filter(z, 0), ValueError, "k: got 0, allowed are integers of at least 1"),
        (lambda z: top_k_filter(z, 2.0), TypeError, "k: got float"),
        (lambda z: top_p_filter(z, 0.0), ValueError, r"mass: got 0.0, allowed are numbers in \(0, 1\]"),
        (lambda z: top_p_filter(z, 1.5), ValueError, "mass: got 1.5"),
        (lambda z: top_p_filter(z, 0.5, min_tokens_to_keep=0), ValueError, "min_tokens_to_keep: got 0"),
        (lambda z: min_p_filter(z, -0.1), ValueError, "ratio: got -0.1"),
        (lambda z: eta_filter(z, 1.0), ValueError, r"epsilon: got 1.0, allowed are numbers in \(0, 1\)"),
        (lambda z: eta_filter(z, 0), ValueError, "epsilon: got 0.0"),
    ],
)
def test_bad_arguments(call, error, says):
    with pytest.raises(error, match=says):
        call(torch.zeros(2, 3))


@pytest.mark.parametrize("name", FILTERS)
def test_bad_logits(name):
    ours, _ = FILTERS[name]
    with pytest.raises(TypeError, match=r"logits: got torch.int64"):
        ours(torch.zeros(2, 3).long())
    with pytest.raises(TypeError, match="logits: got list"):
        ours([[0.0]])
    for bad, says in ((math.nan, "NaN"), (math.inf, r"\+inf"), (-math.inf, "only -inf")):
        z = torch.zeros(3, 4)
        z[1] = bad
        with pytest.raises(ValueError, match=f"logits: row 1 has {says}"):
            ours(z)
