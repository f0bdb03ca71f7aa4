"""Tiny random models of three families, written to disk as a hub model would be."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig

from entropylab.models.tokenization import train_tokenizer

TEXT = "The rain had stopped, and the road to the village lay open before them. " * 20

CONFIGS = {
    "gpt2": lambda size: GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=64),
    "llama": lambda size: LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    ),
    "gpt_neox": lambda size: GPTNeoXConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    ),
}


@pytest.fixture(scope="session", params=sorted(CONFIGS))
def model_folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = train_tokenizer([TEXT], 300, context=64)
    config = CONFIGS[request.param](len(tokenizer))
    config.bos_token_id = config.eos_token_id = config.pad_token_id = 0
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():  # spread the logits, so that the model has something to say
        model.get_output_embeddings().weight.mul_(20)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
