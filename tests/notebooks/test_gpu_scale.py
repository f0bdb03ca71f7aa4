"""The chapters at GPU scale: the same notebook, with a tiny GPT-2 on disk in place of the hub's model."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from entropylab.models import load

CHAPTERS = Path(__file__).parents[2] / "chapters"


@pytest.fixture
def tiny_gpt2(tmp_path):
    _, tokenizer = load("lab/english-trigram")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=1,
        n_head=2,
        n_positions=512,
        bos_token_id=0,
        eos_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    return tmp_path / "gpt2"


def test_locally_typical_sampling_runs_at_gpu_scale(tiny_gpt2, monkeypatch):
    notebook = nbformat.read(CHAPTERS / "decoding" / "locally_typical_sampling.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "settings(" in c.source and '"gpt2-medium"' in c.source)
    cell.source = cell.source.replace(
        '"gpt2-medium", "copies": 5, "tokens": 256', f'"{tiny_gpt2}", "copies": 1, "tokens": 24'
    )
    assert str(tiny_gpt2) in cell.source
    monkeypatch.setenv("ENTROPYLAB_SCALE", "gpu")
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
    (scorecard,) = [c for c in notebook.cells if "scorecard" in c.metadata.get("tags", [])]
    lines = "".join(
        output.text for output in scorecard.outputs if output.output_type == "stream"
    ).splitlines()
    assert len(lines) == 10
    # What does not need a trained model holds at any scale.
    assert "C1 holds" in lines and "C5 holds" in lines
