from __future__ import annotations

import json
import re

import numpy as np
import pytest

from entropylab.book import typical_explorer
from entropylab.book.pages import front_figure


def data(html: str) -> dict:
    return json.loads(re.search(r'getElementById\("tx-\w+"\), (\{.*\})\);</script>', html)[1])


def test_the_data_is_in_the_page_and_nothing_is_loaded():
    html = typical_explorer(np.log([0.4, 0.2, 0.2, 0.2]), ["a", "b", "c", "d"], mass=0.3).html
    assert data(html)["labels"] == ["a", "b", "c", "d"]
    assert data(html)["mass"] == 0.3
    assert "src=" not in html
    assert "import" not in html
    assert len(html) < 20_000


def test_without_javascript_the_start_is_a_still_picture_with_text():
    html = typical_explorer(np.log([0.4, 0.2, 0.2, 0.2]), ["the", "b", "c", "d"], mass=0.5).html
    picture = re.search(r"<svg.*?</svg>", html, re.DOTALL)[0]
    assert 'role="img"' in picture
    assert "H = 1.33 nats" in picture
    assert "nucleus keeps 2, typical 3. Typical cuts the most probable token" in picture
    assert picture.count('class="tx-t"') == 3
    assert picture.count('class="tx-n"') == 2


def test_labels_can_hold_anything():
    html = typical_explorer([0.0, 1.0], ["</script><b>", '"&'], order="probability").html
    assert html.count("</script>") == 1
    assert data(html.replace("<\\/", "</"))["labels"] == ["</script><b>", '"&']
    assert "<b>" not in re.search(r"<svg.*?</svg>", html, re.DOTALL)[0]


def test_a_token_that_cannot_come_is_allowed():
    assert data(typical_explorer([0.0, -np.inf], ["a", "b"]).html)["logits"] == [0.0, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logits": []}, "1 to 40 numbers"),
        ({"logits": np.zeros(41)}, "1 to 40 numbers"),
        ({"logits": np.zeros((2, 2))}, "1 to 40 numbers"),
        ({"labels": ["a"]}, "1 labels for 2 logits"),
        ({"logits": [0.0, np.nan]}, "finite or -inf"),
        ({"logits": [0.0, np.inf]}, "finite or -inf"),
        ({"logits": [-np.inf, -np.inf]}, "not all -inf"),
        ({"mass": 0}, r"mass must be in \(0, 1\]"),
        ({"mass": 1.1}, r"mass must be in \(0, 1\]"),
        ({"temperature": 0.1}, "temperature must be from 0.25 to 3"),
        ({"order": "size"}, "order must be"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        typical_explorer(**({"logits": [0.0, 1.0], "labels": ["a", "b"]} | arguments))


def test_the_front_figure_shows_the_likeliest_word_being_cut():
    assert "Typical cuts the most probable token" in front_figure().html
