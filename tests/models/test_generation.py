from __future__ import annotations

import pytest
import torch

from entropylab.decoding import top_k_filter, typical_filter
from entropylab.models import generate, load, sample

PROMPTS = ["The rain had stopped", "The road", "They walked to the village, and the rain"]


@pytest.fixture(scope="module")
def loaded(model_folder):
    return load(str(model_folder))


def test_statistics_are_those_of_one_forward_pass_over_the_result(loaded):
    model, tokenizer = loaded
    result = generate(
        model, tokenizer, PROMPTS, max_new_tokens=12, filters=[lambda z: typical_filter(z, 0.5)]
    )
    for row, prompt in enumerate(PROMPTS):
        ids = [tokenizer.bos_token_id, *tokenizer(prompt)["input_ids"]]
        text = torch.tensor([ids + result.tokens[row].tolist()])
        with torch.inference_mode():
            logp = model(input_ids=text).logits[0, len(ids) - 1 : -1].double().log_softmax(-1)
        surprisal = -logp.gather(1, result.tokens[row][:, None])[:, 0]
        assert result.surprisal[row].double() == pytest.approx(surprisal, abs=2e-4)
        assert result.entropy[row].double() == pytest.approx(-(logp.exp() * logp).sum(1), abs=2e-4)
        cut = torch.isneginf(typical_filter(logp.float(), 0.5).gather(1, logp.argmax(1, keepdim=True)))[:, 0]
        assert (
            result.most_likely_cut[row] == cut
        ).float().mean() > 0.9  # rounding may move a token across the cut


def test_a_row_does_not_depend_on_its_batch(loaded):
    model, tokenizer = loaded
    uniforms = torch.rand((3, 10), generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    together = generate(model, tokenizer, PROMPTS, max_new_tokens=10, uniforms=uniforms)
    for row, prompt in enumerate(PROMPTS):
        alone = generate(model, tokenizer, [prompt], max_new_tokens=10, uniforms=uniforms[row : row + 1])
        assert together.tokens[row].tolist() == alone.tokens[0].tolist()


def test_top_1_is_the_greedy_continuation_of_transformers(loaded):
    model, tokenizer = loaded
    ours = generate(model, tokenizer, PROMPTS[:1], max_new_tokens=8, filters=[lambda z: top_k_filter(z, 1)])
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(PROMPTS[0])["input_ids"]]])
    theirs = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=8, min_new_tokens=8
    )
    assert ours.tokens[0].tolist() == theirs[0, ids.shape[1] :].tolist()


def test_the_trigram_generates_as_its_distributions_say():
    model, tokenizer = load("lab/english-trigram")
    result = generate(model, tokenizer, ["It was a cold"] * 2, max_new_tokens=6, seed=3)
    text = torch.tensor([tokenizer("It was a cold")["input_ids"] + result.tokens[0].tolist()])
    logp = model(input_ids=text).logits[0]
    expected = -logp[-7:-1].gather(1, result.tokens[0][:, None])[:, 0]
    assert result.surprisal[0] == pytest.approx(expected, abs=1e-4)


def test_sample_inverts_the_cumulative_distribution_and_never_takes_a_cut_token():
    logits = torch.tensor([0.2, 0.0, 0.5, 0.3]).log().repeat(5, 1)
    uniforms = torch.tensor([0.0, 0.1999, 0.2001, 0.7001, 1 - 2**-53], dtype=torch.float64)
    assert sample(logits, uniforms).tolist() == [0, 0, 2, 3, 3]
    frequencies = torch.bincount(
        sample(logits[:1].expand(20_000, 4), torch.rand(20_000, generator=torch.Generator().manual_seed(0))),
        minlength=4,
    )
    assert frequencies / 20_000 == pytest.approx([0.2, 0, 0.5, 0.3], abs=0.015)


def test_seeds_repeat_and_differ(loaded):
    first, again, other = (
        generate(*loaded, PROMPTS, max_new_tokens=10, seed=seed).tokens.tolist() for seed in (1, 1, 2)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"prompts": []}, "prompts"),
        ({"prompts": "one text"}, "prompts"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"uniforms": torch.rand(1, 4)}, "uniforms"),
    ],
)
def test_bad_arguments_are_named(loaded, arguments, name):
    model, tokenizer = loaded
    with pytest.raises(ValueError, match=name):
        generate(model, tokenizer, **{"prompts": PROMPTS, "max_new_tokens": 4} | arguments)
