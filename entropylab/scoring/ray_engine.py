"""The same shards on a Ray cluster: a row of a Ray Data set is a shard, an actor is a worker with a model.

Both engines call :meth:`entropylab.scoring.shards.ShardScorer.score`, which forms its batches within a shard.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from entropylab.scoring.corpus import Shard
from entropylab.scoring.manifest import describe_model
from entropylab.scoring.settings import Settings
from entropylab.scoring.shards import ShardScorer


def require_ray() -> None:
    """Return if Ray is installed.

    Raises
    ------
    RuntimeError
        Otherwise, with the remedy.
    """
    if importlib.util.find_spec("ray") is None:
        raise RuntimeError(
            "engine: 'ray' needs Ray, which is not installed: pip install 'entropylab-book[ray]'"
        )


class ShardWorker:
    """An actor: loads the model with its first shard, and scores one shard after the other.

    Parameters
    ----------
    shards : dict of int to Shard
        By index.
    settings : Settings
    out : Path
    described : dict
        The model as the driver of the run has it.
    threads : int
        Torch threads.
    """

    def __init__(
        self,
        shards: dict[int, Shard],
        settings: Settings,
        out: Path,
        described: dict[str, Any],
        threads: int,
    ) -> None:
        self._shards = shards
        self._settings = settings
        self._out = out
        self._described = described
        self._threads = threads
        self._scorer: ShardScorer | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Score the shard of a row, and say how many records and tokens it had, or what went wrong.

        Parameters
        ----------
        row : dict
            ``shard``: the index.

        Returns
        -------
        dict
            ``records``, ``tokens``, and ``error``, which is empty where all went well. An error is an answer: out of
            an exception Ray makes a page of traceback, in which the cause is hard to find.
        """
        try:
            receipt = self._load().score(self._shards[int(row["shard"])])
        except (OSError, RuntimeError, ValueError) as error:
            return {"records": 0, "tokens": 0, "error": f"{type(error).__name__}: {error}"}
        return {"records": receipt["records"], "tokens": receipt["tokens"], "error": ""}

    def _load(self) -> ShardScorer:
        from entropylab.scoring.run import load_model

        if self._scorer is None:
            torch.set_num_threads(self._threads)
            model, tokenizer = load_model(self._settings)
            found = describe_model(model, tokenizer, self._settings)
            if found != self._described:
                raise RuntimeError(f"model: the driver has {self._described}, and this worker has {found}")
            self._scorer = ShardScorer(model, tokenizer, self._settings, self._out)
        return self._scorer


def score_with_ray(
    shards: list[Shard],
    settings: Settings,
    out: Path,
    described: dict[str, Any],
    workers: int | None,
    threads: int,
    advance: Callable[[int, int], None],
) -> None:
    """Score shards on the cluster that is connected, on that of ``RAY_ADDRESS``, or on one of this machine.

    Parameters
    ----------
    shards : list of Shard
        At least one.
    settings : Settings
    out : Path
        Absolute; the same folder on all machines.
    described : dict
        Of :func:`describe_model`; each worker compares.
    workers : int or None
    threads : int
        Of a worker, and the CPUs that are reserved for it.
    advance : callable
        Told the records and tokens of each shard that is done.

    Raises
    ------
    ValueError
        If the cluster has no room for one worker.
    RuntimeError
        If a worker fails; what it said is in the message.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to its makers otherwise
    import ray
    import ray.data

    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    try:
        on_gpu = settings.device.startswith("cuda")
        resources = ray.cluster_resources()
        room = int(resources.get("CPU", 0) // threads)
        if on_gpu:
            room = min(room, int(resources.get("GPU", 0)))
        if room < 1:
            raise ValueError(
                f"threads: got {threads} for a worker on {settings.device}, and the cluster has {resources}"
            )
        size = min(workers or room, room, len(shards))
        ray.data.DataContext.get_current().enable_progress_bars = False  # one bar is enough
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        done = ray.data.from_items(
            [{"shard": shard.index} for shard in shards], override_num_blocks=len(shards)
        ).map(
            ShardWorker,  # type: ignore[arg-type]  # Ray makes an actor of a class, which its types do not say
            fn_constructor_kwargs={
                "shards": {shard.index: shard for shard in shards},
                "settings": settings,
                "out": out,
                "described": described,
                "threads": threads,
            },
            compute=ray.data.ActorPoolStrategy(size=size),
            num_cpus=threads,
            num_gpus=1 if on_gpu else None,
        )
        for row in done.iter_rows():
            if row["error"]:
                raise RuntimeError(f"engine: a worker failed; shards that are done are kept. {row['error']}")
            advance(int(row["records"]), int(row["tokens"]))
    except ray.exceptions.RayError as error:  # a worker that was lost or killed
        raise RuntimeError(
            f"engine: Ray gave up ({type(error).__name__}); shards that are done are kept, and the same command goes on"
        ) from error
    finally:
        if started:
            ray.shutdown()
