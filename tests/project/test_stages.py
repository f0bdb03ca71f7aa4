"""The driver of ``make test``: it counts right, and never calls a failure a success."""

from __future__ import annotations

import os
import sys

import pytest


@pytest.fixture
def stages(script, tmp_path, monkeypatch):
    module = script("tests/project/stages.py")
    monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    return module


def _stage(module, *commands, name="one"):
    return module.Stage(name, "for this test", commands)


def test_counts_come_from_the_reports_of_pytest(stages, tmp_path):
    suite = tmp_path / "test_suite.py"
    suite.write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "@pytest.mark.skip\n"
        "def test_later(): pass\n"
    )
    counts = stages.run_command((*stages.PYTEST, str(suite)), {}, tmp_path / "report.xml")
    assert counts == stages.Counts(passed=1, failed=1, skipped=1)


def test_a_pytest_that_cannot_collect_is_a_failure(stages, tmp_path):
    counts = stages.run_command((*stages.PYTEST, str(tmp_path / "nowhere.py")), {}, tmp_path / "report.xml")
    assert counts.failed >= 1


@pytest.mark.parametrize(("status", "passed", "failed"), [(0, 1, 0), (3, 0, 1)])
def test_any_other_command_counts_as_one(stages, tmp_path, status, passed, failed):
    command = (sys.executable, "-c", f"raise SystemExit({status})")
    assert stages.run_command(command, {}, tmp_path / "r.xml") == stages.Counts(passed, failed)


def test_a_failed_stage_does_not_stop_the_next_and_the_totals_come_last(stages, capfd):
    bad = _stage(stages, (sys.executable, "-c", "raise SystemExit(1)"), name="bad")
    good = _stage(stages, (sys.executable, "-c", "print('ran')"), name="good")
    assert stages.run([bad, good]) is False
    lines = capfd.readouterr().out.splitlines()
    assert "ran" in lines
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"
    assert [line.split()[0] for line in lines[-3:-1]] == ["bad", "good"]
    assert (stages.REPORTS / "summary.txt").read_text().splitlines()[-1] == lines[-1]


def test_a_stage_has_its_own_environment(stages, capfd):
    command = (sys.executable, "-c", "import os; print(os.environ['FOR_THIS_STAGE'])")
    assert stages.run([stages.Stage("one", "with a variable", [command], {"FOR_THIS_STAGE": "here"})])
    assert "here" in capfd.readouterr().out
    assert "FOR_THIS_STAGE" not in os.environ


def test_stages_are_chosen_by_name_and_stay_in_order(stages):
    assert [stage.name for stage in stages.select(["book", "lint"])] == ["lint", "book"]
    assert stages.select([]) == list(stages.STAGES)
    with pytest.raises(ValueError, match="no stage sleep; there are lint, units"):
        stages.select(["sleep"])
