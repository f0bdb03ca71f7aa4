from __future__ import annotations

import json

from entropylab.bench import steps
from entropylab.kernels.steps.ladders import LADDERS


def test_the_steps_are_timed_beside_the_shipped_kernels_and_written(tmp_path):
    report = steps.run(tmp_path / "steps.json", rows=3, columns=5_003, samples=1)
    assert json.loads((tmp_path / "steps.json").read_text()) == report
    assert report["read_gb_per_second"] > 0
    assert report["cached_exponentials_per_second"] > 0
    for ladder in {row["ladder"] for row in report["steps"]}:
        rows = [row for row in report["steps"] if row["ladder"] == ladder]
        on_cpu = [step.name for step in LADDERS[ladder] if step.where == "cpu"]
        assert [row["step"] for row in rows] == [*on_cpu, "shipped"]
        assert all(row["milliseconds"] > 0 for row in rows)
        assert len({row["shape"] for row in rows}) == 1
