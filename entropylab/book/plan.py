"""The plan of the book, and how far it is: read from ``chapters.yml``, the bibliography and the tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from entropylab.book import places

DONE = "done"
IN_WORK = "in work"


@dataclass(frozen=True)
class PlannedChapter:
    """One chapter of the plan; ``cite`` is empty for those on no paper, ``title`` for those on one."""

    name: str
    part: str
    about: str
    cite: str = ""
    title: str = ""

    def state(self, root: Path) -> str:
        """``"done"`` if the tree has the notebook and a recorded result of it, else ``"in work"``.

        A chapter without a paper has no claims to record: its notebook holds its checks.
        """
        notebook = root / "chapters" / self.part / f"{self.name}.ipynb"
        recorded = not self.cite or any((root / "results").glob(f"*/{self.name}.json"))
        return DONE if notebook.is_file() and recorded else IN_WORK


@dataclass(frozen=True)
class Part:
    """A part of the book; its name is the folder in ``chapters/`` and the room in the package."""

    name: str
    title: str
    asks: str
    chapters: tuple[PlannedChapter, ...]


@dataclass(frozen=True)
class ReadingPath:
    """An order to read chapters in, with what a reader should know before, and estimated hours."""

    title: str
    needs: str
    steps: tuple[tuple[PlannedChapter, int], ...]


def parts() -> list[Part]:
    """All parts of the book, in order."""
    return [
        Part(
            name=entry["part"],
            title=entry["title"],
            asks=entry["asks"],
            chapters=tuple(PlannedChapter(part=entry["part"], **chapter) for chapter in entry["chapters"]),
        )
        for entry in _content()["parts"]
    ]


def reading_paths() -> list[ReadingPath]:
    """The reading paths of the front page."""
    chapters = {chapter.name: chapter for part in parts() for chapter in part.chapters}
    return [
        ReadingPath(
            title=entry["title"],
            needs=entry["needs"],
            steps=tuple((chapters[step["name"]], int(step["hours"])) for step in entry["chapters"]),
        )
        for entry in _content()["paths"]
    ]


def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((places.PACKAGE / "chapters.yml").read_text(encoding="utf-8"))
    return content
