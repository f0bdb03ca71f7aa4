"""The sweep over sizes rings where time per byte jumps, and only there."""

from __future__ import annotations

import json

import pytest

from entropylab import bench
from entropylab.bench import sweep
from entropylab.bench.sweep import CONSTANT_BYTES, Point, confirmed, jumps, neighbours, points
from entropylab.bench.timers import CpuTimer


def grid(path="a"):
    return points(path, (1000, 1009, 2048), (1, 8), 1 << 14)


def test_points_are_neighbours_within_their_path_and_series():
    found = grid("a") + grid("b")
    pairs = list(neighbours(found))
    assert all(first.path == second.path and first.series == second.series for first, second in pairs)
    # For each path: 2 along the constant bytes, 2 for each of two batches, 1 for each of three widths.
    assert len(pairs) == 2 * (2 + 2 * 2 + 3)
    assert [p.rows for p in found[:3]] == [16, 16, 8]


def test_even_times_ring_nothing():
    assert jumps(dict.fromkeys(grid(), 1.0)) == []


def test_a_fall_along_the_batch_is_no_alarm_and_a_rise_is():
    first, second = Point("a", "grid", 1, 1000), Point("a", "grid", 8, 1000)
    (fall,) = jumps({first: 2.0, second: 1.0})
    assert not fall.is_alarm
    (rise,) = jumps({first: 1.0, second: 1.6})
    assert rise.is_alarm
    assert jumps({first: 1.0, second: 1.4}) == []


@pytest.mark.parametrize("times", [(1.0, 1.6), (1.6, 1.0)])
def test_at_constant_bytes_either_direction_is_an_alarm(times):
    pair = (Point("a", CONSTANT_BYTES, 16, 1000), Point("a", CONSTANT_BYTES, 16, 1009))
    (jump,) = jumps(dict(zip(pair, times, strict=True)))
    assert jump.is_alarm


def test_an_alarm_counts_if_a_second_measurement_agrees():
    first, second = Point("a", "grid", 1, 1000), Point("a", "grid", 8, 1000)
    asked = []

    def measure(point):
        asked.append(point)
        return 1.0

    better, found = confirmed({first: 1.0, second: 9.0}, measure)
    assert set(asked) == {first, second}
    assert found == []
    assert better[second] == 1.0
    _, found = confirmed({first: 1.0, second: 9.0}, lambda point: 9.0)
    assert [jump.is_alarm for jump in found] == [True]


def test_a_quick_sweep_measures_every_path(tmp_path, capsys):
    path = tmp_path / "sweep.json"
    report = bench.run_sweep(path, quick=True, timer=CpuTimer(samples=1, target=1e-6))
    assert json.loads(path.read_text()) == report
    assert {row["path"] for row in report["time_per_kib"]} == set(sweep.PATHS)
    assert all(row[CONSTANT_BYTES] > 0 and row["N=8"] > 0 for row in report["time_per_kib"])
    assert "alarms" in capsys.readouterr().out


def test_threads_are_those_of_a_process_of_its_own():
    found = sweep.in_process(1, 2, 300)
    assert set(sweep.PATHS) < set(found)
    assert all(seconds > 0 for seconds in found.values())
    with pytest.raises(RuntimeError, match="the process with 1 threads failed"):
        sweep.in_process(1, -1, 300)


def test_the_command_ends_with_status_1_after_an_alarm(monkeypatch):
    from typer.testing import CliRunner

    from entropylab.cli import app

    for alarms, status in (([], 0), ([{"path": "a"}], 1)):
        monkeypatch.setattr(bench, "run_sweep", lambda out, quick, alarms=alarms: {"alarms": alarms})
        assert CliRunner().invoke(app, ["bench", "--sweep"]).exit_code == status
    refused = CliRunner().invoke(app, ["bench", "--sweep", "--device", "cuda"])
    assert refused.exit_code == 2
