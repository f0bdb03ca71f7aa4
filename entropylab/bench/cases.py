"""What is timed: ours and its rivals, on the same data, with the check that both must pass.

To add a path, write a function that returns its :class:`Case`, and yield it in :func:`cases`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from entropylab.bench import checks, rivals
from entropylab.bench.rivals import ALPHA, Rival
from entropylab.decoding import typical_filter, typical_sample
from entropylab.detection import LAMBDAS, TokenEvidence, concentration_figures
from entropylab.information import entropy, linear_token_statistics, token_statistics

MASS = 0.9
HIDDEN = 768  # width of the hidden states

# Sizes on a GPU: those of common vocabularies, and batches from one decoded token to training.
CUDA_WIDTHS = (32_000, 50_257, 128_000, 151_936, 256_000)
CUDA_ROWS = (1, 8, 64, 512, 4096)


def random_logits(case: Case, device: str, seed: int) -> Tensor:
    """Normal logits [rows, width] of standard deviation 3."""
    generator = torch.Generator(device).manual_seed(seed)
    drawn = torch.randn(case.rows, case.width, generator=generator, device=device)
    return drawn.mul_(3.0).to(case.dtype)


def tensor_bytes(data: Any) -> int:
    """Bytes of a tensor, or of all tensors of a tuple."""
    return data.nbytes if isinstance(data, Tensor) else sum(part.nbytes for part in data)


@dataclass(frozen=True)
class Case:
    """A path at a size.

    Attributes
    ----------
    path : str
        What is computed.
    rows, width : int
        Size of the logits, or number of sequences and tokens in each.
    dtype : torch.dtype
    floor : float
        The least traffic possible, in reads of the data: a write counts as a read.
    ours : callable
        Takes the data, returns what was computed.
    check : callable
        Takes the data, what was computed, and a tolerance; raises
        :class:`~entropylab.bench.checks.WrongResultError`. It runs on the output that was timed, ours and the
        rivals'.
    rivals : list of Rival
    data : callable
        Makes the data from the case, the device and a seed.
    size : callable
        Bytes of the data: one read.
    """

    path: str
    rows: int
    width: int
    dtype: torch.dtype
    floor: float
    ours: Callable[[Any], Any]
    check: Callable[[Any, Any, float], None]
    rivals: list[Rival] = field(default_factory=list)
    data: Callable[[Case, str, int], Any] = random_logits
    size: Callable[[Any], int] = tensor_bytes


def statistics_case(
    rows: int, width: int, dtype: torch.dtype, device: str, check_finite: bool = True
) -> Case:
    """All statistics of a row in one read. The check of the input makes the host wait for a GPU."""
    return Case(
        "all statistics" if check_finite else "all statistics, unchecked",
        rows,
        width,
        dtype,
        1.0,
        functools.partial(token_statistics, check_finite=check_finite),
        checks.statistics_are_right,
        rivals.of_entropy(device),
    )


def random_layer(case: Case, device: str, seed: int) -> tuple[Tensor, Tensor]:
    """Hidden states [rows, HIDDEN] and an output matrix [width, HIDDEN] whose logits have standard deviation 3."""
    generator = torch.Generator(device).manual_seed(seed)
    hidden, weight = (
        torch.randn(size, HIDDEN, generator=generator, device=device) for size in (case.rows, case.width)
    )
    return hidden.to(case.dtype), weight.mul_(3.0 / HIDDEN**0.5).to(case.dtype)


def linear_case(rows: int, width: int, dtype: torch.dtype, device: str) -> Case:
    """All statistics from hidden states. What bounds it are the products: the same blocks alone are a rival."""
    return Case(
        "all statistics, without logits",
        rows,
        width,
        dtype,
        1.0,
        lambda data: linear_token_statistics(*data, check_finite=device == "cpu"),
        checks.linear_is_right,
        [
            Rival("products alone", rivals.blocked_product),
            Rival("torch, logits in memory", rivals.entropy_of_product),
        ],
        random_layer,
    )


def gradient_case(rows: int, width: int, dtype: torch.dtype, device: str) -> Case:
    """Entropy and its gradient. Forward: one read. Backward: one read and one write."""
    unchecked = functools.partial(entropy, check_finite=False)
    return Case(
        "entropy, forward and backward",
        rows,
        width,
        dtype,
        3.0,
        rivals.gradient_of(entropy if device == "cpu" else unchecked),
        checks.gradient_is_right,
        rivals.of_entropy(device, backward=True),
    )


def filter_case(rows: int, width: int, dtype: torch.dtype, device: str) -> Case:
    """Typical filter. Two reads, as the cut depends on the entropy, and a write."""
    return Case(
        "typical filter",
        rows,
        width,
        dtype,
        3.0,
        functools.partial(typical_filter, mass=MASS, check_finite=device == "cpu"),
        functools.partial(checks.filter_is_right, mass=MASS),
        [Rival("TypicalLogitsWarper", rivals.warper(MASS))],
    )


def sample_case(rows: int, width: int, dtype: torch.dtype, device: str) -> Case:
    """Typical sample: two reads."""
    return Case(
        "typical sample",
        rows,
        width,
        dtype,
        2.0,
        functools.partial(typical_sample, mass=MASS, check_finite=device == "cpu"),
        functools.partial(checks.sample_is_right, mass=MASS),
        [Rival("warper + multinomial", rivals.warp_and_draw(MASS))],
    )


@dataclass(frozen=True)
class Evidence:
    """Figures of tokens on the device, and the same as NumPy arrays [sequences, tokens] for the rival."""

    tensors: TokenEvidence
    offsets: Tensor
    arrays: tuple[np.ndarray, ...]


def random_evidence(case: Case, device: str, seed: int) -> Evidence:
    """Figures of tokens of which the model's moments are true: surprisal, entropy, varentropy, cgf.

    With sequences of one length, so that the NumPy version may reshape them. The surprisal is gamma distributed,
    whose cumulant generating function is known.
    """
    generator = np.random.default_rng(seed)
    tokens = case.rows * case.width
    shape = generator.uniform(1.0, 8.0, tokens).astype(np.float32)
    surprisal = generator.standard_gamma(shape, dtype=np.float32)
    grid = np.array(LAMBDAS, np.float32)
    # A gamma variable of shape k has mean and variance k and ln E e^(l s) = -k ln(1 - l).
    cgf = shape[:, None] * (-np.log1p(-grid) - grid)
    flat = (surprisal, shape, shape, cgf)
    return Evidence(
        TokenEvidence(*(torch.from_numpy(x).to(device) for x in flat)),
        torch.arange(case.rows + 1) * case.width,
        tuple(x.reshape(case.rows, case.width, *x.shape[1:]) for x in flat),
    )


def concentration(data: Evidence) -> tuple[np.ndarray, ...]:
    """Sums, e-values, supremum of the mixture and stopping time by the kernel."""
    found = concentration_figures(data.tensors, data.offsets, alpha=ALPHA)
    names = ("surprisal", "entropy", "varentropy", "log_e", "log_supremum", "stopping_time")
    return tuple(getattr(found, name) for name in names)


def concentration_case(sequences: int, tokens: int) -> Case:
    """Concentration figures. One read of twelve numbers a token; what is written is small."""
    return Case(
        "concentration",
        sequences,
        tokens,
        torch.float32,
        1.0,
        concentration,
        lambda data, found, tolerance: checks.concentration_is_right(
            found, rivals.vectorised_concentration(data.arrays), tolerance
        ),
        [Rival("vectorised NumPy", lambda data: rivals.vectorised_concentration(data.arrays))],
        random_evidence,
        lambda data: tensor_bytes(data.tensors),
    )


def cases(device: str, quick: bool) -> Iterator[Case]:
    """The cases of a device, the important ones first.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    quick : bool
        Small sizes.

    Yields
    ------
    Case
    """
    yield from _cuda_cases(quick) if device == "cuda" else _cpu_cases(quick)


def _cpu_cases(quick: bool) -> Iterator[Case]:
    many, width = (32, 5_003) if quick else (512, 50_257)
    single = torch.float32
    for case in (statistics_case, filter_case, gradient_case):
        for rows in (many, 8, 1):
            yield case(rows, width, single, "cpu")
    yield sample_case(many, width, single, "cpu")
    for half in (torch.bfloat16, torch.float16):
        yield statistics_case(many, width, half, "cpu")
    yield linear_case(many, width, single, "cpu")
    yield concentration_case(*((200, 500) if quick else (10_000, 1_000)))


def _cuda_cases(quick: bool) -> Iterator[Case]:
    single, half = torch.float32, torch.bfloat16
    widths, many = ((50_257,), (1, 64)) if quick else (CUDA_WIDTHS, CUDA_ROWS)
    for dtype in (single, half):
        for width in widths:
            for rows in many:
                # As the kernel runs, and as a plain call does, which waits for the check of its input.
                yield statistics_case(rows, width, dtype, "cuda", check_finite=False)
                yield statistics_case(rows, width, dtype, "cuda")
                yield filter_case(rows, width, dtype, "cuda")
                yield sample_case(rows, width, dtype, "cuda")
                yield gradient_case(rows, width, dtype, "cuda")
                yield linear_case(rows, width, dtype, "cuda")
    yield concentration_case(*((200, 500) if quick else (10_000, 1_000)))
