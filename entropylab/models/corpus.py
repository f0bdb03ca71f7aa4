"""The training text of a recipe as one array of tokens, and the order in which batches read it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from entropylab.files import atomic_write
from entropylab.models.documents import read_documents
from entropylab.models.loading import LAB, model_folder
from entropylab.models.recipes import Recipe, Vocabulary
from entropylab.models.tokenization import symbol_tokenizer, train_tokenizer


class Corpus(NamedTuple):
    """A tokenised training text: each document starts with the beginning-of-text token."""

    tokenizer: PreTrainedTokenizerFast
    tokens: NDArray[np.int32]
    bytes: int


def prepare_corpus(recipe: Recipe, folder: Path, *, context: int) -> Corpus:
    """Read the training documents of a recipe, make its tokenizer and encode them; once, then from the folder.

    Parameters
    ----------
    recipe : Recipe
        Names the documents and the vocabulary.
    folder : Path
        Where tokens and tokenizer are kept.
    context : int
        Length that the tokenizer declares as its model's maximum.

    Returns
    -------
    Corpus
        Tokenizer, tokens and the size of the text in bytes.
    """
    file, tokenizer_folder = folder / "tokens.safetensors", folder / "tokenizer"
    if not file.exists():
        documents_read = read_documents(recipe.corpus, recipe.train, recipe.options)
        texts = [text for document in documents_read for text in document.texts]
        tokenizer = _tokenizer(recipe.vocabulary, texts, context)
        tokenizer.save_pretrained(tokenizer_folder)
        documents = [[tokenizer.bos_token_id, *ids] for ids in tokenizer(texts, verbose=False)["input_ids"]]
        tokens = np.concatenate([np.asarray(ids, dtype=np.int32) for ids in documents])
        size = sum(len(text.encode()) for text in texts)
        with atomic_write(file) as path:
            save_file({"tokens": tokens}, path, metadata={"bytes": str(size)})
    with safe_open(file, "numpy") as stored:
        tokens, size = stored.get_tensor("tokens"), int(stored.metadata()["bytes"])
    return Corpus(AutoTokenizer.from_pretrained(tokenizer_folder), tokens, size)


def _tokenizer(vocabulary: Vocabulary, texts: list[str], context: int) -> PreTrainedTokenizerFast:
    if vocabulary.size is not None:
        return train_tokenizer(texts, vocabulary.size, context=context)
    if vocabulary.symbols is not None:
        source = importlib.import_module(f"entropylab.sources.tasks.{vocabulary.symbols}")
        return symbol_tokenizer(source.VOCABULARY, context=context)
    tokenizer = AutoTokenizer.from_pretrained(model_folder(f"{LAB}{vocabulary.of}"))
    tokenizer.model_max_length = context
    return tokenizer


class TokenStream:
    """Batches of a flat token array, each window once an epoch, in an order that only the seed determines.

    Parameters
    ----------
    tokens : array of int32, shape (n,)
        All training documents, one after the other.
    batch, context : int
        A batch is ``batch`` windows of ``context + 1`` tokens (inputs and targets overlap).
    seed : int
        Determines the order; any step can be asked for at once, which makes a run resumable.

    Raises
    ------
    ValueError
        If the text does not fill one batch.
    """

    def __init__(self, tokens: NDArray[np.int32], *, batch: int, context: int, seed: int) -> None:
        self.tokens, self.batch, self.context, self.seed = tokens, batch, context, seed
        # One window is given up so that each epoch can shift its windows by a random offset.
        self.windows = (len(tokens) - 1) // context - 1
        self.steps_per_epoch = self.windows // batch
        if self.steps_per_epoch < 1:
            raise ValueError(f"tokens: got {len(tokens)}, needed are at least {(batch + 1) * context + 1}")
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def __getitem__(self, step: int) -> torch.Tensor:
        """Batch of a step, int64, shape (batch, context + 1)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        starts = self._starts(epoch)[position * self.batch : (position + 1) * self.batch]
        rows = self.tokens[starts[:, None] + np.arange(self.context + 1)]
        return torch.from_numpy(rows.astype(np.int64))

    def _starts(self, epoch: int) -> NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            generator = np.random.default_rng([self.seed, epoch])
            offset = generator.integers(self.context)
            self._epoch = epoch, offset + self.context * generator.permutation(self.windows)
        return self._epoch[1]
