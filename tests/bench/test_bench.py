"""The benchmark runs, checks what it times, and both sides of every case compute the same."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from entropylab import bench
from entropylab.bench import checks, runner
from entropylab.bench.cases import CUDA_ROWS, CUDA_WIDTHS, MASS, cases, filter_case, statistics_case
from entropylab.bench.rivals import Rival
from entropylab.bench.timers import CpuTimer, Rotation, bandwidth, copies

RATES = {"copy": 1e10, "read": 1e10}


def quick_timer(**options):
    return CpuTimer(samples=2, target=1e-5, **options)


def small(case, rows=5, width=300):
    """A case on little data, without rivals that compile for seconds."""
    rivals = [rival for rival in case.rivals if rival.name != "torch.compile"]
    return dataclasses.replace(case, rows=rows, width=width, rivals=rivals)


def test_a_quick_run_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    few = [small(case) for case in cases("cpu", True) if case.rows == 1]
    monkeypatch.setattr(runner, "cases", lambda device, quick: few)
    path = tmp_path / "folder" / "cpu.json"
    report = bench.run("cpu", path, quick=True, timer=quick_timer())
    assert json.loads(path.read_text()) == report
    assert {"cores", "processor"} <= set(report["machine"])
    assert report["versions"]["torch"] == torch.__version__
    assert report["copy_gb_per_second"] > 0
    assert report["statistic"] == "best of 2"
    assert {row["path"] for row in report["cases"]} == {
        "all statistics",
        "typical filter",
        "entropy, forward and backward",
    }
    assert all(row["ratio"] > 0 and row["reads"] > 0 and row["of_copy"] > 0 for row in report["cases"])
    assert "typical filter" in capsys.readouterr().out


def test_a_quick_run_leaves_the_results_alone(tmp_path, monkeypatch):
    from entropylab.bench import report as reports

    monkeypatch.setattr(runner, "cases", lambda device, quick: [])
    monkeypatch.setattr(reports, "results_folder", lambda: tmp_path)
    bench.run(quick=True, timer=quick_timer())
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(runner, "bandwidth", lambda timer, size: RATES)
    bench.run(timer=quick_timer())
    assert (tmp_path / "benchmarks" / "cpu.json").is_file()


def test_a_wrong_result_fails_loudly_and_its_time_is_not_kept(tmp_path, monkeypatch):
    right = small(statistics_case(5, 300, torch.float32, "cpu"))
    wrong = dataclasses.replace(right, path="wrong", ours=lambda logits: right.ours(logits * 1.01))
    monkeypatch.setattr(runner, "cases", lambda device, quick: [wrong, right])
    path = tmp_path / "cpu.json"
    with pytest.raises(checks.WrongResultError, match=r"wrong, 5 x 300, float32: entropy: off by"):
        bench.run("cpu", path, quick=True, timer=quick_timer())
    report = json.loads(path.read_text())
    assert [entry["case"] for entry in report["wrong"]] == ["wrong, 5 x 300, float32"]
    assert {row["path"] for row in report["cases"]} == {"all statistics"}


def test_rivals_that_fail_or_compute_something_else_are_left_out():
    def broken(logits):
        raise OSError("no compiler")

    rivals = [
        Rival("honest", lambda logits: torch.distributions.Categorical(logits=logits).entropy()),
        Rival("broken", broken),
        Rival("liar", lambda logits: torch.zeros(len(logits))),
    ]
    case = dataclasses.replace(statistics_case(4, 200, torch.float32, "cpu"), rivals=rivals)
    left_out = []
    rows = runner.measure(case, quick_timer(), RATES, left_out)
    assert [row["peer"] for row in rows] == ["honest"]
    assert {entry["peer"]: entry["reason"].split(":")[0] for entry in left_out} == {
        "broken": "no compiler",
        "liar": "entropy",
    }


@pytest.mark.parametrize("case", list(cases("cpu", True)), ids=runner.label)
def test_both_sides_of_every_case_pass_its_check(case):
    case = small(case, 20, 90) if case.path == "concentration" else small(case)
    data = case.data(case, "cpu", 1)
    case.check(data, case.ours(data), checks.TOLERANCE)
    assert case.rivals
    for rival in case.rivals:
        case.check(data, rival.compute(data), checks.RIVAL_TOLERANCE)


def logits_and_filtered():
    case = small(filter_case(3, 400, torch.float32, "cpu"), rows=3, width=400)
    logits = case.data(case, "cpu", 0)
    return case, logits, case.ours(logits)


def test_the_check_of_the_filter_sees_a_token_too_many_too_few_and_changed():
    case, logits, filtered = logits_and_filtered()
    case.check(logits, filtered, checks.TOLERANCE)
    log_p = logits.double().log_softmax(-1)
    distance = (log_p - (log_p.exp() * log_p).sum(-1, keepdim=True)).abs()
    kept = ~filtered.isneginf()
    nearest = distance.masked_fill(~kept, torch.inf).argmin(-1)
    out = filtered.clone()
    out[1, nearest[1]] = -torch.inf
    with pytest.raises(checks.WrongResultError, match="is missing"):
        case.check(logits, out, checks.TOLERANCE)
    farthest = distance.masked_fill(~kept, -1.0).argmax(-1)
    out = filtered.clone()
    out[2, farthest[2]] = -torch.inf
    with pytest.raises(checks.WrongResultError, match="of the mass is missing"):
        case.check(logits, out, checks.TOLERANCE)
    next_out = distance.masked_fill(kept, torch.inf).argmin(-1)
    out = filtered.clone()
    out[0, next_out[0]] = logits[0, next_out[0]]
    with pytest.raises(checks.WrongResultError, match="outside the typical set"):
        case.check(logits, out, checks.TOLERANCE)
    with pytest.raises(checks.WrongResultError, match="was changed"):
        case.check(logits, filtered + 1.0, checks.TOLERANCE)


def test_the_checks_see_wrong_gradients_tokens_and_nan():
    logits = torch.randn(4, 300, generator=torch.Generator().manual_seed(0)) * 3
    log_p = logits.double().log_softmax(-1)
    gradient = -(log_p.exp() * (log_p - (log_p.exp() * log_p).sum(-1, keepdim=True))).float()
    checks.gradient_is_right(logits, gradient, checks.TOLERANCE)
    with pytest.raises(checks.WrongResultError, match="gradient"):
        checks.gradient_is_right(logits, gradient * 1.001, checks.TOLERANCE)
    with pytest.raises(checks.WrongResultError, match="outside the typical set"):
        checks.sample_is_right(logits, logits.argmin(-1), checks.TOLERANCE, MASS)
    with pytest.raises(checks.WrongResultError, match="no token"):
        checks.sample_is_right(logits, torch.full((4,), -1), checks.TOLERANCE, MASS)
    with pytest.raises(checks.WrongResultError, match="entropy: off by nan"):
        checks.statistics_are_right(logits, torch.full((4,), torch.nan), checks.TOLERANCE)
    ones = (np.ones(10), np.ones(10, np.int64))
    with pytest.raises(checks.WrongResultError, match="stopping times"):
        checks.concentration_is_right(ones, (np.ones(10), np.arange(10)), checks.TOLERANCE)


def test_buffers_rotate_through_more_than_the_cache():
    assert copies(100, 0) == 1
    assert copies(100, 1000) == 20
    assert copies(1 << 30, 128 << 20) == 1
    rotation = Rotation(lambda seed: torch.full((25,), float(seed)), lambda data: data.nbytes, 200)
    assert [next(rotation)[0].item() for _ in range(6)] == [0, 1, 2, 3, 0, 1]
    # The output that is checked belongs to the buffer that is given beside it.
    timer = quick_timer(cache_bytes=200)
    _, data, found = timer.seconds(lambda x: x + 1, rotation, 3)
    assert torch.equal(found, data + 1)


def test_bandwidths_are_those_of_memory():
    rates = bandwidth(quick_timer(), 4 << 20)
    assert all(1e8 < rate < 1e13 for rate in rates.values())


def test_the_cuda_cases_are_all_sizes_in_two_formats():
    found = list(cases("cuda", False))
    sizes = {(case.path, case.dtype, case.rows, case.width) for case in found if case.path != "concentration"}
    assert len(sizes) == 6 * 2 * len(CUDA_ROWS) * len(CUDA_WIDTHS)
    assert [case.path for case in found][-1] == "concentration"
    # The same code on the CPU: what a GPU runs is checked by what runs here.
    for case in cases("cuda", True):
        if case.rows == 1:
            tiny = small(case, 2, 120)
            rows = runner.measure(tiny, quick_timer(cache_bytes=4096), RATES, [])
            assert rows[0]["milliseconds"] > 0


def test_devices():
    with pytest.raises(ValueError, match="device: got 'abacus', allowed are 'cpu', 'cuda'"):
        bench.run("abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_device_that_is_not_here():
    with pytest.raises(RuntimeError, match="device: 'cuda' is not here"):
        bench.run("cuda")
