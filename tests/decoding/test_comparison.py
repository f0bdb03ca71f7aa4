from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.data import story_openings
from entropylab.decoding.comparison import Sampler, match_nucleus, removed_deviation, run_samplers
from entropylab.models import generate, load


@pytest.fixture(scope="module")
def trigram():
    return load("lab/english-trigram")


def test_a_sampler_in_a_group_writes_what_it_writes_alone(trigram):
    samplers = [Sampler.ancestral(), Sampler.typical(0.2), Sampler.top_k(5)]
    options = {"tokens": 20, "seeds": [3, 4]}
    together = run_samplers(samplers, *trigram, story_openings()[:3], **options)
    apart = run_samplers(samplers, *trigram, story_openings()[:3], rows_at_once=1, **options)
    for sampler in samplers:
        assert together[sampler.name].rows.equals(apart[sampler.name].rows)
        assert together[sampler.name].zipf == apart[sampler.name].zipf


def test_rows_are_the_statistics_of_the_generated_texts(trigram):
    prompts = story_openings()[:4]
    sample = run_samplers([Sampler.ancestral()], *trigram, prompts, tokens=30, seeds=[8])["ancestral"]
    uniforms = torch.rand(4, 30, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    texts = generate(*trigram, prompts, max_new_tokens=30, uniforms=uniforms)
    assert sample.rows["surprisal"].to_numpy() == pytest.approx(texts.surprisal.mean(1).numpy())
    assert sample.rows["deviation"].to_numpy() == pytest.approx(
        (texts.surprisal - texts.entropy).abs().mean(1).numpy()
    )
    assert sample.mean("most_likely_cut") == 0
    assert sample.mean("surprisal", seed=8) == sample.mean("surprisal")


def test_samplers_do_what_their_names_say(trigram):
    prompts = story_openings()[:8]
    runs = run_samplers(
        [Sampler.ancestral(), Sampler.tempered(0.5), Sampler.nucleus(0.5), Sampler.typical(0.2)],
        *trigram,
        prompts,
        tokens=60,
        seeds=[0],
    )
    assert list(runs) == ["ancestral", "temperature 0.5", "nucleus 0.5", "typical 0.2"]
    level = {name: run.mean("surprisal") for name, run in runs.items()}
    assert level["temperature 0.5"] < level["ancestral"] and level["nucleus 0.5"] < level["ancestral"]
    assert runs["typical 0.2"].mean("deviation") < 0.5 * runs["nucleus 0.5"].mean("deviation")
    assert (
        runs["typical 0.2"].mean("most_likely_cut") > 0.5 and runs["nucleus 0.5"].mean("most_likely_cut") == 0
    )


def test_bisection_finds_a_level_and_stays_at_the_end_of_one_out_of_reach():
    mass, tried = match_nucleus(3.0, lambda mass: 4 * mass, tolerance=0.001, steps=30)
    assert mass == pytest.approx(0.75, abs=0.001) and len(tried) < 15
    assert match_nucleus(9.0, lambda mass: 4 * mass)[0] > 0.99


def test_removed_deviation_by_hand_and_its_limits():
    p = np.array([0.4, 0.2, 0.2, 0.2])  # mass 0.5 keeps the last three
    entropy = -(p * np.log(p)).sum()
    d = abs(-np.log(p) - entropy)
    logits = torch.from_numpy(np.log(p))[None]
    assert removed_deviation(logits, 0.5) == pytest.approx((p * d).sum() - d[1])
    assert removed_deviation(logits, 1.0) == pytest.approx(0, abs=1e-12)
    masked = torch.cat([logits, torch.full((1, 3), -torch.inf, dtype=torch.float64)], 1)
    assert removed_deviation(masked, 0.5) == pytest.approx(removed_deviation(logits, 0.5))
