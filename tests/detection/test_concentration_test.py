"""The test of authorship: its level, its power, streams, ragged batches, and bad input."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from entropylab import detection, use_backend
from entropylab.detection import ConcentrationTest, TokenEvidence, concentration_figures, concentration_test

CHAIN, RIVAL = detection.markov_rivals(7, states=16)


def evidence(writer, texts=400, tokens=128, seed=0):
    return detection.markov_evidence(CHAIN, detection.sample_texts(writer, texts, tokens, seed=seed))


def flat(e):
    return TokenEvidence(*(np.asarray(x).reshape(-1, *np.shape(x)[2:]) for x in e))


def part(e, *key):
    return TokenEvidence(*(x[key] for x in e))


@pytest.mark.parametrize("method", ["eprocess", "subgamma"])
def test_the_level_holds_and_other_writers_are_found(method):
    own = concentration_test(evidence(CHAIN, 2000), method=method, vocabulary=16)
    assert own.reject.mean() <= 0.06
    assert own.reject.shape == own.p_value.shape == (2000,)
    cut = concentration_test(evidence(detection.truncated(CHAIN, 2)), method=method, vocabulary=16)
    other = concentration_test(evidence(RIVAL), method=method, vocabulary=16)
    assert other.reject.mean() > 0.95
    if method == "eprocess":
        assert 0.01 < own.reject.mean()
        assert cut.reject.mean() > 0.95
        assert (cut.stopping_time[cut.reject] <= 128).all()
    assert (cut.gap > 0).mean() > 0.95 > 0.05 > (other.gap > 0).mean()  # too likely, too unlikely


def test_the_mean_e_value_is_one():
    figures = concentration_figures(evidence(CHAIN, 20_000, 5))
    values = np.exp(figures.log_mixture)
    assert abs(values.mean() - 1) < 4 * values.std() / math.sqrt(len(values))


def test_p_values_are_valid():
    p = concentration_test(evidence(CHAIN, 4000, 60)).p_value
    for level in (0.02, 0.1, 0.3):
        assert (p <= level).mean() <= level + 3 * math.sqrt(level / 4000)


def test_a_stream_gives_what_the_batch_gives():
    e = evidence(RIVAL, 6, 90)
    for method in ("eprocess", "subgamma"):
        batch = concentration_test(e, method=method, vocabulary=16)
        test = ConcentrationTest(method=method, vocabulary=16)
        for b in range(6):
            test.reset()
            for chunk in (slice(0, 1), slice(1, 1), slice(1, 50), slice(50, 90)):
                test.update(part(e, b, chunk))
            one = test.result()
            for name in ("tokens", "gap", "standardised", "statistic", "p_value", "reject", "stopping_time"):
                assert getattr(one, name) == pytest.approx(getattr(batch, name)[b], rel=1e-9), name
            assert one.assumptions == batch.assumptions
            assert test.reject == one.reject and test.tokens == 90
    assert test.result().bound == pytest.approx(tuple(x[5] for x in batch.bound))


def test_before_the_first_token():
    test = ConcentrationTest()
    result = test.result()
    assert (result.tokens, result.p_value, result.e_value, result.reject) == (0, 1.0, 1.0, False)
    assert math.isnan(result.gap) and test.log_e_value == 0.0
    subgamma = ConcentrationTest(method="subgamma", vocabulary=16).result()
    assert subgamma.reject is False and subgamma.bound == (-math.inf, math.inf)


def test_offsets_masks_and_padding():
    e = evidence(CHAIN, 5, 40)
    lengths = [40, 0, 13, 1, 25]
    mask = np.arange(40) < np.array(lengths)[:, None]
    padded = TokenEvidence(*(np.where(mask if x.ndim == 2 else mask[..., None], x, math.nan) for x in e))
    by_mask = concentration_figures(padded, mask=mask)
    ragged = TokenEvidence(*(x[mask] for x in e))
    by_offsets = concentration_figures(ragged, np.cumsum([0, *lengths]))
    for b, length in enumerate(lengths):
        alone = concentration_figures(part(e, b, slice(0, length)))
        for x, y, z in zip(by_mask, by_offsets, alone, strict=True):
            assert x[b].tobytes() == y[b].tobytes() == z[0].tobytes()
    none = concentration_test(part(ragged, slice(0, 0)), np.array([0]))
    assert none.reject.shape == (0,)


def test_tensors_arrays_and_backends_agree():
    e = evidence(RIVAL, 4, 30)
    arrays = concentration_figures(e)
    tensors = concentration_figures(TokenEvidence(*(torch.from_numpy(x) for x in e)))
    with use_backend("reference"):
        reference = concentration_figures(e)
    single = concentration_figures(TokenEvidence(*(x.astype(np.float32) for x in e)))
    for a, t, r, s in zip(arrays, tensors, reference, single, strict=True):
        assert a.tobytes() == t.tobytes()
        np.testing.assert_allclose(a, r, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(a, s, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_arrays_that_are_read_only_are_taken_without_a_warning():
    e = evidence(CHAIN, 2, 9)
    expected = concentration_figures(e)
    for array in e:
        array.flags.writeable = False
    assert np.array_equal(concentration_figures(e).log_e, expected.log_e)


def test_an_impossible_token_rejects():
    e = part(evidence(CHAIN, 1, 10), 0)
    e.surprisal[4] = math.inf
    result = ConcentrationTest().update(e).result()
    assert result.reject and result.stopping_time == 5
    assert result.p_value == 0.0 and result.e_value == math.inf and result.gap == -math.inf
    batch = concentration_test(e)
    assert batch.reject[0] and batch.stopping_time[0] == 5 and batch.e_value[0] == math.inf


def test_logits_are_taken_directly():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 50, generator=generator) * 2
    own = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    greedy = logits.argmax(-1)
    assert not ConcentrationTest().update(logits=logits, targets=own).reject
    assert ConcentrationTest().update(logits=logits, targets=greedy).reject
    assert ConcentrationTest().update(logits=logits, targets=greedy).result().gap > 0
    assert ConcentrationTest(lambdas=(0.25,)).update(logits=logits, targets=own).tokens == 300


def test_the_result_says_what_it_relies_on():
    for method in ("eprocess", "subgamma"):
        result = ConcentrationTest(method=method, vocabulary=16).result()
        assert any("temperature 1" in line for line in result.assumptions)
        assert any("fixed beforehand" in line for line in result.assumptions) == (method == "subgamma")


def bad(**changes):
    e = part(evidence(CHAIN, 1, 6), 0)._asdict()
    for name, change in changes.items():
        e[name] = change(e[name].copy())
    return TokenEvidence(**e)


def setting(array, index, value):
    array[index] = value
    return array


GOOD = bad()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: concentration_test(GOOD, [0, 4, 2, 6]),
            ValueError,
            "offsets: got 4 before 2, allowed are ascending",
        ),
        (
            lambda: concentration_test(GOOD, [1, 6]),
            ValueError,
            "offsets: got 1 to 6, allowed is 0 to the 6 tokens",
        ),
        (lambda: concentration_test(GOOD, [0, 7]), ValueError, "offsets: got 0 to 7"),
        (lambda: concentration_test(GOOD, [0.0, 6.0]), TypeError, "offsets: got float64"),
        (
            lambda: concentration_test(GOOD, mask=np.ones(6, bool)),
            ValueError,
            "mask: got a mask for flat arrays",
        ),
        (lambda: concentration_test(GOOD[:3]), TypeError, "evidence: got tuple, allowed is a TokenEvidence"),
        (
            lambda: concentration_test(bad(surprisal=lambda s: setting(s, 3, np.nan))),
            ValueError,
            "evidence.surprisal: got nan at token 3, allowed are numbers and",
        ),
        (
            lambda: concentration_test(bad(entropy=lambda h: setting(h, 2, np.inf))),
            ValueError,
            "evidence.entropy: got inf at token 2, allowed are finite numbers",
        ),
        (
            lambda: concentration_test(bad(cgf=lambda c: setting(c, (5, 1), np.nan))),
            ValueError,
            "evidence.cgf: got .*nan.* at token 5",
        ),
        (
            lambda: concentration_test(bad(varentropy=lambda v: v[:4])),
            ValueError,
            r"evidence.varentropy: got shape \(4,\), allowed is \(6,\)",
        ),
        (
            lambda: concentration_test(bad(cgf=lambda c: c[:, :5])),
            ValueError,
            r"evidence.cgf: got shape \(6, 5\), allowed is \(6, 9\)",
        ),
        (
            lambda: concentration_test(bad(surprisal=lambda s: s.astype(int))),
            TypeError,
            "evidence.surprisal: got torch.int64, allowed are floating dtypes",
        ),
        (
            lambda: concentration_test(bad(surprisal=lambda s: s.reshape(1, 2, 3))),
            ValueError,
            r"evidence.surprisal: got shape \(1, 2, 3\)",
        ),
        (
            lambda: concentration_test(GOOD, alpha=0.0),
            ValueError,
            "alpha: got 0.0, allowed are numbers between",
        ),
        (lambda: concentration_test(GOOD, alpha="5%"), ValueError, "alpha: got '5%'"),
        (
            lambda: concentration_test(GOOD, method="z"),
            ValueError,
            "method: got 'z', allowed are 'eprocess', 'subgam",
        ),
        (
            lambda: concentration_test(GOOD, method="subgamma"),
            ValueError,
            "vocabulary: got None, the method 'subgamma'",
        ),
        (
            lambda: concentration_test(GOOD, vocabulary=1),
            ValueError,
            "vocabulary: got 1, allowed is 2 or more",
        ),
        (lambda: concentration_test(GOOD, lambdas=(0.5, 1.0)), ValueError, r"lambdas: got \(0.5, 1.0\)"),
        (lambda: concentration_test(GOOD, lambdas=()), ValueError, r"lambdas: got \(\)"),
        (
            lambda: concentration_test(GOOD, weights=[0.5, 0.5]),
            ValueError,
            "weights: got .*allowed are 9 positive",
        ),
        (
            lambda: ConcentrationTest().update(),
            TypeError,
            "update takes either evidence, or logits with targets",
        ),
        (
            lambda: ConcentrationTest().update(logits=torch.zeros(2, 3)),
            TypeError,
            "update takes either evidence, or logits with targets",
        ),
        (lambda: ConcentrationTest(alpha=True), ValueError, "alpha: got True"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_mask_of_the_wrong_kind():
    e = evidence(CHAIN, 2, 6)
    with pytest.raises(ValueError, match=r"mask: got torch.int64 of shape \(2, 6\), allowed is bool"):
        concentration_test(e, mask=np.ones((2, 6), int))
    with pytest.raises(ValueError, match=r"mask: got torch.bool of shape \(2, 5\)"):
        concentration_test(e, mask=np.ones((2, 5), bool))
    with pytest.raises(ValueError, match=r"offsets: got offsets for arrays \(B, N\)"):
        concentration_test(e, [0, 12])


SIMULATED = """
import numpy as np
from entropylab import detection, use_backend

own, rival = detection.markov_rivals(1, states=8)
e = detection.markov_evidence(own, detection.sample_texts(rival, 3, 12))
expected = detection.concentration_figures(e)
with use_backend("cuda"):
    found = detection.concentration_figures(e)
for name, a, b in zip(expected._fields, expected, found):
    assert np.allclose(a, b, atol=1e-9), name
print("equal")
"""


@pytest.mark.slow
def test_the_cuda_kernel_gives_the_same_in_the_simulator():
    """The simulator is chosen when Numba is imported, hence a process of its own."""
    pytest.importorskip("numba_cuda")
    finished = subprocess.run(
        [sys.executable, "-c", SIMULATED],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stdout.strip() == "equal", finished.stderr
