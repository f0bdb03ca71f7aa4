"""The scorecard of a chapter: numbers in, verdicts out, by criteria that were fixed beforehand."""

from __future__ import annotations

import math
import numbers
import os
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entropylab.book import claims, expressions, markup, places, results
from entropylab.book.markup import Html
from entropylab.book.scales import scale

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

HOLDS = "holds"
FAILS = "does not hold"
UNTESTED = "not tested at this scale"

Number = float | int | bool


class Scorecard:
    """Records what a chapter measures and decides its claims.

    Parameters
    ----------
    chapter : str
        Name of the chapter in ``claims.yml``.
    claims_file, results_folder : Path, optional
        By default the book's own.

    Raises
    ------
    ValueError
        If the chapter has no claims, or the environment names an unknown scale.

    Examples
    --------
    >>> card = Scorecard("locally_typical_sampling")                      # doctest: +SKIP
    >>> card.record("C2", excess=0.9, excess_interval=(0.8, 1.0))         # doctest: +SKIP
    >>> card.verdicts()                                                   # doctest: +SKIP
    """

    def __init__(
        self, chapter: str, *, claims_file: Path | None = None, results_folder: Path | None = None
    ) -> None:
        self.chapter = claims.load_chapter(chapter, claims_file)
        self.scale = scale()
        self._results = results_folder
        self._quantities: dict[str, dict[str, Number]] = {}
        self._intervals: dict[str, dict[str, tuple[float, float]]] = {}
        self._started = time.perf_counter()
        self._shown: Any = None  # the handle of the card at the top of the page, once it is shown

    def record(self, claim: str, **quantities: Number | Sequence[float]) -> None:
        """Record numbers for a claim.

        Parameters
        ----------
        claim : str
            Its id, for example ``"C2"``.
        **quantities : float, int, bool or (low, high)
            Named numbers. A name that ends in ``_interval`` is a pair and belongs to the quantity in front of
            it; a criterion can use its ends as ``<quantity>_low`` and ``<quantity>_high``. A second record of
            a name replaces the first.

        Raises
        ------
        ValueError
            If the claim is unknown, a number is NaN or infinite, an interval is not ordered or has no
            quantity.
        TypeError
            If a quantity is not a number, or an interval is not a pair.
        """
        self._check_claim(claim)
        values = dict(self._quantities.get(claim, {}))
        intervals = dict(self._intervals.get(claim, {}))
        for name, value in quantities.items():
            if name.endswith("_interval"):
                intervals[name.removesuffix("_interval")] = _pair(claim, name, value)
            else:
                values[name] = _number(claim, name, value)
        if orphans := set(intervals) - set(values):
            raise ValueError(
                f"claim {claim}: intervals of {', '.join(sorted(orphans))} without the quantities themselves"
            )
        self._quantities[claim] = values
        self._intervals[claim] = intervals

    def verdict(self, claim: str) -> str:
        """``"holds"``, ``"does not hold"`` or ``"not tested at this scale"``.

        Raises
        ------
        ValueError
            If the claim is unknown, or its criterion names a quantity that was not recorded.
        """
        self._check_claim(claim)
        entry = self.chapter.claims[claim]
        if self.scale not in entry.scales:
            return UNTESTED
        known = dict(self._quantities.get(claim, {}))
        for name, (low, high) in self._intervals.get(claim, {}).items():
            known |= {f"{name}_low": low, f"{name}_high": high}
        try:
            return HOLDS if expressions.evaluate(entry.criterion, known) else FAILS
        except ValueError as error:
            raise ValueError(f"claim {claim}: {error}") from error

    def verdicts(self) -> dict[str, str]:
        """Decide all claims, print one line a claim, and put the verdicts on the card at the top of the page.

        Returns
        -------
        dict of str to str
            Claim id to verdict. The printed lines hold nothing that depends on the machine.
        """
        decided = {claim: self.verdict(claim) for claim in self.chapter.claims}
        for claim, verdict in decided.items():
            print(f"{claim} {verdict}")
        if self._shown is not None:
            self._shown.update(self._card(decided))
        return decided

    def header(self) -> None:
        """Show the chapter's card. Its badges say "pending" until `verdicts` fills them in."""
        self._shown = markup.display(self._card({}), f"card-{self.chapter.name}")

    def badges(self) -> Html:
        """One badge a claim, as HTML to display."""
        decided = {claim: self.verdict(claim) for claim in self.chapter.claims}
        return Html(
            f"{markup.style()}<p class='lab-badges'>{markup.badges(self.chapter.claims, decided)}</p>"
        )

    def table(self) -> Styler:
        """The evidence: claim, verdict, paper's figure, ours, interval and scale, as a styled table."""
        import pandas as pd

        rows = []
        for claim, entry in self.chapter.claims.items():
            verdict = self.verdict(claim)
            ours, interval = measured(self._quantities.get(claim, {}), self._intervals.get(claim, {}))
            rows.append(
                [
                    f"{claim}. {entry.statement}",
                    markup.marked(verdict),
                    entry.paper,
                    ours,
                    interval,
                    self.scale,
                ]
            )
        columns = ["claim", "verdict", "paper's figure", "ours", "interval", "scale"]
        frame = pd.DataFrame(rows, columns=columns)
        return (
            frame.style.hide(axis="index")
            .set_uuid(f"scorecard-{self.chapter.name}")
            .set_table_attributes('class="lab-table"')
            .format(escape="html")
            .set_properties(**{"white-space": "pre-line", "text-align": "left", "vertical-align": "top"})
            .set_properties(subset=["claim"], **{"min-width": "14em"})
            .set_properties(subset=["verdict", "paper's figure"], **{"min-width": "7em"})
            .set_properties(subset=["ours", "interval"], **{"white-space": "pre"})
            .set_table_styles([{"selector": "th", "props": "text-align: left;"}])
        )

    def save(self) -> None:
        """Write ``results/<scale>/<chapter>.json`` if ``ENTROPYLAB_RECORD=1``, else do nothing."""
        if os.environ.get("ENTROPYLAB_RECORD") == "1":
            folder = self._results or places.results_folder()
            results.write_json(folder / self.scale / f"{self.chapter.name}.json", self._content())

    def _content(self) -> dict[str, Any]:
        entries = {}
        for claim, entry in self.chapter.claims.items():
            intervals = self._intervals.get(claim, {})
            entries[claim] = {
                "statement": entry.statement,
                "paper": entry.paper,
                "source": entry.source,
                "quantity": entry.quantity,
                "criterion": entry.criterion,
                "control": entry.control,
                "sha256": entry.sha256,
                "verdict": self.verdict(claim),
                "quantities": self._quantities.get(claim, {}),
                "intervals": {name: list(pair) for name, pair in intervals.items()},
            }
        seeds = sorted({seed for entry in self.chapter.claims.values() for seed in entry.seeds})
        return {
            "format": results.FORMAT,
            "chapter": self.chapter.name,
            "title": self.chapter.title,
            "part": self.chapter.part,
            "paper": self.chapter.paper,
            "scale": self.scale,
            "claims": entries,
            "provenance": results.provenance(time.perf_counter() - self._started, seeds),
        }

    def _card(self, decided: dict[str, str]) -> Html:
        about = self.chapter
        paper = escape(about.paper.get("label") or about.title)
        if url := about.paper.get("url"):
            paper = f'<a href="{escape(url)}">{paper}</a>'
        facts = [("Paper", paper)]
        if about.time:
            times = (
                f"{escape(v)} on {'a T4' if k == 't4' else escape(k.upper())}" for k, v in about.time.items()
            )
            facts.append(("Time", ", ".join(times)))
        if about.difficulty:
            facts.append(("Level", escape(about.difficulty)))
        if about.prerequisites:
            facts.append(("Before you start", escape(", ".join(about.prerequisites))))
        return markup.card(about.summary, markup.badges(about.claims, decided), facts)

    def _check_claim(self, claim: str) -> None:
        if claim not in self.chapter.claims:
            known = ", ".join(self.chapter.claims)
            raise ValueError(f"claim {claim!r} is not one of {self.chapter.name}'s claims: {known}")


