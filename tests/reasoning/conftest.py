"""A small untrained policy with the tokenizer of Countdown."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from entropylab.models.tokenization import symbol_tokenizer
from entropylab.reasoning import CountdownTask
from entropylab.sources.tasks.countdown import VOCABULARY


@pytest.fixture
def tokenizer():
    return symbol_tokenizer(VOCABULARY, context=128)


@pytest.fixture
def task(tokenizer):
    return CountdownTask(tokenizer)


@pytest.fixture
def policy(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():  # spread the logits, so that the policy has preferences and chains end now and then
        model.lm_head.weight.mul_(15)
        model.lm_head.weight[0].mul_(3)
    return model
