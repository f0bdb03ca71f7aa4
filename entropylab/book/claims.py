"""The claims of all chapters, written down before the experiments are run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from entropylab.book import expressions, places
from entropylab.book.scales import SCALES

_REQUIRED = ("statement", "paper", "source", "quantity", "criterion", "control", "seeds")


@dataclass(frozen=True)
class Claim:
    """One claim: what the paper says, what is measured, and when it holds."""

    id: str
    statement: str
    paper: str
    source: str
    quantity: str
    criterion: str
    control: str
    seeds: tuple[int, ...]
    scales: tuple[str, ...] = SCALES

    @property
    def sha256(self) -> str:
        """Fingerprint of the claim's text, by which a claim that was changed after its record can be seen."""
        text = json.dumps({name: getattr(self, name) for name in (*_REQUIRED, "scales")}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Chapter:
    """The entry of one chapter in ``claims.yml``."""

    name: str
    title: str
    part: str
    claims: dict[str, Claim]
    paper: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    time: dict[str, str] = field(default_factory=dict)
    difficulty: str = ""
    prerequisites: tuple[str, ...] = ()


def load_chapter(name: str, path: Path | None = None) -> Chapter:
    """Read one chapter's claims.

    Parameters
    ----------
    name : str
        The chapter, for example ``"locally_typical_sampling"``.
    path : Path, optional
        A claims file; by default the book's own.

    Returns
    -------
    Chapter

    Raises
    ------
    ValueError
        If the chapter is unknown, a field is missing or unknown, or a criterion is not an allowed expression.
    """
    chapters = load_all(path)
    if name not in chapters:
        raise ValueError(
            f"chapter {name!r} has no claims; known chapters: {', '.join(sorted(chapters)) or 'none'}"
        )
    return chapters[name]


def load_all(path: Path | None = None) -> dict[str, Chapter]:
    """Read the claims of all chapters; errors as in `load_chapter`."""
    source = path or places.claims_file()
    if not source.is_file():
        raise ValueError(f"the claims file {source} does not exist")
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{source.name} is not readable YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{source.name} must map chapter names to their claims")
    return {str(name): _chapter(str(name), entry) for name, entry in content.items()}


def _chapter(name: str, entry: Any) -> Chapter:
    if not isinstance(entry, Mapping):
        raise ValueError(f"chapter {name}: must be a mapping, not {entry!r}")
    known = set(Chapter.__dataclass_fields__) - {"name"}
    if unknown := set(entry) - known:
        raise ValueError(f"chapter {name}: unknown fields {', '.join(sorted(map(str, unknown)))}")
    if missing := {"title", "part", "claims"} - set(entry):
        raise ValueError(f"chapter {name}: fields {', '.join(sorted(missing))} are missing")
    claims = {str(key): _claim(name, str(key), value) for key, value in entry["claims"].items()}
    return Chapter(
        name=name,
        title=str(entry["title"]),
        part=str(entry["part"]),
        claims=claims,
        paper={k: str(v) for k, v in entry.get("paper", {}).items()},
        summary=str(entry.get("summary", "")),
        time={k: str(v) for k, v in entry.get("time", {}).items()},
        difficulty=str(entry.get("difficulty", "")),
        prerequisites=tuple(map(str, entry.get("prerequisites", ()))),
    )


def _claim(chapter: str, key: str, entry: Any) -> Claim:
    where = f"claim {chapter}.{key}"
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where}: must be a mapping, not {entry!r}")
    if missing := [name for name in _REQUIRED if name not in entry]:
        raise ValueError(f"{where}: fields {', '.join(missing)} are missing")
    if unknown := set(entry) - {*_REQUIRED, "scales"}:
        raise ValueError(f"{where}: unknown fields {', '.join(sorted(map(str, unknown)))}")
    scales = tuple(map(str, entry.get("scales", SCALES)))
    if not scales or set(scales) - set(SCALES):
        raise ValueError(f"{where}: scales must be some of {', '.join(SCALES)}, not {list(scales)}")
    try:
        expressions.names(entry["criterion"])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    texts = {name: " ".join(str(entry[name]).split()) for name in _REQUIRED if name != "seeds"}
    return Claim(id=key, **texts, seeds=tuple(int(seed) for seed in entry["seeds"]), scales=scales)
