"""What McCoy et al. 2024, "Embers of autoregression", measured: their tables, tests and regressions, from the answers.

All numbers come from the tables ``embers_*``, which hold for each item whether a model's answer was right, and the
lengths and log-probabilities (nats) of its input and of its right output. Items are *paired*: item i of the conditions
high, medium and low stems from one sentence, so whole items are resampled, never single rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr, zscore

from entropylab.data import load_table
from entropylab.statistics import LogisticFit, logit_glm, mcnemar_exact

MODELS: tuple[str, ...] = ("gpt-3.5", "gpt-4", "llama-3", "claude-3", "gemini-1.0")
CONDITIONS: tuple[str, ...] = ("high", "medium", "low")
# Five tasks with a natural-language output, and the opposite direction of four of them, with a gibberish output.
DECODING: tuple[str, ...] = ("rot13dec", "revdec", "pigdec_ay", "swap_next_base", "swap_prev_base")
OPPOSITE: dict[str, str] = {
    "rot13dec": "rot13enc",
    "revdec": "revenc",
    "pigdec_ay": "pigenc_ay",
    "swap_next_base": "swap_base_next",
}
FIVE_TERMS = ("input_logprob", "output_logprob", "input_tokens", "output_tokens", "input_chars")
THREE_TERMS = ("input_logprob", "output_logprob", "input_chars")


class PairedEffect(NamedTuple):
    """Right answers under two conditions of the same items, and how many items had only one of them right."""

    first: int
    second: int
    first_only: int
    second_only: int
    n: int

    @property
    def difference(self) -> float:
        """Accuracy under the first condition minus that under the second."""
        return (self.first - self.second) / self.n

    def p_value(self, alternative: str = "two-sided") -> float:
        """Exact McNemar test; "greater" asks whether the first condition succeeds more often."""
        return mcnemar_exact(self.first_only, self.second_only, alternative=alternative)  # type: ignore[arg-type]


@cache
def _table(name: str) -> pd.DataFrame:
    table = load_table(f"embers_{name}")
    # As texts: categories of different tables do not join, and groups of unused ones are empty.
    return table.astype(dict.fromkeys(table.select_dtypes("category").columns, str))


def answers(task: str, condition: str, model: str) -> NDArray[np.int64]:
    """Right (1) and wrong (0) answers of a model, by item.

    Parameters
    ----------
    task, condition, model : str
        As they stand in the table ``embers_responses``.

    Returns
    -------
    numpy.ndarray of int64, shape (items,)
        In the order of the items.

    Raises
    ------
    ValueError
        If there are no such answers.
    """
    table = _table("responses")
    rows = table[(table["task"] == task) & (table["condition"] == condition) & (table["model"] == model)]
    if rows.empty:
        raise ValueError(
            f"task, condition, model: there are no answers for {task!r}, {condition!r}, {model!r}; tasks are "
            f"{sorted(table['task'].unique())}, models {list(MODELS)}"
        )
    return rows.sort_values("item")["correct"].to_numpy(np.int64)


def paired_effect(task: str, model: str, first: str = "high", second: str = "low") -> PairedEffect:
    """Compare two conditions of a task over paired items.

    Parameters
    ----------
    task, model : str
        As in :func:`answers`.
    first, second : str
        Conditions of the same items.

    Returns
    -------
    PairedEffect

    Raises
    ------
    ValueError
        If there are no such answers.
    """
    a, b = answers(task, first, model), answers(task, second, model)
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    return PairedEffect(int(a.sum()), int(b.sum()), only_a, only_b, len(a))


def exchanged_labels(task: str, model: str, *, draws: int = 2000, seed: int = 0) -> NDArray[np.float64]:
    """Differences high minus low after the two labels were exchanged at random within items: the null distribution.

    Parameters
    ----------
    task, model : str
        As in :func:`answers`.
    draws : int
        How many random relabellings.
    seed : int
        Decides them.

    Returns
    -------
    numpy.ndarray of float64, shape (draws,)
        Differences of accuracy.

    Raises
    ------
    ValueError
        If there are no such answers, or ``draws`` is less than 1.
    """
    if draws < 1:
        raise ValueError(f"draws: got {draws}, allowed is 1 or more")
    difference = answers(task, "high", model) - answers(task, "low", model)
    signs = np.random.default_rng(seed).choice([-1, 1], size=(draws, len(difference)))
    return (signs * difference).mean(1)


def significant_models(task: str, *, level: float = 0.05, floor: float = 0.02) -> dict[str, float]:
    """Holm-corrected one-sided McNemar p values, high above low, of the models that are not at floor.

    Parameters
    ----------
    task : str
        A task with the conditions high and low.
    level : float
        Significance level that the correction is made for.
    floor : float
        A model with a lower accuracy on high items is left out: it could not show an effect.

    Returns
    -------
    dict of str to float
        Corrected p value of each model that is not at floor.

    Raises
    ------
    ValueError
        If there are no such answers.
    """
    from statsmodels.stats.multitest import multipletests

    effects = {model: paired_effect(task, model) for model in MODELS}
    kept = {model: effect for model, effect in effects.items() if effect.first / effect.n >= floor}
    if not kept:
        return {}
    corrected = multipletests(
        [effect.p_value("greater") for effect in kept.values()], alpha=level, method="holm"
    )[1]
    return dict(zip(kept, map(float, corrected), strict=True))


def answers_with_predictors(
    task: str, model: str, terms: Sequence[str] = FIVE_TERMS
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The answers to a task's items and their predictors, z-scored (n - 1) over the rows of this task and model.

    Parameters
    ----------
    task, model : str
        As in :func:`answers`.
    terms : sequence of str
        Columns of the table ``embers_items``.

    Returns
    -------
    predictors : numpy.ndarray of float64, shape (rows, terms)
    correct : numpy.ndarray of int64, shape (rows,)

    Raises
    ------
    ValueError
        If there are no such answers or columns.
    """
    responses, items = _table("responses"), _table("items")
    if unknown := set(terms) - set(items.columns):
        raise ValueError(f"terms: got {sorted(unknown)}, allowed are the columns {list(items.columns[3:])}")
    rows = responses[(responses["task"] == task) & (responses["model"] == model)]
    joined = rows.merge(items, on=["task", "condition", "item"])
    if joined.empty:
        raise ValueError(f"task, model: there are no items with predictors for {task!r}, {model!r}")
    predictors = zscore(joined[list(terms)].to_numpy(np.float64), ddof=1)
    return predictors, joined["correct"].to_numpy(np.int64)


