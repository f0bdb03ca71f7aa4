from __future__ import annotations

import json
import re

import numpy as np
import pytest

from entropylab.book import scatter_explorer

FRAMES = {"1": [1.0, 2.0, 4.0], "2": [3.0, 2.0, 1.0]}
KEYWORDS = {"slider": "T", "labels": ("x, nats", "y, nats"), "captions": ["as they are", "turned round"]}


def data(html: str) -> dict:
    return json.loads(re.search(r'getElementById\("sx-\w+"\), (\{.*\})\);</script>', html)[1])


def heights(html: str) -> list[float]:
    return [float(value) for value in re.findall(r'<circle cx="[^"]*" cy="([^"]*)"', html)]


def test_the_points_of_every_frame_are_in_the_page_and_nothing_is_loaded():
    html = scatter_explorer(
        [1, 2, 3], FRAMES, ["a", "b", "a"], start=1, levels={"four": 4.0}, **KEYWORDS
    ).html
    content = data(html)
    assert content["stops"] == ["1", "2"] and content["captions"] == KEYWORDS["captions"]
    assert heights(html) == content["frames"][1]
    # Higher values stand further up, on one scale for all frames, and the line at 4 passes through the point at 4.
    assert np.argsort(content["frames"][0]).tolist() == [2, 1, 0]
    assert content["frames"][0][1] == content["frames"][1][1]
    assert f'y1="{content["frames"][0][2]}"' in html
    assert html.count("<i style=") == 2
    assert "src=" not in html and "import" not in html


def test_without_javascript_there_is_a_picture_with_text():
    html = scatter_explorer([1, 2, 3], FRAMES, ["a", "b", "a"], **KEYWORDS).html
    assert 'role="img" aria-label="as they are"' in html
    assert '<label data-sx="controls" hidden>' in html


def test_texts_can_hold_anything():
    odd = "</script><b>&"
    html = scatter_explorer(
        [1], {odd: [1.0]}, [odd], slider=odd, labels=(odd, odd), captions=[odd], title=odd
    ).html
    assert html.count("</script>") == 1
    assert "<b>" not in html.split("<script>")[0]
    assert data(html.replace("<\\/", "</"))["stops"] == [odd]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": []}, "x: got shape"),
        ({"x": np.zeros(501)}, "allowed are 1 to 500"),
        ({"frames": {"1": [1.0]}}, "frames, groups"),
        ({"frames": {}}, "frames, groups"),
        ({"groups": ["a"]}, "frames, groups"),
        ({"frames": {"1": [1.0, np.nan, 2.0], "2": [1.0, 1.0, 1.0]}}, "NaN or infinite"),
        ({"captions": ["one"]}, "captions: got 1"),
        ({"start": 2}, "start: got 2"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"x": [1, 2, 3], "frames": FRAMES, "groups": ["a", "b", "a"], **KEYWORDS}
    with pytest.raises(ValueError, match=message):
        scatter_explorer(**(arguments | changes))


def test_there_are_only_so_many_colours():
    with pytest.raises(ValueError, match="groups: got 6, allowed are 5"):
        scatter_explorer(
            range(6), {"1": range(6)}, list("abcdef"), slider="T", labels=("x", "y"), captions=["c"]
        )
