"""Runs the stages of ``make test``, times each, and closes with one line of totals.

``python tests/project/stages.py`` runs all stages; ``... lint book`` runs those. A stage that fails does not
stop the next one: the exit status is 1 if any failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "build" / "reports"
PYTHON = sys.executable
JUPYTER_BOOK = str(Path(PYTHON).with_name("jupyter-book"))
PYTEST = (PYTHON, "-m", "pytest", "-q")
CUDA_TESTS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/kernels/test_cuda_*.py"))


@dataclass(frozen=True)
class Stage:
    """Commands that run in order. One that starts pytest is counted by its report, any other as one test."""

    name: str
    what: str
    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


STAGES = (
    Stage(
        "lint",
        "style, types, floors",
        (
            (PYTHON, "-m", "ruff", "check", "."),
            (PYTHON, "-m", "mypy"),
            (PYTHON, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
        ),
    ),
    Stage(
        "units",
        "the package, with and without a GPU",
        ((*PYTEST, "tests", "--ignore-glob=tests/kernels/test_cuda_*", "-m", "not slow and not browser"),),
    ),
    Stage(
        "cuda",
        "the CUDA kernels: simulator, PTX, and a device if there is one",
        ((*PYTEST, *CUDA_TESTS),),
    ),
    Stage("wheel", "the built wheel in a fresh environment", ((*PYTEST, "tests/project", "-m", "slow"),)),
    Stage(
        "notebooks",
        "every notebook runs again, and the verdicts are the same",
        ((*PYTEST, "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600", "chapters"),),
    ),
    Stage(
        "book",
        "the site, with warnings as errors",
        ((JUPYTER_BOOK, "build", ".", "-W", "-n", "--keep-going", "-q"),),
    ),
    Stage("browser", "the site in a headless browser", ((*PYTEST, "tests/book", "-m", "slow or browser"),)),
)


def read_counts(report: Path) -> Counts:
    """Counts of a junit report."""
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    total = Counts()
    for suite in suites:
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total += Counts(tests - failed - skipped, failed, skipped)
    return total


def run_command(command: Sequence[str], environment: Mapping[str, str], report: Path) -> Counts:
    """Run one command from the project's root and count its tests. A status other than 0 is a failure."""
    report.unlink(missing_ok=True)
    is_pytest = tuple(command[: len(PYTEST)]) == PYTEST
    arguments = [*command, f"--junitxml={report}"] if is_pytest else list(command)
    print("$", Path(command[0]).name, *command[1:], flush=True)
    # Threads that wait without spinning: on a busy machine, spinning makes parallel loops many times slower.
    status = subprocess.run(
        arguments,
        cwd=ROOT,
        env={"OMP_WAIT_POLICY": "passive", **os.environ, **environment},
        stdin=subprocess.DEVNULL,
    ).returncode
    counts = read_counts(report) if report.exists() else Counts(passed=int(status == 0))
    return counts + Counts(failed=1) if status != 0 and counts.failed == 0 else counts


def run(stages: Sequence[Stage]) -> bool:
    """Run stages, print the table of times and the totals; True if nothing failed."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    lines, total = [], Counts()
    for stage in stages:
        print(f"\n== {stage.name}: {stage.what}", flush=True)
        start, counts = time.monotonic(), Counts()
        for number, command in enumerate(stage.commands):
            counts += run_command(command, stage.environment, REPORTS / f"{stage.name}-{number}.xml")
        lines.append(f"{stage.name:<10}{time.monotonic() - start:8.1f} s   {counts}")
        total += counts
    summary = "\n".join([*lines, str(total)])
    (REPORTS / "summary.txt").write_text(summary + "\n")
    print("\n== stages", summary, sep="\n", flush=True)
    return total.failed == 0


def select(names: Sequence[str]) -> list[Stage]:
    """The stages of these names, all if there are none.

    Raises
    ------
    ValueError
        If there is no such stage.
    """
    if unknown := set(names) - {stage.name for stage in STAGES}:
        known = ", ".join(stage.name for stage in STAGES)
        raise ValueError(f"no stage {', '.join(sorted(unknown))}; there are {known}")
    return [stage for stage in STAGES if not names or stage.name in names]


if __name__ == "__main__":
    sys.exit(not run(select(sys.argv[1:])))
