from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from entropylab.book import claims, plan

CLAIM = {
    "statement": "It is so.",
    "paper": "0.3",
    "source": "Table 1",
    "quantity": "x",
    "criterion": "x > 0",
    "control": "none",
    "seeds": [0, 1],
}


def write(path, claim=None, **chapter):
    content = {
        "title": "T",
        "part": "decoding",
        "claims": {"C1": CLAIM if claim is None else claim},
    } | chapter
    path.write_text(yaml.safe_dump({"demo": content}))
    return path


def test_a_chapter_is_read(tmp_path):
    chapter = claims.load_chapter(
        "demo", write(tmp_path / "claims.yml", time={"cpu": "50 s"}, prerequisites=["p"])
    )
    assert chapter.title == "T"
    assert chapter.time == {"cpu": "50 s"}
    assert chapter.prerequisites == ("p",)
    assert chapter.claims["C1"].seeds == (0, 1)
    assert chapter.claims["C1"].scales == ("lab", "gpu")


def test_the_fingerprint_changes_with_the_criterion_and_not_with_line_breaks(tmp_path):
    one = claims.load_chapter("demo", write(tmp_path / "claims.yml")).claims["C1"]
    same = claims.load_chapter(
        "demo", write(tmp_path / "claims.yml", CLAIM | {"statement": "It is\n so."})
    ).claims["C1"]
    assert same.sha256 == one.sha256
    assert replace(one, criterion="x > 1").sha256 != one.sha256
    assert replace(one, scales=("gpu",)).sha256 != one.sha256


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({k: v for k, v in CLAIM.items() if k != "control"}, "demo.C1: fields control are missing"),
        (CLAIM | {"critereon": "x"}, "demo.C1: unknown fields critereon"),
        (CLAIM | {"criterion": "x ** 2 > 1"}, "demo.C1: criterion"),
        (CLAIM | {"scales": ["cluster"]}, "demo.C1: scales must be some of lab, gpu"),
        ("holds", "demo.C1: must be a mapping"),
    ],
)
def test_a_faulty_claim_is_named(tmp_path, claim, message):
    with pytest.raises(ValueError, match=message):
        claims.load_chapter("demo", write(tmp_path / "claims.yml", claim))


def test_a_faulty_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="unknown fields tilte"):
        claims.load_chapter("demo", write(tmp_path / "claims.yml", tilte="x"))
    with pytest.raises(ValueError, match="chapter 'other' has no claims; known chapters: demo"):
        claims.load_chapter("other", write(tmp_path / "claims.yml"))
    with pytest.raises(ValueError, match="does not exist"):
        claims.load_chapter("demo", tmp_path / "none.yml")
    (tmp_path / "claims.yml").write_text("a: [")
    with pytest.raises(ValueError, match="not readable YAML"):
        claims.load_all(tmp_path / "claims.yml")
    (tmp_path / "claims.yml").write_text("- a")
    with pytest.raises(ValueError, match="must map chapter names"):
        claims.load_all(tmp_path / "claims.yml")
    (tmp_path / "claims.yml").write_text("demo: {title: T}")
    with pytest.raises(ValueError, match="fields claims, part are missing"):
        claims.load_all(tmp_path / "claims.yml")


def test_the_books_own_claims_are_of_planned_chapters_and_cite_known_papers():
    planned = {chapter.name: chapter for part in plan.parts() for chapter in part.chapters}
    for name, chapter in claims.load_all().items():
        assert planned[name].part == chapter.part
        assert chapter.paper["citation"] == planned[name].cite
