"""Sphinx extension of the book: what the configuration file cannot say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

STAMP = ".complete"


def setup(app: Sphinx) -> dict[str, Any]:
    """Entry point for Sphinx."""
    app.connect("html-page-context", remove_live_code, priority=900)
    app.connect("build-finished", leave_stamp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def remove_live_code(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Take out the scripts of sphinx-thebe, which jupyter-book adds to every page, and twice.

    They name a script on another host, and their second copy is an error in the browser's console.
    """
    context["script_files"] = [script for script in context["script_files"] if not _is_thebe(script)]
    context["css_files"] = [sheet for sheet in context["css_files"] if not _is_thebe(sheet)]


def leave_stamp(app: Sphinx, failure: Exception | None) -> None:
    """Say when the site was last complete: pages that did not change keep their old dates."""
    if failure is None:
        (Path(app.outdir) / STAMP).touch()


def _is_thebe(asset: Any) -> bool:
    named = str(getattr(asset, "filename", "") or "")
    inline = str(getattr(asset, "attributes", {}).get("body", ""))
    return "thebe" in named or "THEBE_JS_URL" in inline
