"""Where the book's files are: in a checkout, or in the installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
ASSETS = PACKAGE / "assets"


def checkout() -> Path | None:
    """Root folder of the checkout that this package is imported from, or None for an installed package."""
    root = PACKAGE.parents[1]
    return root if (root / "pyproject.toml").is_file() and (root / "chapters").is_dir() else None


def claims_file() -> Path:
    """The claims of all chapters: ``chapters/claims.yml`` in a checkout, else the copy in the package."""
    root = checkout()
    return root / "chapters" / "claims.yml" if root else PACKAGE / "claims.yml"


def results_folder() -> Path:
    """Where results are read and written: ``results/`` of the checkout, else of the working folder."""
    return (checkout() or Path.cwd()) / "results"
