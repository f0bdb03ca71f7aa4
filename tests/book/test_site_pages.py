"""The built site: every page is there, every internal link leads somewhere, every picture has a text."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

import pytest
import yaml
from bs4 import BeautifulSoup

from entropylab.book import address, places

ROOT = places.checkout()
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [f"{TOC['root']}.html", *(f"{c['file']}.html" for part in TOC["parts"] for c in part["chapters"])]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def soups(site: Path):
    return {
        name: BeautifulSoup((site / name).read_text(), "html.parser")
        for name in PAGES
        if (site / name).is_file()
    }


def test_every_page_of_the_table_of_contents_is_in_the_site(site, soups):
    assert len(soups) == len(PAGES) == len(set(PAGES))
    built = {path.relative_to(site).as_posix() for path in site.glob("chapters/**/*.html")}
    assert built == set(PAGES)
    assert TOC["root"] in (site / "index.html").read_text()


def test_every_page_has_one_title_a_language_and_the_way_to_all_others(soups):
    for name, soup in soups.items():
        assert len(soup.select("article h1")) == 1, name
        assert soup.html["lang"] == "en"
        assert soup.title.text.strip()
        linked = {urlparse(urljoin(name, a["href"])).path for a in soup.select("nav.bd-links a[href]")}
        assert set(PAGES) <= {path if path and path != "#" else name for path in linked} | {name}, name


def targets(soup):
    for tag, attribute in (
        ("a", "href"),
        ("img", "src"),
        ("script", "src"),
        ("link", "href"),
        ("iframe", "src"),
    ):
        for element in soup.find_all(tag):
            if value := element.get(attribute):
                yield tag, value


def test_internal_links_and_files_exist_with_their_anchors(site, soups):
    anchors = {}
    broken = []
    for name, soup in soups.items():
        for _, value in targets(soup):
            parsed = urlparse(urljoin(name, value))
            if parsed.scheme or value.startswith("//"):
                continue
            path = site / unquote(parsed.path)
            if not path.is_file():
                broken.append(f"{name}: {value}")
                continue
            if parsed.fragment and path.suffix == ".html":
                if path not in anchors:
                    page = BeautifulSoup(path.read_text(), "html.parser")
                    anchors[path] = {element["id"] for element in page.find_all(id=True)}
                if unquote(parsed.fragment) not in anchors[path]:
                    broken.append(f"{name}: {value}")
    assert broken == []


def test_pages_load_nothing_from_elsewhere(soups):
    foreign = [
        f"{name}: {value}"
        for name, soup in soups.items()
        for tag, value in targets(soup)
        if (tag != "a" and urlparse(value).scheme in ("http", "https")) or value.startswith("//")
    ]
    assert foreign == []


def test_pictures_have_texts(soups):
    for name, soup in soups.items():
        for image in soup.find_all("img"):
            assert image.get("alt", "").strip(), f"{name}: {image.get('src', '')[:80]}"
        for picture in soup.select("svg[role=img]"):
            assert picture.get("aria-label", "").strip(), name


def test_there_is_no_dead_button(soups):
    for name, soup in soups.items():
        for link in soup.select("a[href], button[data-url]"):
            href = link.get("href") or link.get("data-url")
            if "github.com" in href or "colab.research" in href:
                inside = link.find_parent("article") is not None and "lab-launch" not in link.get("class", [])
                assert inside or (
                    address.REPOSITORY and address.REPOSITORY.removeprefix("https://github.com/") in href
                ), name


def test_math_is_served_by_the_site_itself(site, soups):
    sources = [
        s["src"]
        for s in soups["chapters/appendix/notation.html"].find_all("script", src=True)
        if "mathjax" in s["src"]
    ]
    assert sources
    for source in sources:
        assert (site / "chapters/appendix" / source.split("?")[0]).resolve().is_file()
