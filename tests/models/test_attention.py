from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from entropylab.models.attention import BLOCKWISE, blockwise_causal_attention


@pytest.mark.parametrize("length", [1, 127, 128, 129, 300])
def test_it_is_causal_attention(length):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(2, 3, length, 8, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    inputs = [tensor.requires_grad_() for tensor in (query, key, value)]
    ours, _ = blockwise_causal_attention(torch.nn.Identity(), query, key, value, None, 8**-0.5)
    torchs = torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(
        1, 2
    )
    assert ours.shape == (2, length, 3, 8)
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-6)  # the softmax is in float32
    weights = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for mine, theirs in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((torchs * weights).sum(), inputs),
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_a_model_trains_the_same_with_it_and_is_saved_without_it(tmp_path):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    model = LlamaForCausalLM(config)
    ids = torch.randint(50, (2, 200))
    expected = model(input_ids=ids, use_cache=False).logits
    model.set_attn_implementation(BLOCKWISE)
    torch.testing.assert_close(model(input_ids=ids, use_cache=False).logits, expected, rtol=0, atol=1e-5)
    model.save_pretrained(tmp_path)
    assert BLOCKWISE not in (tmp_path / "config.json").read_text()


def test_what_it_cannot_do_is_refused():
    tensor = torch.zeros(1, 1, 4, 2)
    with pytest.raises(ValueError, match="attention_mask: got a mask"):
        blockwise_causal_attention(torch.nn.Identity(), tensor, tensor, tensor, torch.zeros(1), 1.0)
    with pytest.raises(ValueError, match=r"key: got shape \(1, 1, 3, 2\)"):
        blockwise_causal_attention(torch.nn.Identity(), tensor, tensor[:, :, :3], tensor, None, 1.0)
