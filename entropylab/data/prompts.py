"""Prompts written for this project, so that no model of the zoo has seen them."""

from __future__ import annotations

from importlib import resources


def story_openings() -> list[str]:
    """Forty first sentences of stories, in the manner of the novels on which the English models are trained.

    Returns
    -------
    list of str
        One sentence each, without a line break.
    """
    return (
        (resources.files("entropylab.data") / "story_openings.txt").read_text(encoding="utf-8").splitlines()
    )
