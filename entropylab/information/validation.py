"""Checks of arguments. Each error names the argument, what was given, and what is allowed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_logits(logits: Any, name: str = "logits") -> Tensor:
    """Return `logits` if it is a floating-point tensor [..., V] with V >= 1.

    Raises
    ------
    TypeError
        If it is no tensor, or not of a floating-point dtype.
    ValueError
        If it has no dimension, or an empty last one.
    """
    if not isinstance(logits, Tensor):
        raise TypeError(f"{name}: got {type(logits).__name__}, allowed is a torch tensor")
    if logits.dtype not in FLOATS:
        raise TypeError(f"{name}: got {logits.dtype}, allowed are float16, bfloat16, float32 and float64")
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"{name}: got shape {tuple(logits.shape)}, allowed is (..., V) with V at least 1")
    return logits


def check_pair(p_logits: Any, q_logits: Any) -> None:
    """Check two tensors of logits of one shape, dtype and device.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_logits`, and if the two differ.
    """
    check_logits(p_logits, "p_logits")
    check_logits(q_logits, "q_logits")
    if p_logits.shape != q_logits.shape:
        raise ValueError(
            f"q_logits: got shape {tuple(q_logits.shape)}, allowed is that of p_logits, "
            f"{tuple(p_logits.shape)}"
        )
    if p_logits.device != q_logits.device:
        raise ValueError(
            f"q_logits: got device {q_logits.device}, allowed is that of p_logits, {p_logits.device}"
        )


def check_temperature(temperature: Any) -> float:
    """Return the temperature as a float if it is a finite number above 0.

    Raises
    ------
    TypeError, ValueError
    """
    value = _number("temperature", temperature)
    if not 0.0 < value < math.inf:
        raise ValueError(f"temperature: got {value}, allowed are finite numbers above 0")
    return value


def check_mass(mass: Any, name: str = "mass") -> float:
    """Return the mass as a float if it lies in (0, 1].

    Raises
    ------
    TypeError, ValueError
    """
    value = _number(name, mass)
    if not 0.0 < value <= 1.0:
        raise ValueError(f"{name}: got {value}, allowed are numbers in (0, 1]")
    return value


def check_count(count: Any, name: str) -> int:
    """Return `count` if it is an integer of at least 1.

    Raises
    ------
    TypeError, ValueError
    """
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"{name}: got {type(count).__name__}, allowed are integers of at least 1")
    value = int(count)
    if value < 1:
        raise ValueError(f"{name}: got {value}, allowed are integers of at least 1")
    return value


def check_order(order: Any, *, finite: bool) -> float:
    """Return the order of an entropy as a float if it is at least 0.

    Raises
    ------
    TypeError, ValueError
    """
    value = _number("order", order)
    if not value >= 0.0 or (finite and math.isinf(value)):
        raise ValueError(
            f"order: got {value}, allowed are {'finite ' if finite else ''}numbers of at least 0"
        )
    return value


def check_targets(targets: Any, logits: Tensor) -> Tensor:
    """Return the targets as int64 if they fit the logits: one token of 0 .. V - 1 for each row.

    Raises
    ------
    TypeError
        If they are no tensor of integers.
    ValueError
        If shape, device or a value does not fit.
    """
    if not isinstance(targets, Tensor):
        raise TypeError(f"targets: got {type(targets).__name__}, allowed is a torch tensor of integers")
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise TypeError(f"targets: got {targets.dtype}, allowed are integer dtypes")
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"targets: got shape {tuple(targets.shape)}, allowed is that of the logits without the last "
            f"dimension, {tuple(logits.shape[:-1])}"
        )
    if targets.device != logits.device:
        raise ValueError(
            f"targets: got device {targets.device}, allowed is that of the logits, {logits.device}"
        )
    tokens: Tensor = targets.long()
    width = logits.shape[-1]
    if tokens.numel():
        low, high = (int(bound) for bound in torch.aminmax(tokens))
        if low < 0 or high >= width:
            raise ValueError(f"targets: got {low if low < 0 else high}, allowed are 0 to {width - 1}")
    return tokens


def refuse_invalid(logits: Tensor, invalid: Tensor, name: str = "logits") -> None:
    """Raise if a row is marked as invalid, naming the first one and what is wrong with it.

    Parameters
    ----------
    logits : Tensor [..., V]
    invalid : bool Tensor [...]
        Which rows a kernel could not compute.
    name : str

    Raises
    ------
    ValueError
    """
    if not bool(invalid.any()):
        return
    index = tuple(invalid.nonzero()[0].tolist())
    row = logits.detach()[index]
    if bool(row.isnan().any()):
        problem = "NaN"
    elif bool(row.isposinf().any()):
        problem = "+inf"
    else:
        problem = "only -inf"
    place = f"row {index[0] if len(index) == 1 else index}" if index else "the only row"
    raise ValueError(
        f"{name}: {place} has {problem}; allowed are finite numbers and -inf, "
        "with at least one finite number in a row"
    )


def _number(name: str, value: Any) -> float:
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise TypeError(f"{name}: got {type(value).__name__}, allowed is a number")
    return float(value)
