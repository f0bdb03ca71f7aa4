"""A run: plan, score what is missing, put the rejections together, sum up."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.files import atomic_write
from entropylab.models import load
from entropylab.scoring.corpus import Shard, find_sources, plan_shards
from entropylab.scoring.manifest import begin_or_resume, describe_model, make_manifest
from entropylab.scoring.settings import DTYPES, Settings
from entropylab.scoring.shards import ShardScorer, read_receipt

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Summary:
    """What a folder holds after a run.

    Attributes
    ----------
    shards, shards_before : int
        All shards, and those that were done before this run.
    documents, tokens, rejected : int
        Of all shards.
    unfinite : int
        Documents whose summed surprisal is infinite or NaN; the two means leave them out.
    nats_per_token, bits_per_byte : float
        Over all documents together; NaN without any.
    seconds, tokens_per_second : float
        Of this run, the scoring alone.
    """

    shards: int
    shards_before: int
    documents: int
    tokens: int
    rejected: int
    unfinite: int
    nats_per_token: float
    bits_per_byte: float
    seconds: float
    tokens_per_second: float

    def __str__(self) -> str:
        before = f", {self.shards_before} of them before" if self.shards_before else ""
        speed = f"{self.tokens_per_second:,.0f} tokens/s in {self.seconds:,.1f} s"
        if self.shards_before == self.shards:
            speed = "nothing was left to score"
        lines = [
            f"documents     {self.documents:,} in {self.shards:,} shards{before}",
            f"rejected      {self.rejected:,}",
            f"tokens        {self.tokens:,}",
            f"nats/token    {self.nats_per_token:.4f}",
            f"bits/byte     {self.bits_per_byte:.4f}",
            f"speed         {speed}",
        ]
        if self.unfinite:
            lines.insert(2, f"not finite    {self.unfinite:,} documents, left out of the means")
        return "\n".join(lines)


def score_corpus(
    corpus: str | Path,
    out: str | Path,
    settings: Settings,
    *,
    engine: str = "local",
    workers: int | None = None,
    threads: int | None = None,
    progress: bool = True,
) -> Summary:
    """Score every document of a corpus, shard by shard; what is done already is not done again.

    Parameters
    ----------
    corpus : str or Path
        A file, a folder, or a pattern; see :func:`entropylab.scoring.corpus.find_sources`.
    out : str or Path
        Folder for the tables. With Ray, one that all machines see, and so for the corpus.
    settings : Settings
    engine : {"local", "ray"}
        This process, or a Ray cluster: the one that is connected, else that of ``RAY_ADDRESS``, else one of this
        machine.
    workers : int, optional
        Ray only: processes with a model each; by default as many as there are CPUs (or GPUs) for.
    threads : int, optional
        Torch threads of a process; by default torch's own number, and 1 with Ray.
    progress : bool
        Show a bar, where there is a terminal.

    Returns
    -------
    Summary

    Raises
    ------
    ValueError
        If an argument is out of range, there is nothing to read, or the folder belongs to another run.
    OSError
        If the model cannot be loaded, or the folder not be written.
    RuntimeError
        If Ray is asked for and not installed, or a worker has other weights.

    Notes
    -----
    Records that cannot be scored are written to ``rejected.jsonl`` and stop nothing.
    """
    out = Path(out)
    if engine not in ENGINES:
        raise ValueError(f"engine: got {engine!r}, allowed are {', '.join(map(repr, ENGINES))}")
    for name, value in (("workers", workers), ("threads", threads)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: got {value}, allowed is 1 or more")
    if workers is not None and engine != "ray":
        raise ValueError("workers: the local engine has one process; allowed is engine='ray'")
    if engine == "ray":
        from entropylab.scoring.ray_engine import require_ray

        require_ray()
    elif threads is not None:
        torch.set_num_threads(threads)

    sources = find_sources(corpus)
    inside = [source.path for source in sources if source.path.is_relative_to(out.resolve())]
    if inside:
        raise ValueError(
            f"out: {out} holds {inside[0].name}, which the corpus names; choose a folder outside"
        )
    shards = list(plan_shards(sources, settings.text_column, settings.shard_documents, settings.shard_bytes))
    # Where Ray's workers have the GPUs, this process may have none.
    model, tokenizer = load_model(settings, device=None if engine == "local" else "cpu")
    scorer = ShardScorer(model, tokenizer, settings, out)
    described = describe_model(model, tokenizer, settings)
    filled = settings.as_dict() | {
        "context": scorer.context,
        "stride": scorer.stride,
        "batch_tokens": scorer.batch_tokens,
    }
    begin_or_resume(out, make_manifest(described, filled, sources, shards))

    missing = [shard for shard in shards if read_receipt(out, shard.index) is None]
    began = time.monotonic()
    with _Bar(shards, missing, progress) as bar:
        if engine == "local":
            for shard in missing:
                scorer.score(shard, bar.advance)
            scorer.close()
        elif missing:
            from entropylab.scoring.ray_engine import score_with_ray

            del model, tokenizer, scorer
            score_with_ray(missing, settings, out.resolve(), described, workers, threads or 1, bar.advance)
    return _finish(out, shards, missing, time.monotonic() - began)


def load_model(
    settings: Settings, device: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the model of the settings.

    Parameters
    ----------
    settings : Settings
    device : str, optional
        In place of the settings' own.

    Returns
    -------
    model, tokenizer
    """
    dtype = {name: getattr(torch, name) for name in DTYPES}[settings.dtype]
    return load(settings.model, device=device or settings.device, dtype=dtype, revision=settings.revision)


