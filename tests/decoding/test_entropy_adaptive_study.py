from __future__ import annotations

import numpy as np
import pytest
import torch

from entropylab.decoding.entropy_adaptive_study import ArithmeticStudy, paired_interval
from entropylab.models import load
from entropylab.sources.tasks.arithmetic import grade, problems


@pytest.fixture(scope="module")
def models():
    (small, tokenizer), (large, _) = load("lab/arithmetic-s"), load("lab/arithmetic-l")
    return small, large, tokenizer


@pytest.fixture(scope="module")
def study(models):
    return ArithmeticStudy(*models, problems("validation", 40, 1, "free"))


def test_the_pair_leaves_a_gap_to_route_in(models):
    for filler in ("free", "fixed"):
        of = ArithmeticStudy(*models, problems("validation", 400, 1, filler))
        small, large = (of.correct(run).mean() for run in of.alone())
        assert 0.5 <= small <= 0.6 and 0.85 <= large <= 0.95


def test_alone_is_what_generate_writes(models, study):
    small, large, tokenizer = models
    for model, run in zip((small, large), study.alone(), strict=True):
        for row in (0, 17):
            ids = study.ids[row][study.valid[row] == 1][None]
            with torch.inference_mode():
                out = model.generate(
                    input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=80, do_sample=False
                )
            text = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
            assert study.text(run, row) == text
            assert study.correct(run)[row] == grade(study.problems[row], text).correct


def test_batches_do_not_matter_and_a_mask_repeats_a_run(models, study):
    taus = [0.02, 0.3, 1.0]
    together = study.mixed(taus)
    apart = ArithmeticStudy(*models, study.problems, rows_at_once=1).mixed(taus)
    for one, other in zip(together, apart, strict=True):
        assert np.array_equal(one.tokens, other.tokens) and np.array_equal(one.large, other.large)
    again = study.routed([run.large for run in together])
    for one, other in zip(together, again, strict=True):
        assert np.array_equal(one.tokens, other.tokens) and one.share == other.share
    assert together[0].share > together[2].share > 0


def test_the_advantage_is_measured_on_the_true_solution(models, study):
    small_alone, _ = study.alone()
    gain, loss = study.advantage(small_alone)
    assert gain.shape == loss.shape == (40, 80)
    assert (loss >= 0).all() and 0 < gain[loss > 0].mean() < loss[loss > 0].mean()
    row = int(np.flatnonzero(study.correct(small_alone))[0])  # its own words and the truth are one text
    text = torch.cat([study.ids[row][study.valid[row] == 1], torch.from_numpy(small_alone.tokens[row])])
    start, end = int(study.valid[row].sum()), int(small_alone.lengths[row])
    with torch.inference_mode():
        scores = [
            torch.log_softmax(model(input_ids=text[None]).logits[0], -1)[:-1]
            .gather(1, text[1:, None])[start - 1 : start - 1 + end, 0]
            .numpy()
            for model in models[:2]
        ]
    assert loss[row, :end] == pytest.approx(-scores[0], abs=1e-4)
    assert gain[row, :end] == pytest.approx(scores[1] - scores[0], abs=1e-4)
    assert (gain[row, end:] == 0).all()


def test_the_interval_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(0.3, 1.0, 400)
    low, high = paired_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.05)
    assert paired_interval(np.ones(7)) == (1.0, 1.0)
    assert paired_interval(values) == (low, high)


def test_bad_input_is_named(models):
    with pytest.raises(ValueError, match=r"problems: got none"):
        ArithmeticStudy(*models, [])
    with pytest.raises(ValueError, match="max_new_tokens"):
        ArithmeticStudy(*models, problems("test", 1, 0), max_new_tokens=0)
    with pytest.raises(ValueError, match="differences"):
        paired_interval([])
