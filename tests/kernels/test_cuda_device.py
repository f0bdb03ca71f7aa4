"""The CUDA kernels on a GPU: the simulator's cases once more, and what only a GPU can show."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entropylab.kernels import Fold, Statistics, reference
from entropylab.kernels import cuda as kernels

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        kernels.unavailable_reason() is not None or os.environ.get("NUMBA_ENABLE_CUDASIM") == "1",
        reason=f"no GPU: {kernels.unavailable_reason()}",
    ),
]

CASES = Path(__file__).with_name("cuda_cases.py")
torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def needs_torch_on_the_gpu() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    yield
    torch.cuda.synchronize()


def as_kernels_take_it(tensor: Any) -> Any:
    """The tensor itself, or the bits of a bfloat16 tensor."""
    return tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor


def statistics(logits: Any, targets: Any = None, **options: Any) -> Statistics:
    """Statistics as tensors, on torch's current stream."""
    real = torch.float64 if logits.dtype == torch.float64 else torch.float32
    fields = [torch.empty(len(logits), dtype=real, device="cuda") for _ in range(4 if targets is None else 5)]
    stream = torch.cuda.current_stream().cuda_stream
    return kernels.statistics(
        as_kernels_take_it(logits), targets, out=Statistics(*fields), stream=stream, **options
    )


def typical_filter(logits: Any, mass: float) -> Any:
    out = torch.empty_like(logits)
    stream = torch.cuda.current_stream().cuda_stream
    kernels.typical_filter(as_kernels_take_it(logits), mass, out=as_kernels_take_it(out), stream=stream)
    return out


def logits_of(rows: int, columns: int, dtype: Any, seed: int = 0) -> Any:
    generator = torch.Generator(device="cuda").manual_seed(seed)
    return (torch.randn(rows, columns, device="cuda", generator=generator) * 3).to(dtype)


def test_the_simulator_cases_pass_on_the_device() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(CASES)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("columns", [50257, 128000, 256001])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_error_is_no_larger_than_that_of_torch(columns: int, dtype: str) -> None:
    """Against float64 truth, with twice the error of torch in the same arithmetic or a few rounding units."""
    logits = logits_of(5, columns, getattr(torch, dtype))
    logits[1] = logits[1] * 1e-3  # flat
    logits[2, 7] = 30  # peaked
    logits[3, ::2] = -torch.inf  # masked
    targets = torch.arange(5, device="cuda") * 2 + 1
    found = statistics(logits, targets)
    truth = reference.statistics(logits.double().cpu().numpy(), targets.cpu().numpy())
    wide = logits if dtype == "float64" else logits.float()
    log_p = torch.log_softmax(wide, -1)
    p = log_p.exp()
    log_p = torch.where(p > 0, log_p, 0)
    entropy = -(p * log_p).sum(-1)
    peers = [
        entropy,
        (p * (log_p + entropy[:, None]) ** 2).sum(-1),
        torch.logsumexp(wide, -1),
        p.max(-1).values,
        torch.nn.functional.cross_entropy(wide, targets, reduction="none"),
    ]
    unit = torch.finfo(wide.dtype).eps
    for name, ours, exact, peer in zip(found._fields, found, truth, peers):
        allowed = 2 * np.abs(peer.double().cpu().numpy() - exact) + 16 * unit * (1 + np.abs(exact))
        assert (np.abs(ours.double().cpu().numpy() - exact) <= allowed).all(), name


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_row_is_bit_identical_in_every_batch(dtype: str) -> None:
    logits = logits_of(300, 50257, getattr(torch, dtype))
    whole = statistics(logits)
    for first, last in ((0, 1), (5, 6), (7, 40), (299, 300)):
        part = statistics(logits[first:last])
        for a, b in zip(part[:4], whole[:4]):
            assert torch.equal(a, b[first:last])
    assert torch.equal(typical_filter(logits, 0.9)[5:6], typical_filter(logits[5:6], 0.9))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("mass", [0.2, 0.9, 0.99])
def test_filtered_mass_of_long_rows(dtype: str, mass: float) -> None:
    """A cut at 50,257 tokens is within rounding of many masses: ask for what any right cut must satisfy."""
    logits = logits_of(4, 50257, getattr(torch, dtype))
    filtered = typical_filter(logits, mass)
    keep = filtered > -torch.inf
    assert torch.equal(filtered[keep], logits[keep])
    exact = logits.double()
    log_p = torch.log_softmax(exact, -1)
    p = log_p.exp()
    d = (log_p - (p * log_p).sum(-1, keepdim=True)).abs()
    for row in range(4):
        margin = 1e-9 if dtype == "float64" else 1e-5
        assert p[row][keep[row]].sum() >= mass - margin
        last = d[row][keep[row]].max()
        assert p[row][d[row] < last - 1e-5].sum() < mass + margin
        assert keep[row][d[row] < last - 1e-5].all()


