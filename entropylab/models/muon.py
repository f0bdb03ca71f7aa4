"""Muon: momentum whose update is orthogonalised, for the hidden matrices of a transformer.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". ``torch.optim.Muon``
does the same in bfloat16, which many CPUs emulate at the price of the rest of a step; this one works in the
precision asked for and stacks matrices of one shape, so that a step costs a few per cent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch

# Coefficients of the quintic Newton-Schulz iteration (Jordan et al. 2024).
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised by five Newton-Schulz steps, with decoupled weight decay.

    Parameters
    ----------
    params : iterable of torch.nn.Parameter
        Matrices (two-dimensional) only.
    lr : float
        Learning rate: about the spectral norm of an update.
    momentum : float
        Weight of the past in the running gradient.
    weight_decay : float
        Share of the weight, times ``lr``, that is taken off at each step.
    dtype : torch.dtype
        Precision of the orthogonalisation.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype
        for parameter in (p for group in self.param_groups for p in group["params"]):
            if parameter.ndim != 2:
                raise ValueError(f"params: got shape {tuple(parameter.shape)}, allowed are matrices")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the matrices from their gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                velocity = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                by_shape[parameter.shape].append(
                    (parameter, parameter.grad.lerp(velocity, group["momentum"]))
                )
            for shape, pairs in by_shape.items():
                updates = orthogonalise(torch.stack([update for _, update in pairs]).to(self.dtype)).float()
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for (parameter, _), update in zip(pairs, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-group["lr"] * scale)
        return loss


def orthogonalise(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Push all singular values of each matrix near 1 (within about 0.7 to 1.2), keeping its singular vectors.

    Parameters
    ----------
    matrices : torch.Tensor, shape (n, rows, columns)
        A stack of matrices.
    steps : int
        Newton-Schulz iterations.

    Returns
    -------
    torch.Tensor, same shape
        The approximately (semi-)orthogonal factors.
    """
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x if wide is matrices else x.mT
