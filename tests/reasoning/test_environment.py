"""A tool that answers in chains: the calculator of calc-chain, with a policy that calls it at random."""

from __future__ import annotations

import random

import pytest
import torch

from entropylab.reasoning import WordTool, policy_loss, roll_out, score
from entropylab.sources.tasks.calc_chain import ERROR, calculator, demonstrate, injected, problems

CALL = "call 47 * 28 ret".split()


@pytest.fixture
def ids(tokenizer):
    return {str(token).removesuffix(" "): number for token, number in tokenizer.get_vocab().items()}


@pytest.fixture
def words(ids):
    names = {number: word for word, number in ids.items()}
    return lambda tokens: [names[token] for token in tokens]


@pytest.fixture
def eager(ids):
    """Makes calls likely, and an early end unlikely."""

    def keep(logits):
        logits = logits.clone()
        logits[:, ids["ret"]] += 4
        logits[:, 0] -= 4
        return logits

    return keep


@pytest.fixture
def chains(policy, tokenizer, ids, eager):
    pool = [problem for problem in problems("train", 200, 0) if len(problem.operations) == 3]
    prompts = torch.tensor([[0, *(ids[word] for word in problem.prompt())] for problem in pool])
    return roll_out(
        policy,
        prompts,
        max_new_tokens=40,
        end=0,
        generator=torch.Generator().manual_seed(0),
        filters=[eager],
        environment=WordTool(tokenizer, calculator),
    )


def test_every_call_is_answered_by_the_calculator(chains, words):
    answers = 0
    for row in range(len(chains.tokens)):
        length = int(chains.chain[row].sum())
        text = words(chains.tokens[row, :length].tolist())
        marks = injected(text)
        assert (chains.chain & ~chains.mask)[row, :length].tolist() == marks
        for place in range(length):
            if marks[place]:
                assert text[place] == calculator(text[:place])
                answers += 1
    assert answers > 100


def test_a_well_formed_call_gets_its_result(tokenizer, ids):
    tool = WordTool(tokenizer, calculator)
    rows = torch.arange(4)
    tokens = torch.tensor(
        [
            [ids[word] for word in line]
            for line in (CALL, ["ret", "ret", "step", "step", "ret"], ["step"] * 5, ["1"] * 4 + ["ret"])
        ]
    )
    assert tool(rows, tokens).tolist() == [ids["16"], ids[ERROR], -1, ids[ERROR]]
    assert tool(rows, tokens[:, :4]).tolist() == [-1] * 4
    assert tool(rows, tokens[:, :0]).tolist() == [-1] * 4
    # The second of two triggers is the tool's own word.
    assert tool(rows[:1], torch.tensor([[ids["ret"]] * 2])).tolist() == [-1]


def test_demonstrations_are_what_the_tool_would_write(tokenizer, ids):
    tool, rng = WordTool(tokenizer, calculator), random.Random(0)
    for problem in problems("train", 30, 1):
        line = demonstrate(problem, 0.7, rng)
        tokens = torch.tensor([[ids[word] for word in line]])
        for place, mark in enumerate(injected(line)):
            expected = tokens[0, place] if mark else -1
            assert tool(torch.zeros(1, dtype=torch.int64), tokens[:, :place]) == expected


def test_injected_tokens_are_in_no_loss(policy, chains):
    """The gradient is that of the policy's tokens one by one, under the chain as it stands."""
    scores = score(policy, chains.prompts, chains.tokens, chains.mask)
    outside = chains.chain & ~chains.mask
    assert outside.any() and not scores.log_probs[outside].any() and not scores.entropy[outside].any()
    advantages = torch.linspace(-1, 1, len(chains.tokens))
    loss = policy_loss(scores.log_probs, chains.log_probs, advantages, chains.mask, aggregation="bnpo")
    inputs = torch.cat([chains.prompts, chains.tokens], 1)[:, :-1]
    law = torch.log_softmax(policy(inputs).logits[:, chains.prompts.shape[1] - 1 :], -1)
    picked = law.gather(2, chains.tokens[..., None])[..., 0]
    own = (picked - chains.log_probs).exp() * advantages[:, None]
    expected = -own[chains.mask].sum() / chains.mask.sum()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    gradients = [
        torch.autograd.grad(value, policy.lm_head.weight, retain_graph=True)[0] for value in (loss, expected)
    ]
    assert torch.allclose(*gradients, atol=1e-5)


def test_words_that_are_none_are_refused(tokenizer, ids):
    with pytest.raises(ValueError, match="trigger: got 'tool'"):
        WordTool(tokenizer, calculator, "tool")
    with pytest.raises(ValueError, match="answer: gave '100'"):
        WordTool(tokenizer, lambda words: "100")(
            torch.zeros(1, dtype=torch.int64), torch.tensor([[ids["ret"]]])
        )
