"""Which kernels compute, how to choose, and what is said when they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch

import entropylab
from entropylab.information import backends, entropy, use_backend
from entropylab.kernels.cuda import availability


def test_the_package_gives_both_names():
    assert entropylab.backend is backends.backend
    assert entropylab.use_backend is use_backend
    with pytest.raises(AttributeError, match="no attribute 'frontend'"):
        _ = entropylab.frontend


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_why():
    assert entropylab.backend() in ("cpu (torch is built without CUDA)", "cpu (no CUDA driver found)")


@pytest.mark.parametrize("name", ["reference", "cpu", "torch"])
def test_a_choice_holds_within_its_block_only(name):
    before = entropylab.backend()
    with use_backend(name):
        assert entropylab.backend() == f"{name} (chosen by use_backend)"
        with use_backend("cpu"):
            assert entropylab.backend().startswith("cpu (chosen")
        assert entropylab.backend().startswith(name)
    assert entropylab.backend() == before


def test_a_choice_ends_with_an_error():
    before = entropylab.backend()
    with pytest.raises(KeyError), use_backend("torch"):
        raise KeyError
    assert entropylab.backend() == before


def test_a_choice_is_that_of_its_thread():
    seen = []
    with use_backend("torch"):
        thread = threading.Thread(target=lambda: seen.append(entropylab.backend()))
        thread.start()
        thread.join()
    assert not seen[0].startswith("torch")


def test_unknown_names():
    with pytest.raises(
        ValueError, match="backend: got 'tpu', allowed are 'reference', 'cpu', 'cuda', 'torch'"
    ):
        use_backend("tpu").__enter__()


def test_cuda_that_cannot_run_says_what_is_missing_and_never_falls_back(monkeypatch):
    monkeypatch.setattr(availability, "_ready", False)
    monkeypatch.setattr(availability, "unavailable_reason", lambda: "the package numba-cuda is not installed")
    with pytest.raises(RuntimeError, match=r"numba-cuda is not installed.*pip install"), use_backend("cuda"):
        entropy(torch.zeros(2, 3))


def test_a_gpu_without_its_kernels_is_reported(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA Test")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(availability, "unavailable_reason", lambda: None)
    assert entropylab.backend() == "cuda (NVIDIA Test, cc 9.0)"
    monkeypatch.setattr(availability, "unavailable_reason", lambda: "numba-cuda is broken")
    assert "CUDA tensors cannot be used: numba-cuda is broken" in entropylab.backend()


def test_a_device_without_kernels_computes_in_torch():
    assert backends.backend_for(torch.zeros(2, 3, device="meta")) == "torch"


SIMULATED = """
import sys, torch
from entropylab.decoding import typical_filter, typical_sample
from entropylab.information import (
    entropy,
    linear_cross_entropy,
    linear_kl_divergence,
    linear_token_statistics,
    linear_top_k,
    token_statistics,
    use_backend,
)

sys.setswitchinterval(5e-5)  # the simulator's threads wait for each other much
z = torch.randn(1, 2, 20, generator=torch.Generator().manual_seed(0))
z[0, 0, 3] = -torch.inf
targets = torch.zeros(1, 2, dtype=torch.long)
hidden, weight, bias = (
    torch.randn(shape, generator=torch.Generator().manual_seed(2)) for shape in ((3, 4), (21, 4), (21,))
)
bias[5] = -torch.inf
words = torch.tensor([20, -100, 7])
seen = {}
for name in ("cuda", "cpu"):
    with use_backend(name):
        leaf = z.clone().requires_grad_()
        result = token_statistics(leaf, targets, temperature=0.8)
        sum(field.sum() for field in result).backward()
        kept = typical_filter(z, 0.5)
        tokens = typical_sample(z, 0.5, generator=torch.Generator().manual_seed(1))
        seen[name] = [*[field.detach() for field in result], leaf.grad, kept, tokens, entropy(z.bfloat16())]
        head = [x.clone().requires_grad_() for x in (hidden, weight, bias)]
        linear = linear_token_statistics(
            *head[:2], words, bias=head[2], temperature=0.8, softcap=3.0, block=(2, 8)
        )
        sum(field.sum() for field in linear).backward()
        seen[name] += [field.detach() for field in linear] + [x.grad for x in head]
        half = [x.bfloat16().requires_grad_() for x in (hidden, weight)]
        linear_cross_entropy(*half, words, block=(3, 16)).backward()
        seen[name] += [x.grad for x in half]
        seen[name] += linear_token_statistics(hidden.double(), weight.double(), bias=bias.double())[:4]
        pair = [x.clone().requires_grad_() for x in (hidden, weight, hidden.flip(0), weight.flip(1))]
        divergence = linear_kl_divergence(*pair, block=(2, 8))
        divergence.sum().backward()
        seen[name] += [divergence.detach(), *(x.grad for x in pair), *linear_top_k(hidden, weight, 3, block=(2, 8))]
for ours, theirs in zip(seen["cuda"], seen["cpu"], strict=True):
    assert ours.dtype == theirs.dtype
    tolerance = {torch.float64: 1e-12, torch.bfloat16: 1e-2}.get(ours.dtype, 1e-5)
    assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance), (ours, theirs)
with use_backend("cuda"):
    try:
        linear_token_statistics(torch.full((2, 4), torch.nan), weight)
    except ValueError as error:
        assert "the logits of row 0 have NaN" in str(error)
    else:
        raise AssertionError("NaN passed")
print("agreed")
"""


@pytest.mark.slow
def test_tensors_pass_through_the_simulated_gpu():
    answer = subprocess.run(
        [sys.executable, "-c", SIMULATED],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.strip() == "agreed", answer.stderr


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 5), (3, 5), (40, 60_000)])
def test_memory_for_results(dtype, shape):
    like = torch.zeros(shape, dtype=dtype)
    memory = backends.empty_like(like)
    assert memory.dtype == dtype
    assert memory.shape == shape
    assert memory.is_contiguous()
    memory.copy_(like)
    assert torch.equal(memory, like)
