"""A training run on disk: weights, optimizer states and losses in one safetensors file, replaced atomically."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from entropylab.files import atomic_write


class Progress(NamedTuple):
    """How far a run is: steps done, seconds spent, and the loss of each step before its update, in nats."""

    step: int
    seconds: float
    losses: list[float]


def save_checkpoint(
    path: Path, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], progress: Progress
) -> None:
    """Write all that a run needs to go on; learning rates are left to the schedule."""
    tensors = {f"model/{name}": parameter.detach() for name, parameter in model.named_parameters()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{index}/{key}": value for key, value in state.items()}
    tensors["losses"] = torch.tensor(progress.losses, dtype=torch.float32)
    tensors = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    with atomic_write(path) as partial:
        metadata = {"step": str(progress.step), "seconds": repr(progress.seconds)}
        save_file(tensors, partial, metadata=metadata)


def load_checkpoint(
    path: Path, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]
) -> Progress:
    """Put a saved run back into the model and its optimizers."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model/{name}"])
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith(f"optimizer/{number}/"):
                _, _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return read_progress(path)


def read_progress(path: Path) -> Progress:
    """Read how far a saved run is, without its weights."""
    with safe_open(path, "pt") as file:
        metadata, losses = file.metadata(), file.get_tensor("losses").tolist()
    return Progress(int(metadata["step"]), float(metadata["seconds"]), losses)