def fit_answers(
    task: str, model: str, terms: Sequence[str] = FIVE_TERMS, *, cauchy: bool = True
) -> LogisticFit:
    """Refit a regression of the paper: right or wrong on lengths and log-probabilities.

    Parameters
    ----------
    task, model : str
        As in :func:`answers`.
    terms : sequence of str
        Predictors; five for GPT-3.5 and GPT-4, three without tokens where a model's tokens are not known.
    cauchy : bool
        With Cauchy priors, as the paper's ``bayesglm``; else maximum likelihood, as its ``glm``.

    Returns
    -------
    LogisticFit
        Intercept first.

    Raises
    ------
    ValueError
        If there are no such answers.
    """
    predictors, correct = answers_with_predictors(task, model, terms)
    return logit_glm(predictors, correct, prior_scale=1.25 if cauchy else None)


def published_coefficients(name: str) -> NDArray[np.float64]:
    """Coefficients that the paper's authors printed for one of their regressions.

    Parameters
    ----------
    name : str
        As in their notebook, for example ``"rot13dec_gpt4_model"``.

    Returns
    -------
    numpy.ndarray of float64, shape (terms, 2)
        Estimate and standard error of each term, intercept first, in the authors' order.

    Raises
    ------
    ValueError
        If there is no such regression.
    """
    table = _table("regressions")
    rows = table[table["model_name"] == name]
    if rows.empty:
        raise ValueError(f"name: got {name!r}, allowed are {sorted(set(table['model_name']))}")
    return rows[["estimate", "std_error"]].to_numpy(np.float64)


def permuted_z(
    task: str, model: str, terms: Sequence[str], *, draws: int = 200, seed: int = 0
) -> NDArray[np.float64]:
    """z of output_logprob after its values were permuted over the rows: what the regression says of nothing.

    Parameters
    ----------
    task, model : str
        As in :func:`answers`.
    terms : sequence of str
        Predictors, ``"output_logprob"`` among them.
    draws : int
        How many permutations.
    seed : int
        Decides them.

    Returns
    -------
    numpy.ndarray of float64, shape (draws,)

    Raises
    ------
    ValueError
        If ``"output_logprob"`` is no term, or there are no such answers.
    """
    if "output_logprob" not in terms:
        raise ValueError(f"terms: got {list(terms)}, 'output_logprob' must be one of them")
    predictors, correct = answers_with_predictors(task, model, terms)
    column = list(terms).index("output_logprob")
    generator = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        predictors[:, column] = generator.permutation(predictors[:, column])
        found[draw] = logit_glm(predictors, correct).z[column + 1]
    return found


