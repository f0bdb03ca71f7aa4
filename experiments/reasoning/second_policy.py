"""A base policy of another seed: first weights and order of the chains differ from lab/reasoner's, the chains do not.

It is not in the zoo. The scripts that need it train it, below ``training/``, if it is not there (about nine minutes on
two threads).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from entropylab.models.recipes import Transformer, read_recipe
from entropylab.models.training import train

FOLDER = Path("training/reasoner-seed1")


def second_policy() -> Path:
    """Folder of the model and its tokenizer."""
    if not (FOLDER / "model").exists():
        recipe = read_recipe("reasoner")
        assert isinstance(recipe.model, Transformer)
        changed = replace(recipe.model, schedule=replace(recipe.model.schedule, seed=1))
        train(replace(recipe, model=changed), FOLDER)
    return FOLDER / "model"
