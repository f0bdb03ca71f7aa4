from __future__ import annotations

import re

import numpy as np
import pytest

from entropylab.book import ChainCut, chain_explorer


def cut(text, uncertainty=0.5, chance=0.75):
    return ChainCut(text, uncertainty, [[("9", chance), ("8", 1 - chance)], [("*", 1.0)]])


VARIANTS = {"as written": [cut("prompt", 1.0), cut("step one", 0.25)], "false": [cut("prompt", 1.0)] * 3}
KEYWORDS = {"choice": "steps", "uncertainty": "H, nats"}


def frames(html):
    found = re.findall(r'<div data-rx-frame="(\d+ \d+)"( hidden)?>(.*?)</svg>', html, flags=re.S)
    return {place: (bool(hidden), body) for place, hidden, body in found}


def test_every_state_is_in_the_page_and_one_is_shown():
    html = chain_explorer(VARIANTS, ["9", "*"], start=1, **KEYWORDS).html
    found = frames(html)
    assert list(found) == ["0 0", "0 1", "1 0", "1 1", "1 2"]
    assert [place for place, (hidden, _) in found.items() if not hidden] == ["0 1"]
    assert '{"sizes": [2, 3], "start": 1}' in html
    assert 'data-rx="controls" hidden' in html
    assert "src=" not in html and "import" not in html


def test_a_state_shows_the_cut_the_curve_and_the_candidates():
    html = chain_explorer(VARIANTS, ["9", "*"], **KEYWORDS).html
    first, second = (frames(html)[place][1] for place in ("0 0", "0 1"))
    assert 'class="rx-now">prompt' in first and 'class="rx-ahead">step one' in first
    assert 'class="rx-read">prompt' in second and 'class="rx-now">step one' in second
    # 1 nat is at the top of the curve, a quarter of it a quarter up.
    heights = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', first)]
    assert heights == [22.0, 112.0]
    assert re.findall(r'class="(rx-true|rx-other)"', first) == ["rx-true", "rx-other", "rx-true"]
    assert "H, nats: 0.250; likeliest answer 9 *, true 9 *" in second


def test_texts_can_hold_anything():
    odd = "</script><b>&"
    html = chain_explorer(
        {odd: [ChainCut(odd, 0.0, [[(odd, 1.0)]])]}, [odd], choice=odd, uncertainty=odd, title=odd
    ).html
    assert html.count("</script>") == 1
    assert "<b>" not in html


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variants": {}}, "variants: allowed are one or more"),
        ({"variants": {"a": []}}, "1 to 12 cuts"),
        ({"answer": []}, "answer: got 0"),
        ({"answer": ["9"]}, "candidates for each token"),
        ({"variants": {"a": [ChainCut("", 1.0, [[], []])]}}, "candidates for each token"),
        ({"variants": {"a": [cut("", np.nan)]}}, "uncertainty of nan"),
        ({"variants": {"a": [cut("", 1.0, 1.5)]}}, "outside 0 to 1"),
        ({"start": 2}, "start: got 2"),
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        chain_explorer(**({"variants": VARIANTS, "answer": ["9", "*"], **KEYWORDS} | changes))
