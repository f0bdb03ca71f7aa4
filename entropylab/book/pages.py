"""The pages that follow from the rest of the tree: map, front page's figure and lists, scoreboard.

``python -m entropylab.book.pages`` writes them, ``--check`` says which are stale.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from entropylab.book import markup, notebooks, places, plan
from entropylab.book.benchmarks import benchmarks
from entropylab.book.interactive import typical_explorer
from entropylab.book.markup import Html
from entropylab.book.scoreboard import scoreboard

MAP = Path("chapters/map.md")
FIGURE = Path("chapters/front_figure.html")
FRONT = Path("chapters/front_parts.md")
SCOREBOARD = Path("chapters/scoreboard.ipynb")
BENCHMARKS = Path("chapters/appendix/benchmarks.ipynb")


def map_page(root: Path) -> str:
    """The map in MyST Markdown: all chapters with their papers and states.

    Parameters
    ----------
    root : Path
        The checkout.

    Returns
    -------
    str
    """
    entries = bibliography(root)
    parts = plan.parts()
    chapters = [chapter for part in parts for chapter in part.chapters]
    done = sum(chapter.state(root) == plan.DONE for chapter in chapters)
    papers = sum(bool(chapter.cite) for chapter in chapters)
    lines = [
        "# Map of the book",
        "",
        "% Written by python -m entropylab.book.pages: edit entropylab/book/chapters.yml and references.bib.",
        "",
        f"The book has {papers} chapters on papers and {len(chapters) - papers} of its own: on the engine, and on what "
        "the chapters of a part have in common. "
        f"Of all {len(chapters)}, {done} {_are(done)} done and {len(chapters) - done} in work.",
        "A chapter is done when its notebook and a recorded run are in the repository.",
    ]
    for part in parts:
        # A list, and no table: titles are long, and phones are narrow.
        lines += ["", f"## {part.title}", ""]
        for chapter in part.chapters:
            state = chapter.state(root)
            shown = _named(chapter, root, entries)
            look = "bdg-success" if state == plan.DONE else "bdg-light"
            paper = ""
            if chapter.cite:
                number = entries[chapter.cite]["eprint"]
                paper = f" {{cite:t}}`{chapter.cite}`, [arXiv {number}](https://arxiv.org/abs/{number})."
            lines.append(f"- **{shown}** {{{look}}}`{state}` <br>{chapter.about}{paper}")
    return "\n".join(lines) + "\n"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def front_lists(root: Path) -> str:
    """The table of parts and the reading paths of the front page, in MyST Markdown."""
    entries = bibliography(root)
    lines = [
        "% Written by python -m entropylab.book.pages from entropylab/book/chapters.yml.",
        "",
        "## The parts",
        "",
    ]
    lines += ["| part | asks | chapters | done |", "|---|---|---|---|"]
    for part in plan.parts():
        anchor = re.sub(r"[^a-z ]", "", part.title.lower()).replace(" ", "-")
        done = sum(chapter.state(root) == plan.DONE for chapter in part.chapters)
        lines.append(f"| [{part.title}](map.md#{anchor}) | {part.asks} | {len(part.chapters)} | {done} |")
    lines += [
        "",
        "What was found so far is on the [scoreboard](scoreboard.ipynb).",
        "",
        "## Three reading paths",
        "",
    ]
    lines += ["The hours are estimates for a student who can program; they include the exercises."]
    lines += ["Chapters without a link are in work."]
    for path in plan.reading_paths():
        total = sum(hours for _, hours in path.steps)
        lines += ["", f"### {path.title}", "", f"Before you start: {path.needs}. About {total} hours.", ""]
        for place, (chapter, hours) in enumerate(path.steps, start=1):
            unit = "hour" if hours == 1 else "hours"
            lines.append(f"{place}. {_named(chapter, root, entries)}, {hours} {unit}")
    return "\n".join(lines) + "\n"


def _named(chapter: plan.PlannedChapter, root: Path, entries: dict[str, dict[str, str]]) -> str:
    """The chapter's title, which is a link once the chapter is done."""
    title = entries[chapter.cite]["title"] if chapter.cite else chapter.title
    return f"[{title}]({chapter.part}/{chapter.name}.ipynb)" if chapter.state(root) == plan.DONE else title


def bibliography(root: Path) -> dict[str, dict[str, str]]:
    """Key to fields of ``chapters/references.bib``, with the braces and TeX quotes of titles taken out."""
    found: dict[str, dict[str, str]] = {}
    text = (root / "chapters" / "references.bib").read_text(encoding="utf-8")
    for key, body in re.findall(r"^@\w+\{([^,\s]+),(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL):
        fields = dict(re.findall(r"(\w+) = \{((?:[^{}]|\{[^{}]*\})*)\}", body))
        fields["title"] = re.sub(r"[{}]", "", fields["title"]).replace("``", "“").replace("''", "”")
        found[key] = fields
    return found


def front_figure() -> Html:
    """The interactive figure of the front page."""
    data = json.loads(markup.asset("front_figure.json"))
    return typical_explorer(
        [math.log(p) for p in data["probabilities"]],
        data["labels"],
        mass=0.5,
        order="probability",
        title=f"“{data['text']}”",
    )


def stale(root: Path) -> list[Path]:
    """Those of the pages that do not show the present state of the tree."""
    old = [path for path, make in _texts(root).items() if not _has(root / path, make())]
    return old + [path for path, make in _tables(root).items() if make().html not in _outputs(root / path)]


def write(root: Path) -> list[Path]:
    """Write those pages that are stale; returns them. The notebooks among them are executed again."""
    old = stale(root)
    for path, make in _texts(root).items():
        if path in old:
            (root / path).write_text(make(), encoding="utf-8")
    for path in _tables(root):
        if path in old:
            _execute(root / path)
    return old


def _tables(root: Path) -> dict[Path, Callable[[], Html]]:
    return {
        SCOREBOARD: lambda: scoreboard(root / "results"),
        BENCHMARKS: lambda: benchmarks(root / "results"),
    }


def _outputs(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]


def _texts(root: Path) -> dict[Path, Callable[[], str]]:
    return {
        MAP: lambda: map_page(root),
        FRONT: lambda: front_lists(root),
        FIGURE: lambda: front_figure().html + "\n",
    }


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _execute(path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    files: Any = nbformat  # carries no types
    book = files.read(path, as_version=4)
    NotebookClient(book, timeout=120, kernel_name="python3", record_timing=False).execute()
    files.write(book, path)
    notebooks.normalise(path)


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description="Write the pages that follow from the rest of the tree.")
    parser.add_argument("--check", action="store_true", help="write nothing, say what is stale")
    options = parser.parse_args(arguments)
    root = places.checkout()
    if root is None:
        parser.error("this command works in a checkout of the book")
    found = stale(root) if options.check else write(root)
    for path in found:
        print(f"{path} {'is stale' if options.check else 'was written'}")
    return 1 if options.check and found else 0


if __name__ == "__main__":
    sys.exit(main())
