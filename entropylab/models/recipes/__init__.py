"""What to train: one YAML file a model, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from entropylab.models.documents import document_names

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
    backward pass ("float32" or "bfloat16"); weights and optimizer states are float32 either way. After each step of
    ``snapshots`` the unfinished model is written beside the finished one. ``label_smoothing`` is the share of the
    target that is spread over the whole vocabulary (Szegedy et al. 2016); the loss that is logged is then the smoothed
    one.
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
    snapshots: tuple[int, ...] = ()
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision: got {self.precision!r}, allowed are 'float32' and 'bfloat16'")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing: got {self.label_smoothing}, allowed are numbers in [0, 1)")


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
class Vocabulary:
    """Where the tokens come from: byte-level BPE of ``size`` tokens, another model's tokenizer, or a task's symbols."""

    size: int | None = None
    of: str | None = None
    symbols: str | None = None

    def __post_init__(self) -> None:
        if sum(choice is not None for choice in (self.size, self.of, self.symbols)) != 1:
            raise ValueError("tokenizer: give exactly one of 'vocabulary', 'of' and 'symbols'")


@dataclass(frozen=True)
class Recipe:
    """All that determines a trained model, except the machine."""

    name: str
    description: str
    corpus: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    vocabulary: Vocabulary
    model: Transformer | Trigram
    good_for: str = ""
    options: Mapping[str, int] = field(default_factory=dict)


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
        With its documents split into training, validation and test.

    Raises
    ------
    ValueError
        If there is no such recipe, a document is unknown or stands in two parts.
    """
    if name not in recipe_names():
        raise ValueError(f"recipe: there is no recipe {name!r}; there are {recipe_names()}")
    content = yaml.safe_load((_FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    if "corpus_of" in content:  # a rival that is to be compared has the same documents and the same tokenizer
        of = content.pop("corpus_of")
        other = yaml.safe_load((_FOLDER / f"{of}.yml").read_text(encoding="utf-8"))
        content = (
            {key: other[key] for key in ("corpus", "validation", "test")}
            | {"tokenizer": {"of": of}}
            | content
        )
    return parse_recipe(name, content)


def parse_recipe(name: str, content: dict[str, Any]) -> Recipe:
    """Check the content of a recipe file and give it its types; see :func:`read_recipe`."""
    options = content.get("documents", {})
    known = document_names(content["corpus"], options)
    validation, test = content.get("validation", ["validation"]), content.get("test", ["test"])
    held_out = [*validation, *test]
    unknown = sorted(set(held_out) - set(known))
    if unknown:
        raise ValueError(f"validation, test: unknown documents {unknown}")
    if len(held_out) != len(set(held_out)):
        raise ValueError("validation, test: a document stands in both or twice")
    train = [document for document in known if document not in held_out]
    half = content.get("half")
    if half not in (None, "a", "b"):
        raise ValueError(f"half: got {half!r}, allowed are 'a' and 'b'")
    if half:  # every other document, so that both halves hold all periods and most authors
        train = train["ab".index(half) :: 2]
    tokenizer = dict(content["tokenizer"])
    if "vocabulary" in tokenizer:
        tokenizer["size"] = tokenizer.pop("vocabulary")
    training = content.get("training", {})
    return Recipe(
        name=name,
        description=content["description"],
        corpus=content["corpus"],
        train=tuple(train),
        validation=tuple(validation),
        test=tuple(test),
        vocabulary=Vocabulary(**tokenizer),
        model=(
            Trigram(**content["trigram"])
            if "trigram" in content
            else Transformer(
                Architecture(**content["architecture"]),
                Schedule(**training | {"snapshots": tuple(training.get("snapshots", ()))}),
            )
        ),
        good_for=content.get("good_for", ""),
        options=options,
    )
