"""The site as a reader sees it, in a headless Chromium: desktop, phone, dark mode, no network."""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from entropylab.book import ChainCut, chain_explorer, cluster_explorer, places, typical_explorer
from entropylab.book.cluster_explorer import values
from entropylab.book.scoreboard import scoreboard
from entropylab.decoding import top_p_filter
from entropylab.kernels import reference

ROOT = places.checkout()
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [
    f"{TOC['root']}.html",
    *(f"{c['file']}.html" for part in TOC["parts"] for c in part["chapters"]),
    "search.html",
]

pytestmark = pytest.mark.browser

if not (Path("/usr/bin/chromium").exists() or shutil.which("chromium")):
    if os.environ.get("ENTROPYLAB_REQUIRE_BROWSER") != "1":
        # Here, and not test by test: one line says it.
        reason = "no chromium found (Debian: apt-get install chromium): the browser tests did not run"
        pytest.skip(reason, allow_module_level=True)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_nobody_else_and_has_no_errors(look, name):
    log = look(name).log
    assert log.foreign == []
    assert log.failed == []
    assert log.console == []


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_the_page_does_not_scroll_sideways(look, name):
    width, scrolled = look(name).sideways
    assert width <= 390
    assert scrolled == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES[:-1])
def test_text_stands_out_from_its_background(look, name, scheme):
    seen = look(name)
    assert seen.theme[scheme] == scheme
    ratio, where = seen.contrast[scheme]
    assert ratio >= 4.5, where


def test_formulas_are_set_by_the_sites_own_mathjax(open_page):
    page, log = open_page("chapters/appendix/notation.html")
    page.wait_for_selector("mjx-container")
    assert log.foreign == []
    assert page.locator("mjx-merror").count() == 0


def test_the_filters_of_the_scoreboard(open_page):
    page, _ = open_page("chapters/scoreboard.html")
    rows = page.locator("#scoreboard-table tbody tr[data-verdict]")
    if rows.count() == 0:
        assert "No results are recorded yet" in page.inner_text("#scoreboard-table")
        return
    everything = rows.count()
    for filter_name in ("verdict", "part"):
        select = page.locator(f"select[data-filter={filter_name}]")
        values = select.locator("option").evaluate_all(
            "options => options.map((o) => o.value).filter(Boolean)"
        )
        assert values
        total = 0
        for value in values:
            select.select_option(value)
            shown = rows.evaluate_all(
                "rows => rows.filter((r) => r.offsetParent).map((r) => ({...r.dataset}))"
            )
            assert shown
            assert all(row[filter_name] == value for row in shown)
            assert str(len(shown)) in page.inner_text("[data-count]")
            total += len(shown)
        assert total == everything
        select.select_option("")
        assert len(rows.evaluate_all("rows => rows.filter((r) => r.offsetParent)")) == everything


def test_the_scoreboard_filters_two_parts_and_three_verdicts(chromium, tmp_path):
    def claim(verdict):
        return {
            "statement": "s",
            "paper": "p",
            "source": "",
            "verdict": verdict,
            "quantities": {},
            "intervals": {},
        }

    (tmp_path / "lab").mkdir()
    for chapter, part, verdicts in (
        ("emo", "training", ["holds", "does not hold"]),
        ("ares", "reasoning", ["holds", "not tested at this scale"]),
    ):
        content = {"format": 1, "chapter": chapter, "title": chapter, "part": part, "scale": "lab"}
        content["claims"] = {f"C{k}": claim(verdict) for k, verdict in enumerate(verdicts)}
        content["provenance"] = {"date": "2026-01-01", "run_seconds": 1}
        (tmp_path / "lab" / f"{chapter}.json").write_text(json.dumps(content))
    page = chromium.new_page()
    page.set_content(scoreboard(tmp_path).html)

    def shown():
        script = (
            "rows => rows.filter((r) => r.offsetParent).map((r) => r.dataset.part + ' ' + r.dataset.verdict)"
        )
        return page.locator("tr[data-verdict]").evaluate_all(script)

    assert len(shown()) == 4
    assert page.inner_text("[data-count]") == "All 4 claims are shown."
    page.locator("select[data-filter=verdict]").select_option("holds")
    assert sorted(shown()) == ["reasoning holds", "training holds"]
    page.locator("select[data-filter=part]").select_option("training")
    assert shown() == ["training holds"]
    assert page.inner_text("[data-count]") == "1 of 4 claims are shown."
    page.close()


# Sets both sliders to each of the settings, and gives what the figure then shows.
MOVE = """(root, settings) => settings.map(([mass, temperature]) => {
  for (const [name, value] of [["mass", mass], ["temperature", temperature]]) {
    const slider = root.querySelector(`[data-tx=${name}]`);
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }
  const numbers = (text) => text.split(" ").filter(Boolean).map(Number);
  return [numbers(root.dataset.typical), numbers(root.dataset.nucleus), Number(root.dataset.entropy)];
})"""


def expected(logits, mass, temperature):
    row = np.asarray(logits, dtype=np.float64)[None] / temperature
    typical = np.flatnonzero(np.isfinite(reference.typical_filter(row, mass)[0]))
    nucleus = torch.isfinite(top_p_filter(torch.from_numpy(row), mass))[0].nonzero().ravel()
    return typical.tolist(), nucleus.tolist(), float(reference.statistics(row).entropy[0])


