"""Memory does not grow with a document, but for its text."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import pytest
import torch

from entropylab.models.tokenization import symbol_tokenizer
from entropylab.scoring import Settings, shards, windows
from entropylab.scoring.corpus import find_sources, plan_shards

CONTEXT, BATCH = 32, 512


class Counter(torch.nn.Module):
    """The smallest model there is; it notes the shapes of what it is asked."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(13, 13)
        self.config = SimpleNamespace(
            max_position_embeddings=CONTEXT, get_text_config=lambda: SimpleNamespace(vocab_size=13)
        )
        self.device = torch.device("cpu")
        self.shapes = []

    def forward(self, input_ids):
        self.shapes.append(tuple(input_ids.shape))
        return SimpleNamespace(logits=self.table(input_ids))


@pytest.fixture(scope="module")
def tokenizer():
    return symbol_tokenizer(list("0123456789\n"), context=CONTEXT)


def peak(folder, length, tokenizer, monkeypatch):
    """Bytes of Python and NumPy at the most, and the model, for one text of so many tokens."""
    monkeypatch.setattr(windows.token_pieces, "__kwdefaults__", {"piece": 4096, "overlap": 256})
    monkeypatch.setattr(shards, "ROW_GROUP", 4096)
    folder.mkdir()
    (folder / "a.txt").write_text("0123456789" * (length // 10))
    (shard,) = plan_shards(find_sources(folder / "a.txt"), "text", 1, 1)
    model = Counter()
    settings = Settings("counter", batch_tokens=BATCH, stride=CONTEXT)
    scorer = shards.ShardScorer(model, tokenizer, settings, folder / "out")
    tracemalloc.start()
    try:
        receipt = scorer.score(shard)
        return tracemalloc.get_traced_memory()[1], model, receipt
    finally:
        tracemalloc.stop()


def test_memory_is_that_of_the_text_and_the_model_never_sees_more_than_a_batch(
    tmp_path, tokenizer, monkeypatch
):
    peak(tmp_path / "warm", 10_000, tokenizer, monkeypatch)
    short, long = 20_000, 100_000
    peak_short, _, _ = peak(tmp_path / "short", short, tokenizer, monkeypatch)
    peak_long, model, receipt = peak(tmp_path / "long", long, tokenizer, monkeypatch)
    assert receipt["tokens"] == long
    assert all(length <= CONTEXT and rows * length <= BATCH for rows, length in model.shapes)
    assert len(model.shapes) >= long / BATCH
    # The file, the text and the count of its bytes are three copies of a byte each. The ids of the tokens alone
    # would be eight bytes a token, and their figures some hundred.
    assert peak_long - peak_short < 4 * (long - short)


def test_token_rows_go_to_the_file_in_groups(tmp_path, tokenizer, monkeypatch):
    import pyarrow.parquet as pq

    peak(tmp_path / "long", 30_000, tokenizer, monkeypatch)
    metadata = pq.ParquetFile(tmp_path / "long" / "out" / "tokens-00000.parquet").metadata
    assert metadata.num_rows == 30_000
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert len(sizes) > 5
    assert max(sizes) <= 4096
