from __future__ import annotations

import json
import re

import numpy as np
import pytest

from entropylab.book import text_explorer

FRAMES = {"all": [0.0, 1.0, 0.5], "one": [np.nan, 1.0, np.nan]}
KEYWORDS = {"slider": "share", "captions": ["all words", "one word"]}


def data(html: str) -> dict:
    return json.loads(re.search(r'getElementById\("sx-\w+"\), (\{.*\})\);</script>', html)[1])


def styles(html: str) -> list[str]:
    return re.findall(r'<span style="([^"]*)">', html)


def test_every_position_has_a_look_for_every_word():
    html = text_explorer(["a", "b", "c"], FRAMES, start=1, **KEYWORDS).html
    content = data(html)
    assert styles(html) == content["frames"][1]
    assert content["frames"][1][0] == content["frames"][1][2] == "opacity:.35"
    alpha = [float(re.search(r"([\d.]+)\)$", look)[1]) for look in content["frames"][0]]
    assert alpha[0] == 0 < alpha[2] < alpha[1]
    assert content["frames"][0][1] == content["frames"][1][1]
    assert content["stops"] == ["all", "one"] and content["captions"] == KEYWORDS["captions"]
    assert 'role="group" aria-label="one word"' in html and '<label data-sx="controls" hidden>' in html
    assert "src=" not in html and "import" not in html


def test_words_can_hold_anything():
    odd = "</script><b>&"
    html = text_explorer([odd], {odd: [1.0]}, slider=odd, captions=[odd], title=odd).html
    assert html.count("</script>") == 1
    assert "<b>" not in html.split("<script>")[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": []}, "words: got 0"),
        ({"words": ["w"] * 501}, "words: got 501"),
        ({"frames": {}}, "frames: allowed is one shade"),
        ({"frames": {"all": [1.0]}}, "each of the 3 words"),
        ({"frames": {"all": [0.0, 1.1, 0.0], "one": [0.0] * 3}}, "not from 0 to 1"),
        ({"captions": ["one"]}, "captions: got 1"),
        ({"start": 2}, "start: got 2"),
    ],
)
def test_bad_input_is_named(changes, message):
    arguments = {"words": ["a", "b", "c"], "frames": FRAMES, **KEYWORDS}
    with pytest.raises(ValueError, match=message):
        text_explorer(**(arguments | changes))
