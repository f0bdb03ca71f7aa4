from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from entropylab.book import cluster_explorer
from entropylab.book.cluster_explorer import FORMS, values
from entropylab.reasoning import cluster_entropy, seed_weight

LIKELIHOODS, LENGTHS = [-10, -11, -12, -10.5], [20, 20, 30, 15]


def test_the_start_is_in_the_page_and_nothing_is_loaded():
    html = cluster_explorer([0, 0, 1, 2], LIKELIHOODS, LENGTHS, alpha=0.5, title="a < b").html
    shown = [float(value) for value in re.findall(r"</i><output>([\d.]+)</output>", html)]
    factor = 1 - 0.5 * 1.0397207708399179 / math.log(4)
    assert shown[:3] == [1.155, 1.032, 1.040] and shown[3] == round(factor, 3)
    assert len(shown) == 3 + len(FORMS)
    assert "Clusters of 2, 1, 1." in html and "a &lt; b" in html
    assert html.count(" selected>") == 4 and html.count('<select data-cx="answer">') == 4
    assert "src=" not in html and "import" not in html
    data = json.loads(re.search(r'getElementById\("cx-\w+"\), (\{.*\})\);</script>', html)[1])
    assert data["weights"] == [-0.5, -0.55, -0.4, -0.7]


def test_without_javascript_the_lists_cannot_be_used():
    assert '<fieldset data-cx="controls" disabled>' in cluster_explorer([0, 1], [-1, -2], [3, 4]).html


def test_the_values_are_those_of_the_package():
    ids = np.array([0, 0, 3, 1])
    entropies, factors = values(ids, LIKELIHOODS, LENGTHS, 0.3)
    assert entropies[0] == cluster_entropy(ids, estimator="mean")
    assert entropies[2] == cluster_entropy(ids)
    assert factors.tolist() == [float(seed_weight(entropies[2], 4, alpha=0.3, form=f)) for f in FORMS]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clusters": [0]}, "clusters: got shape"),
        ({"clusters": [0] * 13}, "allowed are 2 to 12"),
        ({"clusters": [0, 1, 2, 4]}, "clusters: got numbers from 0 to 4"),
        ({"log_likelihoods": [-1.0]}, "log_likelihoods, lengths: got shapes"),
        ({"log_likelihoods": [-1.0, -1.0, -1.0, -np.inf]}, "log_likelihoods: got a number that is NaN"),
        ({"lengths": [1, 1, 1, 0]}, "lengths: got 0"),
        ({"alpha": 1.2}, "alpha: got 1.2"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"clusters": [0, 0, 1, 2], "log_likelihoods": LIKELIHOODS, "lengths": LENGTHS}
    with pytest.raises(ValueError, match=message):
        cluster_explorer(**(arguments | changes))
