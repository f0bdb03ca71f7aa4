from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from entropylab.decoding.entropy_adaptive_decoder import EntropyAdaptiveDecoder
from entropylab.information import entropy
from entropylab.models import train_kneser_ney

V, NEW = 50, 40


def llama(seed, width, heads=4, groups=4):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=V, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2, initializer_range=0.3,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=128,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config).double().eval()


def gpt2():
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=V, n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.3,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config).double().eval()


@pytest.fixture(scope="module")
def models():
    """Different kinds of models over one vocabulary, in float64, so that no tie is decided by rounding."""
    tokens = np.random.default_rng(0).integers(0, V, 3000)
    return {
        "small": llama(0, 16),
        "large": llama(1, 32),
        "grouped": llama(2, 32, groups=2),
        "gpt2": gpt2(),
        "trigram": train_kneser_ney(tokens, V),
    }


@pytest.fixture(scope="module")
def prompts():
    ids = torch.randint(1, V, (7, 8), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    mask[4, :7] = 0
    return ids * mask, mask


def alone(model, prompts):
    ids, mask = prompts
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, pad_token_id=0
        )
    out = out[:, ids.shape[1] :]
    return torch.nn.functional.pad(out, (0, NEW - out.shape[1])).numpy()


def stepwise(decoder, ids):
    """One text without cache and without batch, from the rule's words: the oracle of the decoder (variant B)."""
    state = decoder.switch.begin(1)
    text, mask, seen = ids.tolist(), [], []
    for _ in range(NEW):
        large = bool(state.large[0])
        with torch.inference_mode():
            logits = decoder.models[large](input_ids=torch.tensor([text])).logits[0, -1]
        seen.append(float(entropy(logits)))
        mask.append(large)
        text.append(int(logits.argmax()))
        state.step(np.array([seen[-1]]))
        if text[-1] == 0:
            break
    return text[len(ids) :], mask, seen


def middle(models, pair, prompts, **options):
    """A decoder whose threshold is the median entropy of the small model's texts, so that it switches."""
    small, large = (models[name] for name in pair)
    run = EntropyAdaptiveDecoder(small, large, np.inf).generate(*prompts, max_new_tokens=NEW, eos_token_id=-1)
    return EntropyAdaptiveDecoder(small, large, float(np.median(run.entropy)), **options)


PAIRS = [
    ("small", "large"),
    ("small", "grouped"),
    ("gpt2", "large"),
    ("trigram", "large"),
    ("small", "trigram"),
]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_at_the_limits_each_model_writes_what_generate_writes(models, prompts, pair):
    small, large = (models[name] for name in pair)
    run = EntropyAdaptiveDecoder(small, large, np.inf).generate(*prompts, max_new_tokens=NEW)
    assert np.array_equal(run.tokens, alone(small, prompts)) and run.share == 0
    for options in ({"threshold": -np.inf, "start": "large"}, {"threshold": 0.0, "variant": "A"}):
        run = EntropyAdaptiveDecoder(small, large, **options).generate(*prompts, max_new_tokens=NEW)
        assert np.array_equal(run.tokens, alone(large, prompts)) and run.share == 1
    assert run.caught_up.sum() == 0


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_a_batch_with_caches_writes_what_the_definition_writes(models, prompts, pair):
    decoder = middle(models, pair, prompts, window=3, min_dwell=2)
    assert decoder.use_cache == ("trigram" not in pair)
    ids = prompts[0][[0, 2, 3, 5, 6]]  # without padding, which the oracle does not know
    run = decoder.generate(ids, max_new_tokens=NEW)
    assert 0.05 < run.share < 0.95 and run.switches.sum() > 5
    for row, prompt in enumerate(ids):
        text, mask, seen = stepwise(decoder, prompt)
        n = run.lengths[row]
        assert run.tokens[row, :n].tolist() == text
        assert run.large[row, :n].tolist() == mask
        assert run.entropy[row, :n] == pytest.approx(seen, rel=1e-6)
        assert (run.tokens[row, n:] == 0).all()


def test_batch_and_single_runs_agree_with_padding(models, prompts):
    decoder = middle(models, ("small", "large"), prompts, window=2, min_dwell=3)
    together = decoder.generate(*prompts, max_new_tokens=NEW)
    for row, (ids, mask) in enumerate(zip(*prompts, strict=True)):
        single = decoder.generate(ids[mask == 1][None], max_new_tokens=NEW)
        assert np.array_equal(single.tokens[0], together.tokens[row])
        assert np.array_equal(single.large[0], together.large[row])
        assert np.array_equal(single.caught_up[0], together.caught_up[row])


@pytest.mark.parametrize("variant", ["A", "B"])
def test_identical_models_write_the_same_text_at_every_threshold(models, prompts, variant):
    model = models["large"]
    expected = alone(model, prompts)
    shares = []
    for tau in (0.0, 1.5, 2.0, 2.5, 3.0, np.inf):
        run = EntropyAdaptiveDecoder(model, model, tau, 2, 2, variant=variant).generate(
            *prompts, max_new_tokens=NEW
        )
        assert np.array_equal(run.tokens, expected)
        shares.append(run.share)
    assert max(shares) > 0.9 and min(shares) == 0 and len(set(shares)) > 3


