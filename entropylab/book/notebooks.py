"""What every notebook of the book keeps to, as a check and as a command.

``python -m entropylab.book.notebooks check [FILE...]`` lists what is wrong, ``... normalise FILE...`` repairs
what a tool can repair: metadata and the formatting of the file. Without files, all notebooks of the book are
meant.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from entropylab.book import address, places

MAX_BYTES = 1_000_000
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = {"tags", "mystnb"}
_MACHINE_PATH = re.compile(
    r"(?<![\w.:/])(?:/(?:home|Users|root|tmp|work|mnt|content|private|var/folders)/[\w.-]+|[A-Za-z]:\\(?:Users|temp)\\)"
)
_ADDRESS = re.compile(r"https://(?:colab\.research\.google\.com/github|mybinder\.org)[^\s\"')]*")


def check(path: Path, name: str | None = None) -> list[str]:
    """Check one notebook.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        Its path in the repository, which the Colab link is made of; by default found from the checkout.

    Returns
    -------
    list of str
        One sentence for each fault, empty for a good notebook.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = content["cells"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return ["it is not a notebook"]
    faults = list(_check_file(path, content))
    faults += _check_order(cells)
    for index, cell in enumerate(cells):
        faults += (f"cell {index}: {fault}" for fault in _check_cell(cell))
    faults += _check_address(cells, name or _name(path))
    return faults


def normalise(path: Path) -> bool:
    """Repair a notebook's metadata and formatting in place.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        Whether the file changed. Sources, outputs and execution counts stay as they are.
    """
    before = path.read_text(encoding="utf-8")
    content = json.loads(before)
    content["metadata"] = METADATA
    content["nbformat"], content["nbformat_minor"] = 4, 5
    for index, cell in enumerate(content["cells"]):
        cell["metadata"] = {k: v for k, v in cell["metadata"].items() if k in CELL_METADATA and v}
        cell.setdefault("id", f"cell-{index}")
        cell.pop("attachments", None)
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
        for output in cell.get("outputs", []):
            output.pop("transient", None)
    after = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8")
    return after != before


def _name(path: Path) -> str:
    root = places.checkout()
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if root and resolved.is_relative_to(root) else path.name


def _check_file(path: Path, content: dict[str, Any]) -> Iterator[str]:
    if (size := path.stat().st_size) >= MAX_BYTES:
        yield f"it has {size:,} bytes; the limit is {MAX_BYTES:,}"
    if (content.get("nbformat"), content.get("nbformat_minor")) != (4, 5):
        yield f"it has format {content.get('nbformat')}.{content.get('nbformat_minor')}, not 4.5"
    if content.get("metadata") != METADATA:
        yield "its metadata is not normalised (run: python -m entropylab.book.notebooks normalise)"


def _check_order(cells: list[dict[str, Any]]) -> Iterator[str]:
    counts = [cell.get("execution_count") for cell in cells if cell["cell_type"] == "code"]
    if None in counts:
        yield f"{counts.count(None)} of {len(counts)} code cells were not executed"
    elif counts != list(range(1, len(counts) + 1)):
        yield "its code cells were not executed in order, from a fresh start"
    if counts and not any(cell.get("outputs") for cell in cells):
        yield "it has no outputs"


def _check_cell(cell: dict[str, Any]) -> Iterator[str]:
    if extra := set(cell["metadata"]) - CELL_METADATA:
        yield f"unknown metadata {', '.join(sorted(extra))}"
    if "id" not in cell:
        yield "it has no id"
    if "nbval-skip" in cell["metadata"].get("tags", []):
        yield "nbval-skip is not allowed: every cell runs in validation"
    source = "".join(cell["source"])
    yield from _check_paths(source, "its source")
    if cell["cell_type"] == "markdown":
        yield from (
            f"image {target!r} has no alternative text"
            for target in re.findall(r"!\[\s*\]\(([^)]*)\)", source)
        )
        yield from _check_html(source)
    for output in cell.get("outputs", []):
        yield from _check_output(output)


def _check_output(output: dict[str, Any]) -> Iterator[str]:
    kind = output["output_type"]
    if kind == "error":
        yield f"it ended with {output.get('ename', 'an error')}"
    elif kind == "stream":
        if output.get("name") == "stderr":
            yield "it writes to stderr: a warning that a reader should not meet"
        yield from _check_paths("".join(output["text"]), "its output")
    for mime, value in output.get("data", {}).items():
        text = "".join(value) if isinstance(value, list) else str(value)
        if mime.startswith("image/") and not output.get("metadata", {}).get(mime, {}).get("alt"):
            yield f"an {mime} output has no alternative text: use entropylab.book.show(fig, alt=...)"
        if mime.startswith("text/"):
            # The letters of an embedded picture can spell anything.
            yield from _check_paths(re.sub(r"data:[a-z/+]+;base64,[A-Za-z0-9+/=]*", "", text), "its output")
        if mime in ("text/html", "text/markdown"):
            yield from _check_html(text)


def _check_paths(text: str, where: str) -> Iterator[str]:
    if match := _MACHINE_PATH.search(text):
        yield f"{where} names a path of a machine: {match[0]}"


def _check_html(text: str) -> Iterator[str]:
    tags = _Tags()
    tags.feed(text)
    yield from tags.faults


class _Tags(HTMLParser):
    """Finds pictures without alternative text, and scripts, styles and pictures from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        labelled = given.get("alt") or given.get("aria-label") or given.get("aria-labelledby")
        hidden = given.get("aria-hidden") == "true"
        if (tag == "img" or (tag == "svg" and given.get("role") == "img")) and not labelled and not hidden:
            self.faults.append(f"an {tag} has no alternative text")
        source = given.get("src") or (given.get("href") if tag == "link" else None) or ""
        if re.match(r"(https?:)?//", source):
            self.faults.append(f"a {tag} is loaded from elsewhere: {source}")


def _check_address(cells: list[dict[str, Any]], name: str) -> Iterator[str]:
    """Links that start the notebook elsewhere are those of the one address, or none."""
    content = {"cells": [{**cell, "metadata": cell["metadata"]} for cell in cells]}
    before = ["".join(cell["source"]) for cell in cells]
    address.place_in_notebook(content, name)
    if ["".join(cell["source"]) for cell in content["cells"]] != before:
        yield "its Colab link or bootstrap cell is not that of python -m entropylab.book.address"
    allowed = {address.colab_url(name)} if address.REPOSITORY else set()
    for url in {found for text in before for found in _ADDRESS.findall(text)} - allowed:
        yield f"it has a launch link that is not the book's: {url}"


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Check or normalise the notebooks of the book.")
    parser.add_argument("command", choices=("check", "normalise"))
    parser.add_argument("files", nargs="*", type=Path, help="notebooks; by default all of the book")
    options = parser.parse_args(arguments)
    root = places.checkout()
    files = options.files or (list(address.notebooks(root)) if root else [])
    bad = 0
    for path in files:
        if options.command == "normalise":
            print(f"{path.name}: {'normalised' if normalise(path) else 'as it should be'}")
            continue
        for fault in check(path):
            bad += 1
            print(f"{path.name}: {fault}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
