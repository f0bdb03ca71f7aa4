"""The benchmark runs, and both sides of every case compute the same."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from entropylab import bench
from entropylab.bench import runner
from entropylab.bench.cases import cases
from entropylab.information import TokenStatistics


def test_a_quick_run_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    few = [case for case in cases("cpu", True) if case.rows == 1]
    monkeypatch.setattr(runner, "cases", lambda device, quick: few)
    path = tmp_path / "folder" / "cpu.json"
    report = bench.run("cpu", path, quick=True)
    assert json.loads(path.read_text()) == report
    assert {"cores", "processor"} <= set(report["machine"])
    assert report["versions"]["torch"] == torch.__version__
    assert [row["path"] for row in report["cases"]] == ["all statistics", "typical filter"]
    assert all(row["ratio"] > 0 and row["reads"] > 0 for row in report["cases"])
    assert "typical filter" in capsys.readouterr().out


def test_a_quick_run_leaves_the_results_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "cases", lambda device, quick: [])
    monkeypatch.setattr(runner, "results_folder", lambda: tmp_path)
    bench.run(quick=True)
    assert not list(tmp_path.iterdir())
    bench.run()
    assert (tmp_path / "benchmarks" / "cpu.json").is_file()


@pytest.mark.parametrize(
    "case", list(cases("cpu", True)), ids=lambda case: f"{case.path}, {case.rows}, {case.dtype}"
)
def test_both_sides_compute_the_same(case):
    if case.path == "concentration":
        data = case.data(dataclasses.replace(case, rows=40, width=90), "cpu")
        for ours, theirs in zip(case.ours(data), case.theirs(data), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)
        return
    logits = torch.randn(case.rows, 200, generator=torch.Generator().manual_seed(1)).to(case.dtype)
    ours, theirs = case.ours(logits), case.theirs(logits)
    if case.path == "typical sample":
        assert ours.shape == theirs[:, 0].shape
        return
    if isinstance(ours, TokenStatistics):
        ours = ours.entropy
    different = (ours.isneginf() != theirs.isneginf()).sum(-1)
    assert different.max() == 0
    finite = ours.isfinite()
    assert torch.allclose(ours[finite], theirs[finite], atol=1e-5)


def test_devices():
    with pytest.raises(ValueError, match="device: got 'abacus', allowed are 'cpu', 'cuda'"):
        bench.run("abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_device_that_is_not_here():
    with pytest.raises(RuntimeError, match="device: 'cuda' is not here"):
        bench.run("cuda")