def measured(quantities: dict[str, Number], intervals: dict[str, Any]) -> tuple[str, str]:
    """Two texts, one line a quantity: the values, and their intervals (empty lines where there is none)."""
    values = [f"{name.replace('_', ' ')}: {markup.number(value)}" for name, value in quantities.items()]
    spans = [
        f"{markup.number(intervals[name][0])} to {markup.number(intervals[name][1])}"
        if name in intervals
        else "–"
        for name in quantities
    ]
    return "\n".join(values), "\n".join(spans) if intervals else ""


def _number(claim: str, name: str, value: Any) -> Number:
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()  # NumPy and torch scalars
    if isinstance(value, bool):
        return value
    if not isinstance(value, numbers.Real):
        raise TypeError(f"claim {claim}: {name} must be a number or a truth value, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"claim {claim}: {name} must be finite, not {value!r}")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _pair(claim: str, name: str, value: Any) -> tuple[float, float]:
    try:
        low, high = value
    except (TypeError, ValueError) as error:
        raise TypeError(f"claim {claim}: {name} must be a pair (low, high), not {value!r}") from error
    low, high = float(_number(claim, name, low)), float(_number(claim, name, high))
    if low > high:
        raise ValueError(f"claim {claim}: {name} must have low <= high, not ({low!r}, {high!r})")
    return low, high