RNG = np.random.default_rng(0)
ROWS = {
    "one likely token, three tied": np.log([0.4, 0.2, 0.2, 0.2]),
    "uniform": np.zeros(4),
    "dyadic, mass on a boundary": np.log([0.5, 0.25, 0.125, 0.125]),
    "with a token that cannot come": np.array([*np.log([0.5, 0.3, 0.2]), -np.inf]),
    "two likely, fifty would not fit, thirty small": np.log([0.3, 0.2, *[0.5 / 30] * 30]),
    "forty at random": np.log(RNG.dirichlet(np.full(40, 0.5))),
    "peaked": np.log(RNG.dirichlet(np.full(12, 0.05)) + 1e-12),
    "one token": np.zeros(1),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_sliders_follow_the_rules_of_the_package(chromium, name):
    logits = ROWS[name]
    page = chromium.new_page()
    page.set_content(typical_explorer(logits, [f"token {i}" for i in range(len(logits))]).html)
    settings = list(itertools.product((0.05, 0.25, 0.37, 0.5, 0.77, 0.95, 1), (0.5, 1, 1.65, 3)))
    shown = page.locator(".tx").evaluate(MOVE, settings)
    for (mass, temperature), (typical, nucleus, entropy) in zip(settings, shown):
        wanted_typical, wanted_nucleus, wanted_entropy = expected(logits, mass, temperature)
        setting = f"mass {mass}, temperature {temperature}"
        assert typical == wanted_typical, setting
        # Which of two equally likely tokens nucleus keeps depends on the sort: their number does not.
        assert len(nucleus) == len(wanted_nucleus), setting
        assert np.isclose(np.exp(logits[nucleus]).sum(), np.exp(logits[wanted_nucleus]).sum()), setting
        assert math.isclose(entropy, wanted_entropy, abs_tol=1e-12), setting
    page.close()


def test_the_cluster_explorer_follows_the_package(chromium):
    rng = np.random.default_rng(0)
    likelihoods, lengths = -rng.gamma(2, 6, 8), rng.integers(20, 70, 8)
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.set_content(cluster_explorer([0] * 8, likelihoods, lengths, alpha=0.02).html)
    lists = page.locator("[data-cx=answer]")
    for alpha, clusters in (
        (0.0, [0] * 8),
        (1.0, [*range(8)]),
        (0.37, [0] * 7 + [5]),
        (0.8, [3, 3, 1, 1] * 2),
    ):
        for place, cluster in enumerate(clusters):
            lists.nth(place).select_option(str(cluster))
        page.locator("[data-cx=alpha]").fill(str(alpha))
        shown = json.loads(page.locator(".cx").get_attribute("data-values"))
        for ours, theirs in zip(values(np.array(clusters), likelihoods, lengths, alpha), shown, strict=True):
            assert np.allclose(ours, theirs, atol=1e-12), clusters
    assert page.inner_text("[data-cx=summary]") == "Clusters of 4, 4."
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_the_chain_explorer_shows_one_state_and_the_slider_ends_with_the_chain(chromium):
    page = chromium.new_page()
    cuts = [ChainCut(f"step {k}", 1.0 + k, [[("9", 1.0)]]) for k in range(4)]
    variants = {"long": cuts, "short": cuts[:2]}
    page.set_content(chain_explorer(variants, ["9"], choice="Steps", uncertainty="H").html)
    slider, choice = page.get_by_label("Steps that were read"), page.locator("[data-rx=choice]")
    shown = page.locator("[data-rx-frame]:visible")
    assert shown.get_attribute("data-rx-frame") == "0 0"
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert shown.get_attribute("data-rx-frame") == "0 3"
    assert "After 3 of 3 steps: H: 4.000" in shown.inner_text()
    choice.select_option("short")
    assert slider.input_value() == "1"
    assert shown.count() == 1 and shown.get_attribute("data-rx-frame") == "1 1"
    page.close()


def test_the_figure_of_the_front_page_moves_by_keyboard_and_says_what_it_shows(open_page):
    page, log = open_page(PAGES[0])
    summary = page.inner_text(".tx [data-tx=summary]")
    slider = page.get_by_label("Mass to keep")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.8"
    after = page.inner_text(".tx [data-tx=summary]")
    assert after != summary
    assert page.locator(".tx svg[role=img]").get_attribute("aria-label") == after
    filled = page.locator(".tx svg rect.tx-t").count()
    assert filled == len(page.locator(".tx").get_attribute("data-typical").split())
    page.get_by_label("Order of rows").select_option("distance")
    assert page.locator(".tx svg rect.tx-t").count() == filled
    assert log.console == []


def test_without_javascript_the_front_page_shows_a_still_figure(chromium, address):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + PAGES[0])
    assert page.locator(".tx svg[role=img]").is_visible()
    assert not page.locator(".tx .tx-controls").is_visible()
    context.close()


def test_on_a_phone_the_explorer_fits_and_stays_readable(open_page):
    page, _ = open_page(PAGES[0], width=390)
    box = page.locator(".tx svg").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    sizes = page.locator(".tx svg text").evaluate_all(
        "all => all.map((t) => t.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 11
