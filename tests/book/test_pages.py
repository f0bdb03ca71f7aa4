from __future__ import annotations

import re

import pytest
import yaml

from entropylab.book import pages, places, plan

ROOT = places.checkout()


def planned():
    return [chapter for part in plan.parts() for chapter in part.chapters]


def test_the_plan_has_35_papers_and_4_chapters_of_its_own_each_once():
    chapters = planned()
    assert len(chapters) == len({chapter.name for chapter in chapters}) == 39
    papers = [chapter.cite for chapter in chapters if chapter.cite]
    assert len(papers) == len(set(papers)) == 35
    assert [chapter.part for chapter in chapters if not chapter.cite] == ["kernels"] * 3 + ["information"]


def test_the_bibliography_has_exactly_the_papers_of_the_plan():
    entries = pages.bibliography(ROOT)
    assert set(entries) >= {chapter.cite for chapter in planned() if chapter.cite}
    for fields in entries.values():
        assert {"title", "author", "year"} <= set(fields)
        if "eprint" in fields:
            assert re.fullmatch(r"\d{4}\.\d{5}", fields["eprint"])
    numbers = [fields["eprint"] for fields in entries.values() if "eprint" in fields]
    assert len(numbers) == len(set(numbers))


def test_the_generated_pages_show_the_present_tree():
    stale = [str(path) for path in pages.stale(ROOT)]
    assert stale == [], "run: python -m entropylab.book.pages"
    assert pages.main(["--check"]) == 0


def test_the_map_lists_every_chapter_with_its_state():
    text = (ROOT / pages.MAP).read_text()
    entries = pages.bibliography(ROOT)
    for chapter in planned():
        (line,) = [
            line
            for line in text.splitlines()
            # A chapter that is done is a link.
            if (
                f"`{chapter.cite}`" in line
                if chapter.cite
                else line.startswith((f"- **{chapter.title}**", f"- **[{chapter.title}]("))
            )
        ]
        assert f"`{chapter.state(ROOT)}`" in line
        if chapter.cite:
            assert entries[chapter.cite]["title"] in line


def test_a_chapter_is_done_when_it_has_a_notebook_and_a_result(tmp_path):
    chapter = plan.PlannedChapter(name="x", part="decoding", about="", cite="x2026")
    assert chapter.state(tmp_path) == "in work"
    (tmp_path / "chapters" / "decoding").mkdir(parents=True)
    (tmp_path / "chapters" / "decoding" / "x.ipynb").touch()
    assert chapter.state(tmp_path) == "in work"
    (tmp_path / "results" / "lab").mkdir(parents=True)
    (tmp_path / "results" / "lab" / "x.json").touch()
    assert chapter.state(tmp_path) == "done"


def test_a_chapter_on_the_engine_has_no_claims_and_is_done_when_it_has_a_notebook(tmp_path):
    chapter = plan.PlannedChapter(name="x", part="kernels", about="", title="The x kernel")
    assert chapter.state(tmp_path) == "in work"
    (tmp_path / "chapters" / "kernels").mkdir(parents=True)
    (tmp_path / "chapters" / "kernels" / "x.ipynb").touch()
    assert chapter.state(tmp_path) == "done"


def test_every_notebook_is_in_the_plan_and_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = {entry["file"] for part in toc["parts"] for entry in part["chapters"]}
    names = {(chapter.part, chapter.name) for chapter in planned()}
    for part in plan.parts():
        for path in (ROOT / "chapters" / part.name).glob("*.ipynb"):
            assert (part.name, path.stem) in names
            assert f"chapters/{part.name}/{path.stem}" in listed


def test_parts_in_the_table_of_contents_have_the_names_and_order_of_the_plan():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    titles = [part.title for part in plan.parts()]
    shown = [part["caption"] for part in toc["parts"] if part["caption"] in titles]
    assert shown == [title for title in titles if title in shown]
    folders = {part.name: part.title for part in plan.parts()}
    for entry in toc["parts"]:
        for chapter in entry["chapters"]:
            folder = chapter["file"].split("/")[1]
            assert entry["caption"] == folders.get(folder, entry["caption"])


@pytest.mark.parametrize("path", plan.reading_paths(), ids=lambda path: path.title)
def test_reading_paths_say_what_they_need_and_how_long_they_take(path):
    assert path.needs
    assert len(path.steps) >= 5
    assert all(hours >= 1 for _, hours in path.steps)