def ranking_quality(task: str, model: str, column: str = "output_logprob") -> float:
    """How well a log-probability per character ranks right answers above wrong ones (area under the ROC curve).

    Parameters
    ----------
    task, model : str
        As in :func:`answers`.
    column : str
        ``"output_logprob"`` or ``"input_logprob"``; it is divided by the same side's number of characters.

    Returns
    -------
    float
        1/2 for no relation.

    Raises
    ------
    ValueError
        If there are no such answers, or all of them are right or wrong.
    """
    characters = column.removesuffix("_logprob") + "_chars"
    responses = _table("responses")
    rows = responses[(responses["task"] == task) & (responses["model"] == model)]
    rows = rows.merge(_table("items"), on=["task", "condition", "item"])
    values, right = (rows[column] / rows[characters]).to_numpy(), rows["correct"].to_numpy(bool)
    if not 0 < right.sum() < len(right):
        raise ValueError(
            f"task, model: all answers for {task!r}, {model!r} are right, or none is there or right"
        )
    ranks = rankdata(values)
    return float((ranks[right].sum() - right.sum() * (right.sum() + 1) / 2) / (right.sum() * (~right).sum()))


def published_tables() -> dict[str, pd.DataFrame]:
    """The paper's tables, recomputed from the answers.

    Returns
    -------
    dict of str to pandas.DataFrame
        All but the last four have a column a model.

        ``output_probability``
            Accuracy by task and condition (high, medium, low), index (task, condition).
        ``task_frequency``
            Accuracy on the common and the rare task of six pairs, index (pair, variant).
        ``shifts``
            Accuracy at decoding each shift 1 to 25, with the mentions of the shift in C4.
        ``counting``
            Accuracy at round numbers 20, 30, .., 100 and other numbers 21 to 99, and at frequent and rare numbers.
        ``acronyms``
            Accuracy by group of output and of input probability (1 is most probable).
        ``formats``
            Accuracy of multiplication by how numbers are written, and of birthdays by how frequent a name is.
        ``prompts``
            GPT-4's accuracy at rot-13 by style of the prompt.
        ``adversarial``
            Shares of right and of regularised answers where one word is improbable.
        ``shift_correlations``
            Spearman's correlation of accuracy with mentions in C4 over the shifts.
        ``edit_distance``
            Mean edit distance by condition, rot-13 decoding.
    """
    summary = _table("summary")
    summary = summary.assign(accuracy=summary["n_correct"] / summary["n"])
    standard = summary[summary["prompt"] == "standard"]
    cells = standard.pivot_table(index=["task", "condition"], columns="model", values="accuracy")[
        list(MODELS)
    ]
    distances = standard.pivot_table(
        index=["task", "condition"], columns="model", values="mean_edit_distance"
    )
    sentence_tasks = [*DECODING, *OPPOSITE.values(), "swap_base_prev"]
    pairs = [(task, condition) for task in sentence_tasks for condition in CONDITIONS]
    shifts, correlations = _shift_tables(summary)
    return {
        "output_probability": cells.loc[pairs],
        "task_frequency": _task_frequency(cells),
        "shifts": shifts,
        "counting": _counting(),
        "acronyms": _acronyms(),
        "formats": cells.loc[
            [("multiplication", f) for f in ("number", "word", "allcaps", "alternatingcaps")]
            + [("birthdays", str(group)) for group in range(1, 5)]
        ],
        "prompts": summary[
            (summary["model"] == "gpt-4")
            & (summary["task"] == "rot13dec")
            & summary["prompt"].isin(["standard", "step", "cot"])
        ].pivot(index="prompt", columns="condition", values="accuracy")[list(CONDITIONS)],
        "adversarial": _table("adversarial").groupby("model").mean().drop(columns="item").loc[list(MODELS)],
        "shift_correlations": correlations,
        "edit_distance": distances.loc[[("rot13dec", c) for c in CONDITIONS]][list(MODELS)],
    }


