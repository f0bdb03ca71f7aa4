"""Logistic regression with Cauchy priors, against printed digits of R's arm::bayesglm, and against definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import zscore

from entropylab.data import load_table
from entropylab.statistics import logit_glm, variance_inflation

TERMS = ["input_logprob", "output_logprob", "input_tokens", "output_tokens", "input_chars"]


def _answers(task, model):
    keys = ["task", "condition", "item"]
    items, responses = (load_table(f"embers_{name}").astype({"task": str}) for name in ("items", "responses"))
    rows = responses[(responses["task"] == task) & (responses["model"] == model)]
    joined = rows.astype({"condition": str}).merge(items.astype({"condition": str}), on=keys)
    return zscore(joined[TERMS].to_numpy(float), ddof=1), joined["correct"].to_numpy()


@pytest.mark.parametrize(
    ("task", "coefficients"),
    [
        ("rot13dec", [-1.4029, 0.2163, 1.8513, -0.8139, 0.8600, 0.5246]),
        ("rot13enc", [-3.7200, 1.0373, 4.7741, 2.6572, -0.2733, 0.1475]),
    ],
)
def test_bayesglm_is_reproduced_to_all_printed_digits(task, coefficients):
    fit = logit_glm(*_answers(task, "gpt-4"))
    np.testing.assert_allclose(fit.coefficients, coefficients, atol=5.1e-5)


def test_standard_errors_and_plain_likelihood_are_reproduced():
    x, y = _answers("rot13dec", "gpt-4")
    fit = logit_glm(x, y)
    np.testing.assert_allclose(
        fit.standard_errors, [0.1929, 0.7732, 0.3227, 0.8317, 0.4629, 0.8650], atol=5.1e-5
    )
    assert fit.z[2] == pytest.approx(1.8513 / 0.3227, abs=1e-3)
    plain = logit_glm(x, y, prior_scale=None)
    np.testing.assert_allclose(
        plain.coefficients, [-1.4549, 0.8315, 1.9277, -2.5684, 0.8680, 2.8939], atol=5.1e-5
    )
    assert plain.deviance < fit.deviance  # maximum likelihood cannot be beaten


def test_inflation_factors_of_the_length_terms():
    x, _ = _answers("rot13dec", "gpt-4")
    np.testing.assert_allclose(variance_inflation(x), [102.5, 1.9, 102.0, 14.0, 177.6], atol=0.051)


def test_wide_priors_give_maximum_likelihood():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(500, 3))
    y = generator.random(500) < 1 / (1 + np.exp(-(0.3 + x @ [1.0, -0.5, 0.0])))
    wide = logit_glm(x, y, prior_scale=1e4, intercept_scale=1e4)
    plain = logit_glm(x, y, prior_scale=None)
    np.testing.assert_allclose(wide.coefficients, plain.coefficients, rtol=1e-5)
    np.testing.assert_allclose(wide.standard_errors, plain.standard_errors, rtol=1e-5)


def test_a_separating_predictor_keeps_a_finite_coefficient():
    x = np.linspace(-1, 1, 40)
    fit = logit_glm(x / x.std(ddof=1), x > 0)
    assert 2 < fit.coefficients[1] < 20
    assert np.isfinite(fit.standard_errors).all()


def test_uncorrelated_predictors_are_not_inflated():
    x = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float)
    np.testing.assert_allclose(variance_inflation(x), [1, 1])


@pytest.mark.parametrize(
    ("predictors", "outcomes", "options", "message"),
    [
        ([[1.0], [2.0]], [1], {}, "shapes"),
        ([[1.0], [np.nan]], [1, 0], {}, "not finite"),
        ([[1.0], [2.0]], [1, 2], {}, "neither 0 nor 1"),
        ([[1.0], [2.0]], [1, 0], {"prior_scale": 0.0}, "prior_scale"),
    ],
)
def test_bad_input_is_named(predictors, outcomes, options, message):
    with pytest.raises(ValueError, match=message):
        logit_glm(predictors, outcomes, **options)


def test_inflation_needs_a_table():
    with pytest.raises(ValueError, match="predictors"):
        variance_inflation([1.0, 2.0])
