"""The paper's tables from the answers, against the figures that the paper and its repository give."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from entropylab.cognition import embers
from entropylab.data import load_table

TABLES = ["adversarial", "corpus", "groups", "items", "linear", "regressions", "responses", "summary"]


@pytest.fixture(scope="module")
def tables():
    return embers.published_tables()


@pytest.mark.parametrize("name", TABLES)
def test_tables_name_their_source_and_licence(name):
    attributes = load_table(f"embers_{name}").attrs
    assert "tommccoy1/embers-of-autoregression" in attributes["source"]
    assert attributes["licence"].startswith("MIT, Copyright (c) 2024 tommccoy1")
    assert len(attributes["commit"]) == 40


OUTPUT = {  # high, medium, low for GPT-3.5, GPT-4, Llama 3, Claude 3, Gemini 1.0
    "rot13dec": [(0.21, 0.07, 0.04), (0.51, 0.22, 0.13), (0.05, 0.01, 0), (0.98, 0.92, 0.86), (0, 0, 0)],
    "rot13enc": [(0.02, 0.03, 0.05), (0.21, 0.10, 0.11), (0, 0, 0), (0.70, 0.62, 0.54), (0, 0, 0)],
    "revdec": [(0.74, 0.61, 0.28), (0.97, 0.96, 0.53), (0.52, 0.36, 0.16), (0.91, 0.87, 0.11), (0.61, 0.49, 0.05)],
    "revenc": [(0.46, 0.33, 0.37), (0.87, 0.76, 0.81), (0.05, 0.02, 0.03), (0.95, 0.90, 0.24), (0.30, 0.25, 0.06)],
    "pigdec_ay": [(0.54, 0.26, 0.05), (0.84, 0.70, 0.29), (0.22, 0.10, 0.03), (0.83, 0.74, 0.38), (0.33, 0.09, 0)],
    "swap_next_base": [
        (0.65, 0.43, 0.05), (0.83, 0.53, 0.02), (0.26, 0.15, 0.01), (0.53, 0.26, 0.02), (0.53, 0.33, 0.02)
    ],
    "swap_base_next": [
        (0.23, 0.24, 0.07), (0.57, 0.52, 0.19), (0.57, 0.51, 0.12), (0.62, 0.52, 0.19), (0.56, 0.43, 0.20)
    ],
}  # fmt: skip


@pytest.mark.parametrize("task", OUTPUT)
def test_accuracies_by_output_probability(tables, task):
    found = tables["output_probability"].loc[task].loc[list(embers.CONDITIONS)]
    np.testing.assert_allclose(found.to_numpy().T, OUTPUT[task], atol=1e-9)


FREQUENCY = {
    "rot-13 / rot-12": [(0.21, 0), (0.51, 0), (0.05, 0), (0.98, 0.31), (0, 0)],
    "acronym: first / second letter": [(0.391, 0), (0.762, 0.026), (0.544, 0.240), (0.577, 0), (0.547, 0)],
    "sort words: forward / reverse": [(0.76, 0.15), (0.82, 0.32), (0.67, 0.18), (0.92, 0.50), (0.65, 0.04)],
    "control: sort up / down": [(0.66, 0.59), (0.82, 0.80), (0.57, 0.43), (1, 1), (0.70, 0.47)],
    "linear: 9/5 x + 32 / 7/5 x + 31": [(0.47, 0), (0.33, 0), (0.87, 0.77), (0.56, 0.12), (0.01, 0.02)],
    "Pig Latin / Boar Etruscan": [(0.54, 0.40), (0.84, 0.69), (0.22, 0.02), (0.83, 0.82), (0.33, 0.18)],
}


@pytest.mark.parametrize("pair", FREQUENCY)
def test_accuracies_by_task_frequency(tables, pair):
    found = tables["task_frequency"].loc[pair].loc[["common", "rare"]]
    np.testing.assert_allclose(found.to_numpy().T, FREQUENCY[pair], atol=1e-9)


def test_shifts_and_their_correlations_with_mentions(tables):
    gpt4 = tables["shifts"]["gpt-4"]
    assert gpt4.loc[[1, 3, 13]].tolist() == [0.82, 0.76, 0.50]
    assert gpt4.drop([1, 3, 13]).max() <= 0.02
    assert tables["shifts"].loc[[13, 12], "mentions"].tolist() == [1225, 7]
    spearman = tables["shift_correlations"]["spearman"]
    for key, value in {
        ("gpt-4", "standard"): 0.62,
        ("claude-3", "standard"): 0.77,
        ("gpt-4", "cot"): 0.73,
    }.items():
        assert spearman.loc[key] == pytest.approx(value, abs=0.005)


def test_counting_acronyms_formats_prompts_and_adversarial_items(tables):
    counting = tables["counting"].round(3)
    for counted, model, expected in (
        ("letters", "gpt-4", (0.467, 0.077)),
        ("letters", "claude-3", (0.730, 0.174)),
        ("letters", "llama-3", (0.319, 0.017)),
        ("words", "gpt-4", (0.544, 0.028)),
        ("words", "claude-3", (0.844, 0.058)),
    ):
        assert tuple(counting.loc[counted, model][["round", "other"]]) == pytest.approx(expected, abs=0.0011)
    groups = counting.loc["letters", "gpt-4"][["frequent", "rare"]]
    assert tuple(groups) == pytest.approx((0.357, 0.069), abs=0.0011)
    acronyms = tables["acronyms"]
    assert acronyms.loc["output", "gpt-4"].tolist() == [0.762, 0.762, 0.744, 0.734, 0.670]
    assert acronyms.loc["input", "gpt-3.5"].tolist() == [0.391, 0.329, 0.320, 0.305, 0.292]
    formats = tables["formats"]
    assert formats.loc["multiplication", "gpt-4"].tolist() == [0.46, 0.39, 0.35, 0.17]
    assert formats.loc["birthdays", "gpt-4"].tolist() == [0.99, 0.91, 0.56, 0.23]
    assert tables["prompts"].loc["cot"].tolist() == [0.78, 0.56, 0.32]
    assert tables["adversarial"].loc["gpt-4"].round(2).tolist() == [0.17, 0.29, 0.21, 0.58]
    distances = tables["edit_distance"]["gpt-4"]
    np.testing.assert_allclose(distances, [3.32, 7.47, 8.30], atol=1e-5)


def test_the_headline():
    effect = embers.paired_effect("rot13dec", "gpt-4")
    assert effect == (51, 13, 40, 2, 100)
    assert effect.difference == pytest.approx(0.38)
    assert effect.p_value() == pytest.approx(4.1109160520136356e-10, rel=1e-9)
    wilson = proportion_confint([51, 13], 100, method="wilson")
    np.testing.assert_allclose(wilson[0], [0.4134801193402717, 0.07757167427240512])
    np.testing.assert_allclose(wilson[1], [0.6057800106955887, 0.20980351440076428])


def test_exchanged_labels_have_no_effect_and_their_own_spread():
    found = embers.exchanged_labels("rot13dec", "gpt-4", draws=2000, seed=1)
    assert abs(found.mean()) < 0.01
    assert found.std() == pytest.approx(np.sqrt(42) / 100, rel=0.1)  # 42 items differ
    with pytest.raises(ValueError, match="draws"):
        embers.exchanged_labels("rot13dec", "gpt-4", draws=0)


def test_holm_over_the_models_that_are_not_at_floor():
    corrected = embers.significant_models("rot13dec")
    assert list(corrected) == ["gpt-3.5", "gpt-4", "llama-3", "claude-3"]
    assert corrected["llama-3"] == pytest.approx(1 / 32)  # the largest p value is not multiplied
    assert corrected["gpt-4"] == pytest.approx(
        4 * embers.paired_effect("rot13dec", "gpt-4").p_value("greater")
    )
    assert embers.significant_models("rot13dec", floor=1.1) == {}


@pytest.mark.parametrize(
    ("task", "column", "expected"),
    [
        ("rot13dec", "output_logprob", 0.720),
        ("rot13dec", "input_logprob", 0.498),
        ("revdec", "output_logprob", 0.800),
        ("revdec", "input_logprob", 0.402),
        ("pigdec_ay", "output_logprob", 0.835),
        ("swap_next_base", "output_logprob", 0.880),
        ("rot13enc", "output_logprob", 0.437),
        ("revenc", "output_logprob", 0.341),
        ("pigenc_ay", "output_logprob", 0.453),
    ],
)
def test_ranking_of_right_answers(task, column, expected):
    assert embers.ranking_quality(task, "gpt-4", column) == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize(
    ("name", "model", "terms"),
    [
        ("rot13dec_gpt4_model", "gpt-4", embers.FIVE_TERMS),
        ("rot13dec_gpt35_model", "gpt-3.5", embers.FIVE_TERMS),
        ("rot13dec_claude3_notokens_model", "claude-3", embers.THREE_TERMS),
    ],
)
def test_regressions_agree_with_the_published_ones(name, model, terms):
    fit, published = embers.fit_answers("rot13dec", model, terms), embers.published_coefficients(name)
    np.testing.assert_allclose(fit.coefficients, published[:, 0], atol=1e-4)
    np.testing.assert_allclose(fit.standard_errors, published[:, 1], atol=1e-4)


def test_plain_regression_of_birthdays_agrees():
    fit = embers.fit_answers("birthdays", "gpt-4", ("input_logprob", "output_logprob"), cauchy=False)
    np.testing.assert_allclose(fit.coefficients, [1.4605, 2.2209, 0.1372], atol=5.1e-5)
    np.testing.assert_allclose(fit.standard_errors, [0.1915, 0.2229, 0.1440], atol=5.1e-5)


def test_permuted_outputs_have_no_effect():
    z = embers.permuted_z("rot13dec", "gpt-4", embers.FIVE_TERMS, draws=40)
    assert np.mean(abs(z) > 2) <= 0.15
    assert embers.fit_answers("rot13dec", "gpt-4").z[2] > abs(z).max()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: embers.answers("rot13dec", "high", "gpt-5"), "'gpt-5'"),
        (lambda: embers.answers_with_predictors("rot13dec", "gpt-4", ("words",)), "terms"),
        (lambda: embers.answers_with_predictors("shift_dec", "gpt-4"), "no items"),
        (lambda: embers.published_coefficients("x"), "name"),
        (lambda: embers.permuted_z("rot13dec", "gpt-4", ("input_chars",)), "output_logprob"),
        (lambda: embers.ranking_quality("rot13dec", "gemini-1.0"), "task, model"),
        (lambda: embers.counting_accuracy("words"), "task"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