def _task_frequency(cells: pd.DataFrame) -> pd.DataFrame:
    linear = _table("linear")
    # Out-of-distribution inputs are left out: upstream's scoring of Llama 3 is faulty there.
    uniform = linear[linear["inputs"] == "uniform"]
    functions = uniform.pivot_table(index="function", columns="model", values="correct")[list(MODELS)]

    acronyms = _group_accuracy(["acronym1", "acronym2"])
    rows = {
        ("rot-13 / rot-12", "common"): cells.loc[("rot13dec", "high")],
        ("rot-13 / rot-12", "rare"): cells.loc[("rot12dec", "high")],
        ("acronym: first / second letter", "common"): acronyms.loc[("acronym1", "out1_in1")],
        ("acronym: first / second letter", "rare"): acronyms.loc[("acronym2", "out1_in1")],
        ("sort words: forward / reverse", "common"): cells.loc[("sort_words", "fwd")],
        ("sort words: forward / reverse", "rare"): cells.loc[("sort_words", "rev")],
        ("linear: 9/5 x + 32 / 7/5 x + 31", "common"): functions.loc["actual"],
        ("linear: 9/5 x + 32 / 7/5 x + 31", "rare"): functions.loc["fake"],
        ("Pig Latin / Boar Etruscan", "common"): cells.loc[("pigdec_ay", "high")],
        ("Pig Latin / Boar Etruscan", "rare"): cells.loc[("pigdec_uv", "high")],
        ("control: sort up / down", "common"): cells.loc[("sort_numbers", "ascending")],
        ("control: sort up / down", "rare"): cells.loc[("sort_numbers", "descending")],
    }
    table = pd.DataFrame(rows).T
    table.index.names = ["pair", "variant"]
    return table


def _shift_tables(summary: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    decoding = summary[summary["task"] == "shift_dec"].assign(
        shift=lambda table: table["condition"].astype(int)
    )
    standard = decoding[decoding["prompt"] == "standard"].pivot(
        index="shift", columns="model", values="accuracy"
    )
    corpus = _table("corpus")
    mentions = corpus[corpus["table"] == "c4_shift_cipher_mentions"]
    table = standard[list(MODELS)].copy()
    table["mentions"] = pd.Series(mentions["value"].to_numpy(int), index=mentions["key"].astype(int))
    styles = decoding[decoding["prompt"].isin(["standard", "step", "cot"])]
    correlations = {
        (model, prompt): spearmanr(
            rows.sort_values("shift")["accuracy"], table["mentions"].sort_index()
        ).statistic
        for (model, prompt), rows in styles.groupby(["model", "prompt"])
        if rows["accuracy"].nunique() > 1  # a model at floor everywhere has no ranks
    }
    series = pd.Series(correlations, name="spearman")
    series.index.names = ["model", "prompt"]
    return table, series.to_frame()


def _group_accuracy(tasks: Sequence[str]) -> pd.DataFrame:
    groups = _table("groups")
    counts = (
        groups[groups["task"].isin(tasks)].groupby(["task", "condition", "model"])[["n_correct", "n"]].sum()
    )
    return (counts["n_correct"] / counts["n"]).unstack("model")[list(MODELS)]


def counting_accuracy(task: str) -> pd.DataFrame:
    """Accuracy at counting frequent letters or words, by the true number.

    Parameters
    ----------
    task : {"counting_chars", "counting_words"}
        What is counted.

    Returns
    -------
    pandas.DataFrame
        Index 1 to 100, a column a model; 30 items a number.

    Raises
    ------
    ValueError
        If there is no such task.
    """
    groups = _table("groups")
    rows = groups[(groups["task"] == task) & (groups["condition"] == "common")]
    if task not in ("counting_chars", "counting_words"):
        raise ValueError(f"task: got {task!r}, allowed are 'counting_chars' and 'counting_words'")
    return rows.assign(accuracy=rows["n_correct"] / rows["n"]).pivot(
        index="number", columns="model", values="accuracy"
    )[list(MODELS)]


def _counting() -> pd.DataFrame:
    rows = {}
    for task, name in (("counting_chars", "letters"), ("counting_words", "words")):
        by_number = counting_accuracy(task).loc[20:100]
        is_round = by_number.index % 10 == 0
        rows[name, "round"] = by_number[is_round].mean()
        rows[name, "other"] = by_number[~is_round].mean()
        groups = _group_accuracy([task])
        rows[name, "frequent"] = groups.loc[(task, "number_common_item_common")]
        rows[name, "rare"] = groups.loc[(task, "number_rare_item_common")]
    table = pd.DataFrame(rows).T
    table.index.names = ["counted", "numbers"]
    return table


def _acronyms() -> pd.DataFrame:
    groups = _group_accuracy(["acronym1"])
    rows = {("output", g): groups.loc[("acronym1", f"out{g}_in1")] for g in range(1, 6)}
    rows |= {("input", g): groups.loc[("acronym1", f"out1_in{g}")] for g in range(1, 6)}
    table = pd.DataFrame(rows).T
    table.index.names = ["probability of", "group"]
    return table
