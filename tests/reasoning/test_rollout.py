from __future__ import annotations

import pytest
import torch

from entropylab.reasoning import roll_out, score


def uniforms(rows, steps, seed=0):
    return torch.rand((rows, steps), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def prompts():
    return torch.randint(2, 100, (40, 5), generator=torch.Generator().manual_seed(7))


def test_rollouts_agree_with_a_loop_without_a_cache(policy, prompts):
    numbers = uniforms(40, 30)
    found = roll_out(policy, prompts, max_new_tokens=30, end=0, uniforms=numbers)
    assert 0.2 < found.complete.float().mean() < 1  # some chains end, so that the batch shrinks on the way
    for row in range(40):
        ids = prompts[row].tolist()
        for step in range(int(found.lengths[row])):
            with torch.no_grad():
                law = torch.log_softmax(policy(torch.tensor([ids])).logits[0, -1].double(), -1)
            cumulative = law.exp().cumsum(0)
            token = int((cumulative <= numbers[row, step] * cumulative[-1]).sum())
            assert found.tokens[row, step] == token and found.mask[row, step]
            assert found.log_probs[row, step] == pytest.approx(float(law[token]), abs=1e-4)
            assert found.entropy[row, step] == pytest.approx(float(-(law.exp() * law).sum()), abs=1e-4)
            ids.append(token)
        assert found.complete[row] == (ids[-1] == 0)
        assert not found.mask[row, step + 1 :].any() and not found.log_probs[row, step + 1 :].any()
        assert (found.tokens[row, step + 1 :] == 0).all()


def test_a_row_does_not_depend_on_its_batch(policy, prompts):
    numbers = uniforms(40, 20)
    together = roll_out(policy, prompts, max_new_tokens=20, end=0, uniforms=numbers)
    apart = roll_out(policy, prompts[3:5], max_new_tokens=20, end=0, uniforms=numbers[3:5])
    width = apart.tokens.shape[1]
    assert torch.equal(together.tokens[3:5, :width], apart.tokens)


def test_a_generator_decides(policy, prompts):
    first, second, third = (
        roll_out(
            policy, prompts, max_new_tokens=9, end=0, generator=torch.Generator().manual_seed(seed)
        ).tokens
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_filters_change_what_is_drawn_but_not_what_is_measured(policy, prompts):
    def greedy(logits):
        return logits.masked_fill(logits < logits.amax(-1, keepdim=True), -torch.inf)

    found = roll_out(policy, prompts, max_new_tokens=6, end=0, uniforms=uniforms(40, 6), filters=[greedy])
    again = roll_out(policy, prompts, max_new_tokens=6, end=0, uniforms=uniforms(40, 6, 1), filters=[greedy])
    assert torch.equal(found.tokens, again.tokens) and (found.log_probs[:, 0] < 0).all()


def test_scores_are_those_of_the_rollout_and_differentiable(policy, prompts):
    chains = roll_out(policy, prompts, max_new_tokens=20, end=0, uniforms=uniforms(40, 20))
    scores = score(policy, chains.prompts, chains.tokens, chains.mask)
    assert torch.allclose(scores.log_probs, chains.log_probs, atol=2e-5)
    assert torch.allclose(scores.entropy, chains.entropy, atol=2e-5)
    scores.log_probs.sum().backward()
    assert all(parameter.grad is not None for parameter in policy.parameters())
    with torch.no_grad():
        parts = score(policy, chains.prompts, chains.tokens, chains.mask, rows_at_once=7)
    assert torch.allclose(parts.log_probs, scores.log_probs, atol=1e-5)


def after_small_tokens(rows, tokens):
    """Writes the token ``50 + place`` wherever the token before it is below 40."""
    if not tokens.shape[1]:
        return torch.full_like(rows, -1)
    return torch.where(tokens[:, -1] < 40, 50 + tokens.shape[1], -1)


def test_an_environment_writes_into_chains(policy, prompts):
    numbers = uniforms(40, 30)
    found = roll_out(
        policy, prompts, max_new_tokens=30, end=0, uniforms=numbers, environment=after_small_tokens
    )
    chain, injected = found.chain, found.chain & ~found.mask
    assert 0.2 < found.complete.float().mean() < 1 and 0.1 < injected.sum() / chain.sum() < 0.7
    for row in range(40):
        ids, length = prompts[row].tolist(), int(chain[row].sum())
        assert chain[row, :length].all()
        for step in range(length):
            if step and ids[-1] < 40:
                assert found.tokens[row, step] == 50 + step and injected[row, step]
                assert found.log_probs[row, step] == found.entropy[row, step] == 0
            else:
                with torch.no_grad():
                    law = torch.log_softmax(policy(torch.tensor([ids])).logits[0, -1].double(), -1)
                cumulative = law.exp().cumsum(0)
                token = int((cumulative <= numbers[row, step] * cumulative[-1]).sum())
                assert found.tokens[row, step] == token and found.mask[row, step]
                assert found.log_probs[row, step] == pytest.approx(float(law[token]), abs=1e-4)
            ids.append(int(found.tokens[row, step]))
        assert found.complete[row] == (ids[-1] == 0)
        assert not found.mask[row, length:].any() and (found.tokens[row, length:] == 0).all()
    assert (
        injected[:, -1] & ~found.complete
    ).any()  # also where it wrote the last word of a chain that was cut off
    assert torch.equal(found.lengths, (chain & ~injected).sum(1))
    scores = score(policy, found.prompts, found.tokens, found.mask)
    assert torch.allclose(scores.log_probs, found.log_probs, atol=2e-5)
    assert torch.allclose(scores.entropy, found.entropy, atol=2e-5)


def test_an_environment_that_is_silent_changes_nothing(policy, prompts):
    calls = []

    def silent(rows, tokens):
        calls.append((rows.clone(), tokens.clone()))
        return torch.full_like(rows, -1)

    numbers = uniforms(40, 30)
    alone, beside = (
        roll_out(policy, prompts, max_new_tokens=30, end=0, uniforms=numbers, environment=environment)
        for environment in (None, silent)
    )
    assert all(torch.equal(*fields) for fields in zip(alone, beside))
    assert torch.equal(alone.chain, alone.mask)
    # It sees the open chains only, by their numbers.
    assert len(calls) == 30
    for step, (rows, tokens) in enumerate(calls):
        assert torch.equal(tokens, alone.tokens[rows, :step])
        assert torch.equal(rows, (alone.lengths > step).nonzero()[:, 0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda rows, tokens: torch.zeros_like(rows),
            "environment: wrote token 0, allowed are those below 136 but 0",
        ),
        (lambda rows, tokens: torch.full_like(rows, 136), "environment: wrote token 136"),
        (lambda rows, tokens: torch.full((3,), -1), r"environment: gave shape \(3,\) of torch.int64"),
        (lambda rows, tokens: -torch.ones(len(rows)), r"environment: gave shape \(40,\) of torch.float32"),
    ],
)
def test_what_an_environment_writes_is_checked(policy, prompts, wrong, message):
    with pytest.raises(ValueError, match=message):
        roll_out(policy, prompts, max_new_tokens=3, end=0, uniforms=uniforms(40, 3), environment=wrong)


def test_rows_are_taken_from_every_field(policy, prompts):
    chains = roll_out(policy, prompts, max_new_tokens=5, end=0, uniforms=uniforms(40, 5))
    some = chains.rows(torch.tensor([3, 1]))
    assert len(some.tokens) == len(some.complete) == 2 and torch.equal(some.tokens[0], chains.tokens[3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": torch.zeros(3, dtype=torch.int64)}, "prompts: got shape"),
        ({"prompts": torch.zeros(0, 3, dtype=torch.int64)}, "prompts: got shape"),
        ({"max_new_tokens": 0}, "max_new_tokens: got 0"),
        ({"uniforms": None}, "generator, uniforms: got both or none"),
        ({"generator": torch.Generator()}, "generator, uniforms: got both or none"),
        ({"uniforms": uniforms(2, 5)}, "uniforms: got shape"),
    ],
)
def test_rollouts_refuse(policy, prompts, change, message):
    arguments = {"prompts": prompts, "max_new_tokens": 6, "uniforms": uniforms(40, 6)} | change
    with pytest.raises(ValueError, match=message):
        roll_out(policy, end=0, **arguments)


def test_scores_refuse(policy, prompts):
    with pytest.raises(ValueError, match="prompts, tokens, mask: got shapes"):
        score(policy, prompts, prompts, torch.ones(40, 4, dtype=torch.bool))