def test_passes_and_catch_up_are_counted(models, prompts):
    ids = prompts[0][[0, 2]]
    mask = np.zeros((2, NEW), dtype=bool)
    mask[0, 4:9] = True
    mask[0, 12:] = True
    decoder = EntropyAdaptiveDecoder(models["small"], models["large"], 1.0)
    run = decoder.generate(ids, max_new_tokens=NEW, eos_token_id=-1, mask=mask)
    assert np.array_equal(run.large, mask) and run.switches.tolist() == [3, 0]
    assert run.passes.tolist() == [[7, 33], [NEW, 0]]
    # Large enters at 4 (reads 4 tokens, one of them in any case) and at 12 (missed 3 and the last);
    # small comes back at 9, where it has missed 5 and the last of its own.
    assert run.caught_up.tolist() == [[5, 3 + 3], [0, 0]]
    assert run.share == pytest.approx(mask.mean())
    assert run.rows(slice(0, 1)).share == pytest.approx(mask[0].mean())


def test_a_model_reads_no_token_twice(models, prompts):
    read = {"small": 0, "large": 0}
    mask = np.zeros((1, NEW), dtype=bool)
    mask[0, 4:9] = mask[0, 12:] = True

    def count(name):
        def hook(module, args, kwargs):
            read[name] += kwargs["input_ids"].shape[1]

        return models[name].register_forward_pre_hook(hook, with_kwargs=True)

    hooks = [count(name) for name in read]
    decoder = EntropyAdaptiveDecoder(models["small"], models["large"], 1.0)
    run = decoder.generate(prompts[0][:1], max_new_tokens=NEW, eos_token_id=-1, mask=mask)
    for hook in hooks:
        hook.remove()
    # The prompt, and each written token up to the last but one that it writes itself: 11 and 39 of them.
    assert list(read.values()) == [8 + 11, 8 + NEW - 1]
    assert read["small"] == 8 - 1 + run.passes[0, 0] + run.caught_up[0, 0]


def test_variant_a_runs_the_other_model_for_the_same_token(models, prompts):
    ids = prompts[0][[0]]
    run = EntropyAdaptiveDecoder(models["small"], models["large"], 0.0, variant="A").generate(
        ids, max_new_tokens=10, eos_token_id=-1
    )
    assert run.passes.tolist() == [[1, 10]] and run.large.all()


def test_the_small_model_may_watch_all_the_time(models, prompts):
    options = {"window": 2, "min_dwell": 2, "monitor": "small"}
    decoder = middle(models, ("small", "large"), prompts, **options)
    ids = prompts[0][[0, 2]]
    run = decoder.generate(ids, max_new_tokens=NEW, eos_token_id=-1)
    assert (run.passes[:, 0] == NEW).all() and np.array_equal(run.passes[:, 1], run.large.sum(1))
    text = torch.cat([ids, torch.from_numpy(run.tokens)], 1)
    with torch.inference_mode():
        expected = entropy(models["small"](input_ids=text).logits[:, 7:-1])
    assert run.entropy == pytest.approx(expected.numpy(), rel=1e-6)
    assert run.caught_up[:, 0].sum() == 0


def test_sampling_depends_on_the_numbers_of_the_row_only(models, prompts):
    decoder = middle(models, ("small", "large"), prompts, window=2, min_dwell=2)
    uniforms = torch.rand(7, NEW, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    run = decoder.generate(*prompts, max_new_tokens=NEW, uniforms=uniforms)
    again = decoder.generate(prompts[0][2:3], max_new_tokens=NEW, uniforms=uniforms[2:3])
    assert np.array_equal(run.tokens[2], again.tokens[0])
    greedy = decoder.generate(*prompts, max_new_tokens=NEW)
    assert not np.array_equal(run.tokens, greedy.tokens)


def test_each_row_may_have_its_threshold(models, prompts):
    ids = prompts[0][[0, 0, 0]]
    taus = [np.inf, 2.5, 0.0]
    small, large = models["small"], models["large"]
    run = EntropyAdaptiveDecoder(small, large, taus, 2, 2).generate(ids, max_new_tokens=NEW)
    for row, tau in enumerate(taus):
        single = EntropyAdaptiveDecoder(small, large, tau, 2, 2).generate(ids[:1], max_new_tokens=NEW)
        assert np.array_equal(single.tokens[0], run.tokens[row])


def test_bad_input_is_named(models, prompts):
    small, large = models["small"], models["large"]
    other = LlamaForCausalLM(
        LlamaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    )
    with pytest.raises(ValueError, match="small, large: got vocabularies of 50 and 9"):
        EntropyAdaptiveDecoder(small, other, 1.0)
    with pytest.raises(ValueError, match="monitor: got 'both'"):
        EntropyAdaptiveDecoder(small, large, 1.0, monitor="both")
    decoder = EntropyAdaptiveDecoder(small, large, [1.0, 2.0])
    ids = prompts[0]
    with pytest.raises(ValueError, match="threshold: got 2 numbers for 7 rows"):
        decoder.generate(ids, max_new_tokens=2)
    decoder = EntropyAdaptiveDecoder(small, large, 1.0)
    for options, message in (
        ({"max_new_tokens": 0}, "max_new_tokens: got 0"),
        ({"max_new_tokens": 2, "mask": [[True]]}, r"mask: got shape \(1, 1\), allowed is \(7, 2\)"),
        ({"max_new_tokens": 2, "uniforms": torch.zeros(7, 3)}, r"uniforms: got shape \(7, 3\)"),
        ({"max_new_tokens": 2, "attention_mask": torch.ones(7, 3)}, "attention_mask: allowed is the shape"),
        ({"max_new_tokens": 2, "attention_mask": 1 - torch.eye(7, 8).flip(1)}, "attention_mask: allowed"),
    ):
        with pytest.raises(ValueError, match=message):
            decoder.generate(ids, **options)
    with pytest.raises(ValueError, match="input_ids: got shape"):
        decoder.generate(ids[0], max_new_tokens=2)