def test_sampling_agrees_with_the_filtered_distribution() -> None:
    logits = logits_of(1, 50257, torch.float32).expand(2048, -1).contiguous()
    uniforms = torch.linspace(0, 1 - 2**-20, 2048, dtype=torch.float64, device="cuda")
    tokens = torch.empty(2048, dtype=torch.int64, device="cuda")
    kernels.typical_sample(logits, 0.5, uniforms, out=tokens)
    keep = typical_filter(logits[:1], 0.5)[0]
    cumulative = torch.softmax(keep.double(), -1).cumsum(-1)
    assert (keep[tokens] > -torch.inf).all()
    assert ((cumulative[tokens] - uniforms) > -1e-5).all()
    before = torch.where(tokens > 0, cumulative[(tokens - 1).clamp(min=0)], 0.0)
    assert ((before - uniforms) < 1e-5).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_backward_of_long_rows_equals_autograd(dtype: str) -> None:
    logits = logits_of(3, 50257, getattr(torch, dtype))
    targets = torch.tensor([1, 2, 3], device="cuda")
    found = statistics(logits, targets)
    ones = torch.ones(3, dtype=found.entropy.dtype, device="cuda")
    out = torch.empty_like(logits)
    kernels.statistics_backward(
        as_kernels_take_it(logits),
        targets,
        1.0,
        *found[:4],
        Statistics(ones, ones, ones, ones, ones),
        out=as_kernels_take_it(out),
    )
    exact = logits.double().requires_grad_()
    log_p = torch.log_softmax(exact, -1)
    p = log_p.exp()
    entropy = -(p * log_p).sum(-1)
    total = entropy + (p * log_p**2).sum(-1) - entropy**2 + torch.logsumexp(exact, -1) + p.max(-1).values
    (total + torch.nn.functional.cross_entropy(exact, targets, reduction="none")).sum().backward()
    tolerance = {"float32": 1e-5, "bfloat16": 1e-2, "float64": 1e-12}[dtype]
    assert torch.allclose(out.double(), exact.grad, rtol=tolerance, atol=tolerance * 1e-2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_long_rows_in_blocks_on_another_stream(dtype: str) -> None:
    logits = logits_of(6, 50257, getattr(torch, dtype))
    logits[1, 7] = 25  # confident
    targets = torch.arange(6, device="cuda")
    exact = logits.double().cpu().numpy()
    real = torch.float64 if dtype == "float64" else torch.float32
    truth = reference.statistics(exact, targets.cpu().numpy())
    ones = np.ones(6)
    gradient = reference.statistics_backward(
        exact, targets.cpu().numpy(), 1.0, *truth[:4], Statistics(*[ones] * 5)
    )
    starts = range(0, 50257, 8192)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        begin = [torch.full((6,), x, dtype=real, device="cuda") for x in (-torch.inf, -1.0, 0.0, 0.0)]
        state = Fold(*begin, torch.zeros(6, dtype=torch.int64, device="cuda"))
        blocks = [logits[:, start : start + 8192].contiguous() for start in starts]
        for start, block in zip(starts, blocks, strict=True):
            kernels.fold(as_kernels_take_it(block), state, start, stream=stream.cuda_stream)
        upstream = Statistics(*[torch.ones(6, dtype=real, device="cuda")] * 5)
        for start, block in zip(starts, blocks, strict=True):
            view = as_kernels_take_it(block)
            kernels.fold_backward(
                view, state, start, 1.0, targets, upstream, out=view, stream=stream.cuda_stream
            )
    stream.synchronize()
    assert torch.equal(state.likeliest, logits.argmax(1))
    entropy = (state.rest.log1p() - state.first / (1 + state.rest)).double().cpu().numpy()
    tolerance = {"float32": 1e-5, "bfloat16": 1e-2, "float64": 1e-12}[dtype]
    assert entropy == pytest.approx(truth.entropy, rel=1e-5 if real == torch.float32 else 1e-11)
    found = torch.cat(blocks, 1).double().cpu().numpy()
    assert np.allclose(found, gradient, rtol=tolerance, atol=tolerance * 1e-2)


def test_kernels_run_on_the_given_stream() -> None:
    stream = torch.cuda.Stream()
    logits = torch.zeros(64, 50257, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)  # what follows on the stream waits for this
        logits.copy_(logits_of(64, 50257, torch.float32))
        found = statistics(logits)
    stream.synchronize()
    assert torch.equal(found.entropy, statistics(logits).entropy)
    assert float(found.entropy.min()) < 9  # not that of the zeros, ln 50257 = 10.8
