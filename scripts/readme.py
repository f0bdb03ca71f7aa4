"""Write the scoreboard's summary into README.md: ``python scripts/readme.py``, from ``results/`` alone.

``--check`` changes nothing and fails if the README is not up to date.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from entropylab.book import results

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- scoreboard: begin[^\n]*-->\n).*?(<!-- scoreboard: end -->)", re.DOTALL)
VERDICTS = ("holds", "does not hold", "not tested at this scale")


def summary(recorded: list[dict[str, Any]]) -> str:
    """A Markdown table with one line a chapter and scale: how many claims got which verdict."""
    lines = [
        "| chapter | scale | holds | does not hold | not tested | recorded |",
        "|---|---|---|---|---|---|",
    ]
    for chapter in recorded:
        counts = Counter(claim["verdict"] for claim in chapter["claims"].values())
        numbers = " | ".join(str(counts[verdict]) for verdict in VERDICTS)
        date = chapter["provenance"]["date"]
        lines.append(f"| {chapter['title']} | {chapter['scale']} | {numbers} | {date} |")
    return "\n".join(lines) + "\n"


def updated(readme: str, recorded: list[dict[str, Any]]) -> str:
    """The README's text with the summary between its two markers.

    Raises
    ------
    ValueError
        If the markers are not there.
    """
    text, count = BLOCK.subn(lambda match: match[1] + "\n" + summary(recorded) + "\n" + match[2], readme)
    if count != 1:
        raise ValueError(
            "README.md has lost the lines '<!-- scoreboard: begin ... -->' and '<!-- scoreboard: end -->'"
        )
    return text


def main() -> int:
    """Command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether the README is up to date")
    check = parser.parse_args().check
    path = ROOT / "README.md"
    before = path.read_text(encoding="utf-8")
    after = updated(before, results.read_all(ROOT / "results"))
    if check:
        return int(after != before)
    path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
