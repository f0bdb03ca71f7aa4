"""What a run of ``entropylab score`` is asked to do; all of it decides the numbers, so all of it is in the manifest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

DTYPES = ("float32", "bfloat16", "float16")


def default_batch_tokens(device: str, vocabulary: int) -> int:
    """Tokens of a forward pass when nothing else is said: as many as are fast.

    Parameters
    ----------
    device : str
        Torch device.
    vocabulary : int
        V.

    Returns
    -------
    int
        On a CPU, so many that their float32 logits fill 16 MiB, what a cache may hold: larger batches were slower for
        the zoo's models of 57 and 4,096 tokens. Elsewhere 256 MiB, for a GPU to have work.
    """
    if device.startswith("cpu"):
        return min(8192, max(512, (1 << 22) // vocabulary))
    return min(65_536, max(512, (1 << 26) // vocabulary))


@dataclass(frozen=True)
class Settings:
    """Settings of a run.

    Parameters
    ----------
    model : str
        A name or folder for :func:`entropylab.models.load`.
    revision : str, optional
        Branch, tag or commit of a hub model.
    text_column : str
        Field or column that holds the text.
    id_column : str, optional
        Field or column that names a document; without it, a document is called ``<file>:<line>``.
    context, stride : int, optional
        As for :func:`entropylab.models.score_text`: tokens that the model sees at once, and tokens that each
        further window scores.
    batch_tokens : int, optional
        Tokens in a forward pass, padding included; at least one window is taken. By default those of
        :func:`default_batch_tokens`.
    top_k : int
        K of the truncated entropies; 0 leaves them out.
    concentration : bool
        Whether each document is tested for having been written by the model.
    alpha : float
        Level of that test, in (0, 1), for each document.
    tokens : bool
        Whether a table with a row a token is written.
    shard_documents, shard_bytes : int
        A shard is closed by the record that fills one of the two: records, or bytes of input.
    device : str
        Torch device.
    dtype : {"float32", "bfloat16", "float16"}
        Of weights and activations.

    Raises
    ------
    ValueError
        If a setting is out of range; what only the model knows is checked by the scorer.
    """

    model: str
    revision: str | None = None
    text_column: str = "text"
    id_column: str | None = None
    context: int | None = None
    stride: int | None = None
    batch_tokens: int | None = None
    top_k: int = 15
    concentration: bool = True
    alpha: float = 0.05
    tokens: bool = True
    shard_documents: int = 1000
    shard_bytes: int = 8_000_000
    device: str = "cpu"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name in ("batch_tokens", "shard_documents", "shard_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: got {value}, allowed is 1 or more")
        if self.top_k < 0:
            raise ValueError(f"top_k: got {self.top_k}, allowed is 0 or more")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: got {self.alpha}, allowed are numbers between 0 and 1")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype: got {self.dtype!r}, allowed are {', '.join(map(repr, DTYPES))}")

    def as_dict(self) -> dict[str, Any]:
        """The settings as they stand in the manifest."""
        return asdict(self)
