"""Load a causal language model by name: from the zoo that ships with the package, or from the Hugging Face hub."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

import entropylab.models.ngram  # noqa: F401  (registers its architecture with transformers)

LAB = "lab/"
_ZOO = resources.files("entropylab.models") / "zoo"


def list_models() -> list[str]:
    """Names of the models that ship with the package, such as ``"lab/english-s"``, sorted."""
    folders = _ZOO.iterdir() if _ZOO.is_dir() else ()
    return sorted(LAB + folder.name for folder in folders if (folder / "config.json").is_file())


def load(
    name: str,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    revision: str | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer, ready for inference.

    Parameters
    ----------
    name : str
        A zoo model of :func:`list_models` (``"lab/english-s"``), a model of the Hugging Face hub
        (``"gpt2"``), or a folder with a model in Hugging Face format. Weights are read from safetensors
        only, and no code that comes with a model is run.
    device : str or torch.device
        Where to put the model.
    dtype : torch.dtype
        Of weights and activations; the zoo stores float16 and computes in float32.
    revision : str, optional
        Branch, tag or commit of a hub model.

    Returns
    -------
    model : transformers.PreTrainedModel
        In evaluation mode.
    tokenizer : transformers.PreTrainedTokenizerBase
        Its tokenizer.

    Raises
    ------
    ValueError
        If there is no such zoo model.
    OSError
        If a hub model or a folder cannot be read.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"name: got {type(name).__name__}, allowed is a str such as 'lab/english-s' or 'gpt2'"
        )
    source = model_folder(name) if name.startswith(LAB) else name
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, revision=revision, use_safetensors=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
    except OSError as error:
        raise OSError(
            f"name: {name!r} could not be loaded as a folder or as a model of the Hugging Face hub; the zoo, which "
            f"needs no network, has {list_models()} ({error})"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.to(device).eval(), tokenizer


def model_folder(name: str) -> Path:
    """Where a zoo model's files are: weights, tokenizer, model card and the record of its training.

    Parameters
    ----------
    name : str
        A name of :func:`list_models`.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    ValueError
        If there is no such zoo model.
    """
    names = list_models()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see entropylab.models.list_models()"
        raise ValueError(f"name: there is no zoo model {name!r}, there are {names}; {hint}")
    return Path(str(_ZOO / name.removeprefix(LAB)))
