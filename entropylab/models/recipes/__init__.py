"""What to train: one YAML file a model, checked when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from entropylab.data.novels import novel_names

_FOLDER = resources.files("entropylab.models.recipes")


@dataclass(frozen=True)
class Architecture:
    """Sizes of a Llama-type model, named as in ``transformers.LlamaConfig``."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int


@dataclass(frozen=True)
class Schedule:
    """How a model is trained; learning rates are peaks, reached by a linear warm-up.

    Without ``decay_steps`` a cosine leads from the peak to the final share; with it, the peak is kept and the last
    ``decay_steps`` steps go down in a straight line. ``precision`` is that of the products of the forward and the
    backward pass ("float32" or "bfloat16"); weights and optimizer states are float32 either way.
    """

    seed: int
    steps: int
    batch: int
    context: int
    matrix_learning_rate: float
    vector_learning_rate: float
    weight_decay: float
    warmup_steps: int
    final_learning_rate_share: float
    checkpoint_every: int
    decay_steps: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: got {self.precision!r}, allowed are 'float32' and 'bfloat16'")


@dataclass(frozen=True)
class Transformer:
    """A Llama-type model and how it is trained."""

    architecture: Architecture
    schedule: Schedule


@dataclass(frozen=True)
class Trigram:
    """A Kneser-Ney trigram model: trigrams seen fewer times than ``minimum_count`` are pruned."""

    minimum_count: int


@dataclass(frozen=True)
class Recipe:
    """All that determines a trained model, except the machine."""

    name: str
    description: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    vocabulary: int
    model: Transformer | Trigram


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package, sorted."""
    return sorted(file.name.removesuffix(".yml") for file in _FOLDER.iterdir() if file.name.endswith(".yml"))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by name.

    Parameters
    ----------
    name : str
        A name of :func:`recipe_names`.

    Returns
    -------
    Recipe
        With its books split into training, validation and test.

    Raises
    ------
    ValueError
        If there is no such recipe, a book is unknown or a book stands in two parts.
    """
    if name not in recipe_names():
        raise ValueError(f"recipe: there is no recipe {name!r}; there are {recipe_names()}")
    content = yaml.safe_load((_FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    if "corpus_of" in content:  # a rival that is to be compared has the same books and the same tokenizer
        other = yaml.safe_load((_FOLDER / f"{content.pop('corpus_of')}.yml").read_text(encoding="utf-8"))
        content |= {key: other[key] for key in ("corpus", "validation", "test", "tokenizer")}
    return parse_recipe(name, content)


def parse_recipe(name: str, content: dict[str, Any]) -> Recipe:
    """Check the content of a recipe file and give it its types; see :func:`read_recipe`."""
    if content["corpus"] != "novels":
        raise ValueError(f"corpus: got {content['corpus']!r}, allowed is 'novels'")
    known = novel_names()
    held_out = [*content["validation"], *content["test"]]
    unknown = sorted(set(held_out) - set(known))
    if unknown:
        raise ValueError(f"validation, test: unknown books {unknown}")
    if len(held_out) != len(set(held_out)):
        raise ValueError("validation, test: a book stands in both or twice")
    return Recipe(
        name=name,
        description=content["description"],
        train=tuple(book for book in known if book not in held_out),
        validation=tuple(content["validation"]),
        test=tuple(content["test"]),
        vocabulary=content["tokenizer"]["vocabulary"],
        model=(
            Trigram(**content["trigram"])
            if "trigram" in content
            else Transformer(Architecture(**content["architecture"]), Schedule(**content["training"]))
        ),
    )