def _finish(out: Path, shards: list[Shard], scored: list[Shard], seconds: float) -> Summary:
    """Join the rejections, remove what interrupted runs left, and sum up. Receipts are read one at a time."""
    totals: dict[str, float] = {}
    rejected = tokens_now = 0
    now = {shard.index for shard in scored}
    with atomic_write(out / "rejected.jsonl") as partial, partial.open("w", encoding="utf-8") as stream:
        for receipt in _receipts(out, shards):
            for name in (
                "documents",
                "tokens",
                "unfinite",
                "finite_tokens",
                "finite_bytes",
                "finite_surprisal",
            ):
                totals[name] = totals.get(name, 0) + receipt[name]
            for rejection in receipt["rejected"]:
                stream.write(json.dumps(rejection, ensure_ascii=False) + "\n")
            rejected += len(receipt["rejected"])
            tokens_now += receipt["tokens"] if receipt["shard"] in now else 0
    for folder in (out, out / "receipts"):
        for leftover in folder.glob(".*.partial"):
            leftover.unlink(missing_ok=True)

    def share(total: str, count: str) -> float:
        return totals[total] / totals[count] if totals.get(count) else math.nan

    return Summary(
        shards=len(shards),
        shards_before=len(shards) - len(scored),
        documents=int(totals.get("documents", 0)),
        tokens=int(totals.get("tokens", 0)),
        rejected=rejected,
        unfinite=int(totals.get("unfinite", 0)),
        nats_per_token=share("finite_surprisal", "finite_tokens"),
        bits_per_byte=share("finite_surprisal", "finite_bytes") / math.log(2),
        seconds=seconds,
        tokens_per_second=tokens_now / seconds if seconds else 0.0,
    )


def _receipts(out: Path, shards: list[Shard]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        receipt = read_receipt(out, shard.index)
        if receipt is None:
            raise RuntimeError(f"shard {shard.index} in {out} was done and is gone; run the command again")
        yield receipt


class _Bar:
    """The progress bar: records, and tokens a second of this run."""

    def __init__(self, shards: list[Shard], missing: list[Shard], shown: bool) -> None:
        total = sum(shard.records for shard in shards)
        self._bar = tqdm(
            total=total,
            initial=total - sum(shard.records for shard in missing),
            unit=" records",
            unit_scale=True,
            disable=None if shown else True,  # None: where there is no terminal
        )
        self._began, self._tokens = time.monotonic(), 0

    def advance(self, records: int, tokens: int) -> None:
        self._tokens += tokens
        speed = self._tokens / max(1e-9, time.monotonic() - self._began)
        self._bar.set_postfix_str(f"{speed:,.0f} tokens/s", refresh=False)
        self._bar.update(records)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
