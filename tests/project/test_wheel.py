"""The built wheel, in a fresh environment and away from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import json
import entropylab
from entropylab.book import Scorecard
from entropylab.decoding import typical_filter
from entropylab.models import list_models, load, score_text

model, tokenizer = load("lab/english-s")
table = score_text("It was a bright morning, and the sea was very still.", model, tokenizer)
logits = model(**tokenizer("She opened the", return_tensors="pt")).logits[0, -1]
kept = int(typical_filter(logits, mass=0.2).isfinite().sum())
card = Scorecard("locally_typical_sampling")
print(json.dumps({
    "file": entropylab.__file__, "version": entropylab.__version__, "models": list(list_models()),
    "columns": list(table.columns), "rows": len(table),
    "surprisal": float(table["surprisal"].dropna().mean()),
    "entropy": float(table["entropy"].dropna().mean()), "kept": kept, "vocabulary": len(logits),
    "claims": list(card.chapter.claims), "saved": str(card.save()),
}))
"""


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The wheel, built from the source distribution: what is missing there is missing in the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(root)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (path,) = folder.glob("entropylab_book-*.whl")
    return path


@pytest.fixture(scope="module")
def fresh_python(wheel, tmp_path_factory):
    """A new environment with the wheel: dependencies are those of this environment, the package is not."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    # A plain path in a .pth file comes last on sys.path, and .pth files behind it are not read: an editable
    # installation of this checkout stays out of sight.
    (wheel.__class__(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    return python


@pytest.fixture
def away(tmp_path):
    """What to start a process with, so that nothing leads it to the checkout."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "ENTROPYLAB"))
    }
    return {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}


def test_the_wheel_carries_zoo_tables_assets_and_claims(wheel, root):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "entropylab/book/claims.yml" in names
    assert "entropylab/py.typed" in names
    for folder in (
        "entropylab/models/zoo",
        "entropylab/data/tables",
        "entropylab/book/assets",
        "entropylab/models/recipes",
    ):
        files = [p for p in (root / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts]
        assert {p.relative_to(root).as_posix() for p in files} <= names
    assert any(name.startswith("entropylab/models/zoo/english-s/") for name in names)


def test_the_wheel_carries_nothing_else(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"entropylab"}
    assert wheel.stat().st_size < 60_000_000


def test_load_score_filter_and_decide_away_from_the_checkout(fresh_python, away, root):
    answer = subprocess.run([str(fresh_python), "-c", PROGRAM], **away)
    assert answer.returncode == 0, answer.stderr
    seen = json.loads(answer.stdout.splitlines()[-1])
    assert str(fresh_python.parents[1]) in seen["file"]
    assert str(root) not in seen["file"]
    assert "lab/english-s" in seen["models"]
    assert {"surprisal", "entropy"} <= set(seen["columns"])
    assert seen["rows"] >= 10
    assert 0 < seen["entropy"] < 9
    assert 0 < seen["surprisal"] < 9
    assert 0 < seen["kept"] < seen["vocabulary"]
    assert seen["claims"]
    assert seen["saved"] == "None"


def test_the_command_line_is_installed(fresh_python, away):
    answer = subprocess.run([str(fresh_python.with_name("entropylab")), "models"], **away)
    assert answer.returncode == 0, answer.stderr
    assert "lab/english-s" in answer.stdout


def test_an_editable_installation_has_no_copy_of_the_claims(root, tmp_path):
    """A copy would go stale: the file in chapters/ is the one that is read."""
    program = f"from hatchling.build import build_editable; build_editable({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.whl")
    assert not [name for name in zipfile.ZipFile(path).namelist() if name.endswith("claims.yml")]
