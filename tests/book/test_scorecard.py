from __future__ import annotations

import json
import math

import numpy as np
import pytest
import yaml

from entropylab.book import Scorecard, results

BASE = {"paper": "0.3 <b>", "source": "Table 1", "quantity": "x", "control": "none", "seeds": [0, 2]}
CLAIMS = {
    "demo": {
        "title": "Demo",
        "part": "decoding",
        "summary": "It works & more.",
        "paper": {
            "citation": "meister2023typical",
            "label": "Meister et al.",
            "url": "https://arxiv.org/abs/2202.00666",
        },
        "time": {"cpu": "50 s", "t4": "4 min"},
        "claims": {
            "C1": BASE | {"statement": "Effect.", "criterion": "effect_low > 0 and effect < 1"},
            "C2": BASE | {"statement": "Control.", "criterion": "vanishes"},
            "C3": BASE | {"statement": "Large.", "criterion": "y > 0", "scales": ["gpu"]},
        },
    }
}


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.delenv("ENTROPYLAB_SCALE", raising=False)
    monkeypatch.delenv("ENTROPYLAB_RECORD", raising=False)
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump(CLAIMS, sort_keys=False))
    return lambda: Scorecard("demo", claims_file=path, results_folder=tmp_path / "results")


@pytest.fixture
def card(make):
    card = make()
    card.record("C1", effect=np.float32(0.5), effect_interval=(0.25, 0.75))
    card.record("C2", vanishes=np.bool_(False), tries=np.int64(2000))
    return card


def test_each_of_the_three_verdicts(card, capsys):
    verdicts = {"C1": "holds", "C2": "does not hold", "C3": "not tested at this scale"}
    assert card.verdicts() == verdicts
    assert capsys.readouterr().out.splitlines() == [
        f"{claim} {verdict}" for claim, verdict in verdicts.items()
    ]


def test_at_the_other_scale_the_third_claim_is_decided(make, monkeypatch):
    monkeypatch.setenv("ENTROPYLAB_SCALE", "gpu")
    card = make()
    with pytest.raises(ValueError, match="claim C3: criterion 'y > 0' needs 'y'"):
        card.verdict("C3")
    card.record("C3", y=1)
    assert card.verdict("C3") == "holds"


def test_a_quantity_that_was_not_recorded_is_named(make):
    card = make()
    card.record("C1", effect=0.5)
    with pytest.raises(ValueError, match=r"claim C1: .* needs 'effect_low', which was not recorded"):
        card.verdicts()


@pytest.mark.parametrize(
    ("quantities", "error", "message"),
    [
        ({"effect": math.nan}, ValueError, "effect must be finite, not nan"),
        ({"effect": math.inf}, ValueError, "effect must be finite, not inf"),
        ({"effect": "0.5"}, TypeError, "effect must be a number or a truth value, not '0.5'"),
        ({"effect": np.ones(2)}, TypeError, "effect must be a number"),
        ({"effect": 0.5, "effect_interval": 0.5}, TypeError, "effect_interval must be a pair"),
        ({"effect": 0.5, "effect_interval": (1, 2, 3)}, TypeError, "effect_interval must be a pair"),
        ({"effect": 0.5, "effect_interval": (2, 1)}, ValueError, "low <= high"),
        ({"effect_interval": (1, 2)}, ValueError, "intervals of effect without the quantities"),
    ],
)
def test_bad_records_are_refused_and_leave_nothing_behind(make, quantities, error, message):
    card = make()
    with pytest.raises(error, match=message):
        card.record("C1", **quantities)
    with pytest.raises(ValueError, match="recorded: nothing"):
        card.verdict("C1")


def test_an_unknown_claim_is_named_with_the_known_ones(make):
    with pytest.raises(ValueError, match="claim 'C9' is not one of demo's claims: C1, C2, C3"):
        make().record("C9", x=1)


def test_a_second_record_replaces_a_name_and_keeps_the_others(card):
    card.record("C1", effect=2.0)
    assert card.verdict("C1") == "does not hold"


def test_the_table_shows_values_intervals_and_verdicts_and_escapes_text(card):
    html = card.table().to_html()
    assert "effect: 0.5" in html
    assert "0.25 to 0.75" in html
    assert "tries: 2,000" in html
    assert "≠ does not hold" in html
    assert "0.3 &lt;b&gt;" in html
    assert html == card.table().to_html()


def test_badges_have_a_mark_beside_the_colour(card):
    html = card.badges().html
    assert html.count("lab-badge ") == 3
    for mark in "✓≠○":
        assert mark in html


def test_the_card_is_pending_until_the_verdicts_replace_it(card, monkeypatch):
    shown = []

    class Handle:
        def update(self, content):
            shown.append(content.html)

    def display(content, name):
        shown.append(content.html)
        return Handle()

    monkeypatch.setattr("entropylab.book.markup.display", display)
    card.header()
    card.verdicts()
    assert shown[0].count("pending") == 3
    assert "pending" not in shown[1]
    assert "It works &amp; more." in shown[1]
    assert "4 min on a T4" in shown[1]
    assert 'href="https://arxiv.org/abs/2202.00666"' in shown[1]


def test_save_writes_only_when_asked_to(card, tmp_path, monkeypatch):
    card.save()
    assert not (tmp_path / "results").exists()
    monkeypatch.setenv("ENTROPYLAB_RECORD", "1")
    card.save()
    card.save()
    assert [path.name for path in (tmp_path / "results" / "lab").iterdir()] == ["demo.json"]


def test_what_is_saved(card, tmp_path, monkeypatch):
    monkeypatch.setenv("ENTROPYLAB_RECORD", "1")
    card.save()
    (content,) = results.read_all(tmp_path / "results")
    entry = content["claims"]["C1"]
    assert entry["quantities"] == {"effect": 0.5}
    assert entry["intervals"] == {"effect": [0.25, 0.75]}
    assert entry["verdict"] == "holds"
    assert entry["sha256"] == card.chapter.claims["C1"].sha256
    made = content["provenance"]
    assert made["seeds"] == [0, 2]
    assert made["date"][:2] == "20"
    assert made["run_seconds"] >= 0
    assert "numpy" in made["packages"]
    import platform

    assert platform.node() not in json.dumps(content)


def test_a_failed_write_leaves_the_old_file_whole(tmp_path):
    path = tmp_path / "x.json"
    results.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        results.write_json(path, {"a": math.nan})
    with pytest.raises(TypeError):
        results.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]


def test_results_of_another_format_are_refused(tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "steps.json").write_text('{"log": []}')
    assert results.read_all(tmp_path) == []
    (tmp_path / "lab" / "x.json").write_text('{"claims": {}, "format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        results.read_all(tmp_path)
    (tmp_path / "lab" / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json is not readable"):
        results.read_all(tmp_path)
