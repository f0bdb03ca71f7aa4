"""Locally typical truncation against transformers, in every backend, and inside generate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.generation.logits_process import TypicalLogitsWarper

from entropylab.decoding import TypicalLogitsProcessor, typical_filter, typical_sample
from entropylab.information import use_backend

BACKENDS = ("reference", "cpu", "torch")
MASSES = tuple(round(0.05 * k, 2) for k in range(1, 20))


def near_the_mass(logits, mass):
    """Rows with a cumulative sum within 1e-9 of the mass: rounding decides there."""
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    entropy = -(log_p * p).nansum(-1, keepdim=True)
    order = (-log_p - entropy).abs().argsort(dim=-1, stable=True)
    return ((p.gather(-1, order).cumsum(-1) - mass).abs() < 1e-9).any(-1)


def dirichlet(alpha, width, count, seed):
    p = np.random.default_rng(seed).dirichlet(np.full(width, alpha), count)
    return torch.from_numpy(np.log(np.maximum(p, 1e-300)))


def assert_same_as_transformers(logits, mass, count=1):
    theirs = TypicalLogitsWarper(mass, min_tokens_to_keep=count)(None, logits)
    ours = typical_filter(logits, mass, min_tokens_to_keep=count)
    sure = ~near_the_mass(logits, mass)
    assert torch.equal(ours[sure], theirs[sure])
    return int(sure.sum())


@pytest.mark.parametrize("alpha", [0.05, 0.5, 5.0])
@pytest.mark.parametrize("width", [2, 5, 64, 1000])
def test_the_kept_set_is_that_of_transformers(alpha, width):
    logits = dirichlet(alpha, width, 170, seed=width)
    checked = sum(assert_same_as_transformers(logits, mass) for mass in MASSES)
    assert checked > 0.99 * 170 * len(MASSES)


@pytest.mark.parametrize("width", [64, 1000])
def test_ties_are_kept_as_transformers_keeps_them(width):
    weights = np.random.default_rng(width).integers(1, 5, (300, width)).astype(float)
    logits = torch.from_numpy(np.log(weights))
    checked = sum(assert_same_as_transformers(logits, mass) for mass in MASSES)
    assert checked > 0.5 * 300 * len(MASSES)


def test_masked_tokens_as_in_transformers():
    logits = dirichlet(0.5, 200, 100, seed=3)
    logits[:, ::2] = -math.inf
    for mass in MASSES:
        assert_same_as_transformers(logits, mass)


@pytest.mark.parametrize("count", [1, 2, 5, 30, 64, 100])
def test_the_least_number_of_tokens_is_that_of_transformers(count):
    logits = dirichlet(0.05, 64, 100, seed=5)
    logits = logits[(logits > -600).all(-1)]  # without ties among underflowed tokens
    for mass in (0.05, 0.5, 0.95):
        assert_same_as_transformers(logits, mass, count)


def test_ties_at_the_least_number_are_kept_together():
    """transformers keeps exactly so many, which ones depending on its sort; here all are alike."""
    z = torch.tensor([[10.0, 3.0, 2.0, 2.0, 1.0]], dtype=torch.float64)
    ours = typical_filter(z, 0.5, min_tokens_to_keep=3).isfinite()
    theirs = TypicalLogitsWarper(0.5, min_tokens_to_keep=3)(None, z).isfinite()
    assert ours.tolist() == [[True, True, True, True, False]]
    assert theirs.sum() == 3
    assert (theirs <= ours).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_the_paper_s_example_loses_its_likeliest_token(name):
    z = torch.tensor([0.4, 0.2, 0.2, 0.2]).log()
    with use_backend(name):
        assert typical_filter(z, 0.5).isfinite().tolist() == [False, True, True, True]
        assert typical_filter(z, 0.5, filter_value=-7.0)[0] == -7.0


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_and_shapes(name, dtype):
    z = torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    with use_backend(name):
        for logits in (z, z[0, 0], z[:0], z.transpose(0, 1), z[..., ::3], z[..., :1]):
            result = typical_filter(logits, 0.6)
            assert result.dtype == dtype
            assert result.shape == logits.shape
            kept = result.isfinite()
            assert torch.equal(result[kept], logits[kept])
            assert kept.any(-1).all()
            tokens = typical_sample(logits, 0.6, generator=torch.Generator().manual_seed(1))
            assert tokens.dtype == torch.int64
            assert tokens.shape == logits.shape[:-1]
            assert kept.gather(-1, tokens.unsqueeze(-1)).all()


def test_the_backends_agree():
    z = torch.randn(40, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    results, tokens = [], []
    for name in BACKENDS:
        with use_backend(name):
            results.append(typical_filter(z, 0.7, min_tokens_to_keep=2))
            tokens.append(typical_sample(z, 0.7, generator=torch.Generator().manual_seed(3)))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    assert torch.equal(tokens[0], tokens[1])
    assert torch.equal(tokens[0], tokens[2])


@pytest.mark.parametrize("name", BACKENDS)
def test_a_mass_of_one_returns_the_logits(name):
    z = torch.randn(3, 9)
    z[:, 2] = -math.inf
    with use_backend(name):
        result = typical_filter(z, 1.0)
        assert torch.equal(result, z)
        assert result.data_ptr() != z.data_ptr()
        assert (typical_sample(z, 1) != 2).all()


def test_gradients_flow_to_the_kept_logits():
    z = torch.tensor([0.4, 0.2, 0.2, 0.2]).log().requires_grad_()
    typical_filter(z, 0.5, filter_value=0.0).sum().backward()
    assert z.grad.tolist() == [0.0, 1.0, 1.0, 1.0]


def test_samples_have_the_frequencies_of_the_kept_tokens():
    p = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    kept = typical_filter(p.log(), 0.6)
    tokens = typical_sample(p.log().expand(20_000, 5), 0.6, generator=torch.Generator().manual_seed(0))
    share = torch.bincount(tokens, minlength=5) / 20_000
    assert torch.allclose(share, kept.softmax(-1), atol=0.015)


def test_the_same_generator_draws_the_same_tokens():
    z = torch.randn(50, 100)
    draws = [typical_sample(z, 0.9, generator=torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(*draws)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=97, n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=None
    )
    model = GPT2LMHeadModel(config).eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model is slower on several
    with torch.no_grad():
        model.lm_head.weight.mul_(20)  # an untrained model is too flat to be cut
    yield model
    torch.set_num_threads(threads)


@pytest.mark.parametrize("mass", [0.2, 0.95])
def test_generate_with_the_processor_equals_typical_p(model, mass):
    prompt = torch.tensor([[1, 2, 3], [4, 5, 6]])
    common = {"do_sample": True, "max_new_tokens": 24, "top_k": 0, "pad_token_id": 0}
    torch.manual_seed(7)
    theirs = model.generate(prompt, typical_p=mass, **common)
    torch.manual_seed(7)
    ours = model.generate(prompt, logits_processor=[TypicalLogitsProcessor(mass)], **common)
    torch.manual_seed(7)
    plain = model.generate(prompt, **common)
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, plain) or mass == 0.95


@pytest.mark.parametrize("function", [typical_filter, typical_sample])
@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"mass": 0.0}, ValueError, r"mass: got 0.0, allowed are numbers in \(0, 1\]"),
        ({"mass": 1.01}, ValueError, "mass: got 1.01"),
        ({"mass": math.nan}, ValueError, "mass: got nan"),
        ({"mass": "all"}, TypeError, "mass: got str, allowed is a number"),
        (
            {"min_tokens_to_keep": 0},
            ValueError,
            "min_tokens_to_keep: got 0, allowed are integers of at least 1",
        ),
        ({"min_tokens_to_keep": 1.5}, TypeError, "min_tokens_to_keep: got float"),
        ({"logits": torch.zeros(2, 3).long()}, TypeError, "logits: got torch.int64"),
        ({"logits": torch.zeros(2, 0)}, ValueError, r"logits: got shape \(2, 0\)"),
    ],
)
def test_bad_arguments(function, arguments, error, says):
    with pytest.raises(error, match=says):
        function(**{"logits": torch.zeros(2, 3), "mass": 0.5} | arguments)


def test_bad_arguments_of_one_function_only():
    with pytest.raises(ValueError, match="filter_value: got nan"):
        typical_filter(torch.zeros(2, 3), 0.5, filter_value=math.nan)
    with pytest.raises(TypeError, match=r"generator: got int, allowed is a torch.Generator"):
        typical_sample(torch.zeros(2, 3), 0.5, generator=1)
    with pytest.raises(ValueError, match="mass: got 0"):
        TypicalLogitsProcessor(0)
    with pytest.raises(ValueError, match="min_tokens_to_keep: got -1"):
        TypicalLogitsProcessor(0.5, min_tokens_to_keep=-1)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("mass", [0.5, 1.0])
@pytest.mark.parametrize(
    ("bad", "says"), [(math.nan, "has NaN"), (math.inf, r"has \+inf"), (-math.inf, "has only -inf")]
)
def test_bad_rows(name, mass, bad, says):
    z = torch.zeros(2, 3, 4)
    z[1, 0] = bad
    with use_backend(name):
        for function in (typical_filter, typical_sample):
            with pytest.raises(ValueError, match=rf"logits: row \(1, 0\) {says}"):
                function(z, mass)
        tokens = typical_sample(z, mass, check_finite=False)
        assert (tokens < 0).tolist() == [[False] * 3, [True, False, False]]
        if mass < 1:
            filtered = typical_filter(z, mass, check_finite=False)
            assert filtered.isnan().all(-1).tolist() == [[False] * 3, [True, False, False]]
