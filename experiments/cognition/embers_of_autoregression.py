"""When is a cipher half learned? Development curves of the four cipher models, for claims C6 and C7 of the chapter.

Run: ``python experiments/cognition/embers_of_autoregression.py [RECIPE...]`` (about 1 minute of one core a recipe;
needs the novels). Each recipe ``cipher-*`` is trained at its constant learning rate, until both tasks have an accuracy
of 0.9, or have passed 0.6 for 60 steps; every 10 steps, whole-line accuracy is measured on the 40 development items. A
run that was stopped goes on from its last checkpoint. The curve is written to
``results/lab/experiments/embers_of_autoregression.json`` after each recipe, and one that stands there is not run again.

The steps at which accuracy is nearest 0.5, at rot-13 and at the pattern task, then stand in the recipes, and
``entropylab train cipher-1`` (and so on) makes the models of the zoo. The learning rate is constant, so a run that is
shorter gives the same weights up to its end; it may go on from one of the checkpoints that this script leaves in
``training/<recipe>/checkpoints``. The curves also go into the package, as the table ``embers_development``.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import entropylab.data
from entropylab.book import results
from entropylab.cognition.embers_stimuli import input_stimuli, output_stimuli, written_segments
from entropylab.cognition.embers_transformer import decoding_lines, lines_right, pattern_lines
from entropylab.files import atomic_write
from entropylab.models.attention import BLOCKWISE
from entropylab.models.checkpoints import Progress, load_checkpoint, save_checkpoint
from entropylab.models.corpus import TokenStream, prepare_corpus
from entropylab.models.recipes import Transformer, read_recipe
from entropylab.models.training import learning_rate_share, loss_function, new_model, optimizers_for

RECIPES = ("cipher-1", "cipher-2", "cipher-3", "cipher-gibberish")
STEPS, EVERY, FIRST = 1000, 10, 80
LEARNED, PASSED, AFTER = 0.9, 0.6, 60
PATH = Path(__file__).parents[2] / "results" / "lab" / "experiments" / "embers_of_autoregression.json"


def development_lines() -> dict[str, list[str]]:
    """Lines of the development items, by task and condition."""
    segments = written_segments("development")
    outputs, inputs = output_stimuli(segments, seed=1)._asdict(), input_stimuli(segments, seed=1)._asdict()
    lines = {
        f"rot{shift} {condition}": decoding_lines(texts, shift)
        for shift in (13, 12)
        for condition, texts in outputs.items()
    }
    return lines | {f"pattern {condition}": pattern_lines(texts) for condition, texts in inputs.items()}


def curve(name: str) -> dict[str, Any]:
    """Train one recipe and measure it as it learns."""
    recipe = read_recipe(name)
    plan = recipe.model
    if not isinstance(plan, Transformer):
        raise TypeError(f"{name} is no transformer")
    schedule = dataclasses.replace(plan.schedule, steps=STEPS)
    folder = Path("training") / name
    folder.mkdir(parents=True, exist_ok=True)
    corpus = prepare_corpus(recipe, folder, context=plan.architecture.max_position_embeddings)
    stream = TokenStream(corpus.tokens, batch=schedule.batch, context=schedule.context, seed=schedule.seed)
    model = new_model(plan, len(corpus.tokenizer))
    model.set_attn_implementation(BLOCKWISE)  # as `entropylab train` does on a CPU
    optimizers, loss_of = optimizers_for(model, schedule), loss_function(model, schedule.precision)
    lines = development_lines()
    file, checkpoints = folder / "curve.json", folder / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    found: dict[str, list[float]] = {"step": [], "loss": [], **{key: [] for key in lines}}
    done = Progress(0, 0.0, [])
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    if file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        done = load_checkpoint(checkpoints / f"{found['step'][-1]}.safetensors", model, optimizers)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    losses, clock = done.losses, time.process_time()
    spent = done.seconds
    for step in range(done.step, STEPS):
        if finished(found):
            break
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * learning_rate_share(step, schedule)
        loss = loss_of(stream[step])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % EVERY or step + 1 < FIRST:
            continue
        model.eval()
        found["step"].append(step + 1)
        found["loss"].append(round(sum(losses[-EVERY:]) / EVERY, 4))
        right = lines_right([line for group in lines.values() for line in group], model, corpus.tokenizer)
        for key, share in zip(lines, right.reshape(len(lines), -1).mean(1).tolist(), strict=True):
            found[key].append(round(share, 4))
        model.train()
        spent = done.seconds + time.process_time() - clock
        progress = Progress(step + 1, spent, losses)
        save_checkpoint(checkpoints / f"{step + 1}.safetensors", model, optimizers, progress)
        results.write_json(file, found)
        print(name, {key: values[-1] for key, values in found.items()}, flush=True)
    return {"cpu_seconds": round(spent, 1), "curve": found, **chosen(found)}


def finished(found: dict[str, list[float]]) -> bool:
    """Whether both tasks are learned, or passed a lower mark some steps ago."""
    both = list(map(min, means(found, "rot13"), means(found, "pattern")))
    passed = [step for step, accuracy in zip(found["step"], both, strict=True) if accuracy >= PASSED]
    return bool(passed) and (both[-1] >= LEARNED or found["step"][-1] >= passed[0] + AFTER)


def chosen(found: dict[str, list[float]]) -> dict[str, Any]:
    """The steps at which mean accuracy over the three conditions is nearest 0.5; the first of equally near ones."""
    best = {}
    for task in ("rot13", "pattern"):
        accuracies = means(found, task)
        place = min(range(len(accuracies)), key=lambda i: abs(accuracies[i] - 0.5))
        best[task] = {"step": found["step"][place], "development_accuracy": round(accuracies[place], 4)}
    return {"chosen": best}


def means(found: dict[str, list[float]], task: str) -> list[float]:
    """Mean accuracy over the conditions high, medium and low, at each measured step."""
    columns = [found[f"{task} {condition}"] for condition in ("high", "medium", "low")]
    return [sum(values) / 3 for values in zip(*columns, strict=True)]


def write_table(models: dict[str, Any]) -> None:
    """The curves as a table of the package: how many of the 40 lines of each group are right."""
    parts = []
    for name, found in models.items():
        columns = {key.replace(" ", "_"): values for key, values in found["curve"].items() if " " in key}
        counts = {key: np.round(40 * np.array(values)).astype(np.uint8) for key, values in columns.items()}
        steps = np.array(found["curve"]["step"], dtype=np.uint16)
        parts.append(pd.DataFrame({"model": name, "step": steps, **counts}))
    table = pd.concat(parts, ignore_index=True).astype({"model": "category"})
    table.attrs.update(
        source="Measured by this project (experiments/cognition/embers_of_autoregression.py)", licence="MIT"
    )
    with atomic_write(
        Path(entropylab.data.__file__).parent / "tables" / "embers_development.parquet"
    ) as path:
        table.to_parquet(path, index=False)


def main() -> None:
    """Measure all recipes that are not measured yet."""
    for name in sys.argv[1:] or RECIPES:
        read = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {"models": {}}
        if name in read["models"]:
            continue
        found = curve(name)
        read = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {"models": {}}
        content = {
            "experiment": "whole-line accuracy on 40 development items while the cipher models learn",
            "models": {**read["models"], name: found},
        }
        results.write_json(PATH, content)
        print(name, found["chosen"], flush=True)
    write_table(json.loads(PATH.read_text(encoding="utf-8"))["models"])


if __name__ == "__main__":
    main()
