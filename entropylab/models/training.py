"""Train a zoo model from its recipe: ``python -m entropylab train english-s``.

A run lives in one folder and may be stopped at any time: the next call goes on from the last checkpoint,
with the same batches. Everything written is safetensors, JSON, Parquet or text, and is written atomically.
"""

from __future__ import annotations

import copy
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from entropylab.models.attention import BLOCKWISE
from entropylab.models.cards import Run, write_card
from entropylab.models.checkpoints import Progress, load_checkpoint, read_progress, save_checkpoint
from entropylab.models.corpus import Corpus, TokenStream, prepare_corpus
from entropylab.models.muon import Muon
from entropylab.models.ngram import train_kneser_ney
from entropylab.models.recipes import Recipe, Schedule, Transformer, Trigram, read_recipe, recipe_names

__all__ = [
    "learning_rate_share",
    "loss_function",
    "new_model",
    "optimizers_for",
    "read_recipe",
    "recipe_names",
    "train",
]


def train(
    recipe: str | Recipe, out: Path | None = None, resume: bool = True, device: str | None = None
) -> Path:
    """Train a model from its recipe, and write it in Hugging Face format with a model card.

    Parameters
    ----------
    recipe : str or Recipe
        A name of :func:`recipe_names`, or a recipe.
    out : Path, optional
        Folder of the run; default ``training/<recipe>`` below the current folder. The finished model is in
        ``<out>/model``.
    resume : bool
        Go on from the folder's checkpoint; ``False`` starts anew.
    device : str, optional
        Torch device; default CUDA where there is one, else the CPU.

    Returns
    -------
    Path
        The folder of the finished model.

    Raises
    ------
    ValueError
        If there is no such recipe.
    DownloadError
        If the corpus cannot be had.
    """
    recipe = read_recipe(recipe) if isinstance(recipe, str) else recipe
    folder = Path("training") / recipe.name if out is None else Path(out)
    if not resume and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")

    plan = recipe.model
    model: PreTrainedModel
    losses: list[float] = []
    context = plan.architecture.max_position_embeddings if isinstance(plan, Transformer) else 1_000_000
    corpus = prepare_corpus(recipe, folder, context=context)
    clock = time.monotonic()
    if isinstance(plan, Trigram):
        model = train_kneser_ney(corpus.tokens, len(corpus.tokenizer), minimum_count=plan.minimum_count)
        seconds = time.monotonic() - clock
    else:
        model = _optimise(recipe, plan, corpus, folder, device)
        _, seconds, losses = read_progress(folder / "checkpoint.safetensors")
    run = Run(recipe, device, seconds, len(losses))
    return _export(model.cpu(), corpus, losses, run, folder / "model")


def learning_rate_share(step: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at a step, in one of the two shapes of a ``Schedule``."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    final = schedule.final_learning_rate_share
    if schedule.decay_steps is not None:
        left = (schedule.steps - step) / schedule.decay_steps
        return final + (1 - final) * min(1.0, max(0.0, left))
    progress = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def new_model(plan: Transformer, vocabulary: int) -> LlamaForCausalLM:
    """A model with the weights that the plan's seed gives, before the first step."""
    torch.manual_seed(plan.schedule.seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        **vars(plan.architecture),
        num_key_value_heads=plan.architecture.num_attention_heads,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


def optimizers_for(model: LlamaForCausalLM, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for the embedding and the norms, at the peaks of their learning rates."""
    hidden: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (hidden if parameter.ndim == 2 and "embed" not in name else rest).append(parameter)
    return [
        Muon(
            hidden,
            lr=schedule.matrix_learning_rate,
            weight_decay=schedule.weight_decay,
            dtype=getattr(torch, schedule.precision),
        ),
        torch.optim.AdamW(rest, lr=schedule.vector_learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _optimise(
    recipe: Recipe, plan: Transformer, corpus: Corpus, folder: Path, device: str
) -> LlamaForCausalLM:
    name, schedule, checkpoint = recipe.name, plan.schedule, folder / "checkpoint.safetensors"
    stream = TokenStream(corpus.tokens, batch=schedule.batch, context=schedule.context, seed=schedule.seed)
    model = new_model(plan, len(corpus.tokenizer)).to(device)
    optimizers = optimizers_for(model, schedule)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    peaks = [group["lr"] for group in groups]
    done = load_checkpoint(checkpoint, model, optimizers) if checkpoint.exists() else Progress(0, 0.0, [])
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]  # loading replaces them
    losses = done.losses
    if device == "cpu":  # the saved model keeps transformers' own
        model.set_attn_implementation(BLOCKWISE)
    loss_of = loss_function(model, schedule.precision, schedule.label_smoothing)
    bits_per_byte = len(corpus.tokens) / corpus.bytes / math.log(2)

    clock = time.monotonic()
    bar = tqdm(
        range(done.step, schedule.steps), initial=done.step, total=schedule.steps, desc=name, mininterval=5
    )
    for step in bar:
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * learning_rate_share(step, schedule)
        loss = loss_of(stream[step].to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(
                f"{name}: the loss is {losses[-1]} at step {step}; lower the learning rates"
            )
        if step % 20 == 0:
            recent = float(np.mean(losses[-100:]))
            bar.set_postfix_str(
                f"{recent:.3f} nats/token, {recent * bits_per_byte:.3f} bits/byte", refresh=False
            )
        if (step + 1) % schedule.checkpoint_every == 0 or step + 1 == schedule.steps:
            spent = done.seconds + time.monotonic() - clock
            save_checkpoint(checkpoint, model, optimizers, Progress(step + 1, spent, losses))
        if step + 1 in schedule.snapshots:
            run = Run(recipe, device, done.seconds + time.monotonic() - clock, step + 1)
            _export(copy.deepcopy(model).cpu().eval(), corpus, losses, run, folder / f"model-step{step + 1}")
    return model.eval()


def loss_function(
    model: LlamaForCausalLM, precision: str, label_smoothing: float = 0.0
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Mean surprisal, in nats, of tokens (batch, context + 1), each after those before it; compiled if it can be.

    With label smoothing, that share of each target is spread evenly over the vocabulary.
    """

    def loss_of(tokens: torch.Tensor) -> torch.Tensor:
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
            logits = model.lm_head(hidden).flatten(0, 1).float()
        return torch.nn.functional.cross_entropy(
            logits, tokens[:, 1:].flatten(), label_smoothing=label_smoothing
        )

    # torch.compile fuses the norms and the loss (about a third faster on a CPU), but needs a C++ compiler.
    return torch.compile(loss_of) if shutil.which("g++") or shutil.which("clang++") else loss_of


def _export(model: PreTrainedModel, corpus: Corpus, losses: list[float], run: Run, target: Path) -> Path:
    if losses:
        model.to(torch.float16)
    model.save_pretrained(target)
    corpus.tokenizer.save_pretrained(target)
    if losses:
        # The loss of each step before its update: what a prequential code of the corpus would have cost.
        log = pd.DataFrame(
            {"step": np.arange(len(losses), dtype=np.int32), "loss": np.array(losses, dtype=np.float32)}
        )
        log.to_parquet(target / "training_log.parquet", index=False)
    write_card(target, corpus, run)
    return target
