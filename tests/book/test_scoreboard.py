from __future__ import annotations

import json

import pytest

from entropylab.book import benchmarks, claims, expressions, places, results, scoreboard


def record(folder, scale, chapter, part, verdicts, seconds=50.0):
    entries = {
        claim: {
            "statement": f"{claim} of {chapter} <i>",
            "paper": "0.3",
            "source": "Table 1",
            "verdict": verdict,
            "quantities": {"rep": 0.25},
            "intervals": {"rep": [0.2, 0.3]},
        }
        for claim, verdict in verdicts.items()
    }
    content = {
        "format": 1,
        "chapter": chapter,
        "title": chapter,
        "part": part,
        "scale": scale,
        "claims": entries,
    }
    content["provenance"] = {"date": "2026-01-02", "run_seconds": seconds}
    (folder / scale).mkdir(parents=True, exist_ok=True)
    (folder / scale / f"{chapter}.json").write_text(json.dumps(content))


def test_rows_stand_in_the_order_of_the_book(tmp_path):
    record(tmp_path, "lab", "emo", "training", {"C1": "holds"})
    record(tmp_path, "lab", "locally_typical_sampling", "decoding", {"C1": "holds", "C2": "does not hold"})
    record(tmp_path, "gpu", "locally_typical_sampling", "decoding", {"C1": "not tested at this scale"})
    rows = scoreboard.rows(tmp_path)
    assert [(row["chapter"], row["scale"], row["claim"]) for row in rows] == [
        ("locally_typical_sampling", "lab", "C1"),
        ("locally_typical_sampling", "lab", "C2"),
        ("locally_typical_sampling", "gpu", "C1"),
        ("emo", "lab", "C1"),
    ]
    assert rows[0]["ours"] == "rep: 0.25"
    assert rows[0]["interval"] == "0.2 to 0.3"
    expected = "4 claims of 2 chapters: 2 hold, 1 does not hold, 1 not tested at this scale."
    assert scoreboard.summary(tmp_path) == expected


def test_the_table_offers_filters_for_what_occurs_only_and_escapes_text(tmp_path):
    record(tmp_path, "lab", "emo", "training", {"C1": "holds", "C2": "does not hold"}, seconds=600)
    html = scoreboard.scoreboard(tmp_path).html
    assert '<option value="training">Losses, architectures, knowledge</option>' in html
    assert 'value="decoding"' not in html
    assert 'value="not tested at this scale"' not in html
    assert "C1 of emo &lt;i&gt;" in html
    assert "10 min" in html
    assert 'href="training/emo.html"' in html


def test_nothing_recorded_is_said(tmp_path):
    assert scoreboard.summary(tmp_path) == "No results are recorded yet."
    assert "No results are recorded yet." in scoreboard.scoreboard(tmp_path).html


def test_recorded_verdicts_follow_from_recorded_numbers_and_present_claims():
    for content in results.read_all():
        chapter = claims.load_chapter(content["chapter"])
        assert list(content["claims"]) == list(chapter.claims)
        for claim, entry in content["claims"].items():
            stale = f"{content['chapter']}.{claim} was changed after it was recorded: run make record"
            assert entry["sha256"] == chapter.claims[claim].sha256, stale
            if entry["verdict"] == "not tested at this scale":
                assert content["scale"] not in chapter.claims[claim].scales
                continue
            known = dict(entry["quantities"])
            for name, (low, high) in entry["intervals"].items():
                known |= {f"{name}_low": low, f"{name}_high": high}
            assert entry["verdict"] == (
                "holds" if expressions.evaluate(entry["criterion"], known) else "does not hold"
            )


def test_recorded_files_name_no_place_of_a_machine():
    root = places.checkout()
    for path in (root / "results").rglob("*.json"):
        text = path.read_text()
        assert "/home/" not in text
        assert "/root/" not in text


def test_benchmarks_are_shown_with_their_machine(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    content = {
        "machine": {"cpu_count": 2, "versions": {"numpy": "2.4"}},
        "paths": [{"name": "a<b", "ratio": 5.25}, {"name": "c"}],
    }
    (tmp_path / "benchmarks" / "cpu.json").write_text(json.dumps(content))
    html = benchmarks.benchmarks(tmp_path).html
    assert "<td>a&lt;b</td><td>5.25</td>" in html
    assert "<td>c</td><td>–</td>" in html
    assert "machine cpu count: 2; machine versions numpy: 2.4" in html


def test_a_broken_benchmark_file_is_named(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "cpu.json").write_text("[]")
    with pytest.raises(ValueError, match=r"cpu\.json must hold a JSON object"):
        benchmarks.benchmarks(tmp_path)
    (tmp_path / "benchmarks" / "cpu.json").write_text("{")
    with pytest.raises(ValueError, match=r"cpu\.json is not readable"):
        benchmarks.benchmarks(tmp_path)
    assert "No benchmark is recorded" in benchmarks.benchmarks(tmp_path / "none").html
