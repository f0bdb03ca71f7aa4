from __future__ import annotations

import random
from itertools import islice

import pytest
import torch

from entropylab.reasoning.countdown_inspector import (
    CutChain,
    _answer_loss,
    cut_chains,
    cut_demonstrations,
    inspect_chains,
    single_solution_problems,
    train_inspector,
)
from entropylab.reasoning.rollout import Rollouts
from entropylab.reasoning.utility import trajectories
from entropylab.sources.tasks.countdown import Problem, problems

FAILED = "try sum first 7 + 6 = 13 then 13 - 8 = 5 no go back"
SOLVED = "try product first 9 * 8 = 72 then 72 + 8 = 80 yes check again 9 * 8 = 72 then 72 + 8 = 80 yes"


def rollouts(task, texts):
    rows = [[*task.encode(text.split()), task.end] for text in texts]
    width = max(map(len, rows))
    tokens = torch.tensor([row + [task.end] * (width - len(row)) for row in rows])
    mask = torch.arange(width) < torch.tensor([[len(row)] for row in rows])
    zeros = torch.zeros(tokens.shape)
    prompts = torch.tensor([[task.end, *task.encode(f"{n} 8 9 -> 80 :".split())] for n in range(len(rows))])
    return Rollouts(prompts, tokens, mask, zeros, zeros, torch.ones(len(rows), dtype=torch.bool))


def test_chains_are_cut_behind_each_verdict_and_nowhere_else(task):
    texts = [f"{FAILED} {SOLVED} so ans 9 * 8 + 8", f"{FAILED} {FAILED}", "so ans 9 * 8 + 8"]
    batch = rollouts(task, texts)
    first, second, third = cut_chains(task, batch)
    assert first.verdicts == [False, True, True] and first.before_solution == 1
    assert second.verdicts == [False, False] and second.before_solution == 1
    assert third.verdicts == [] and third.before_solution == 0
    prompt = batch.prompts[0].tolist()
    assert first.prefixes[0] == prompt
    assert first.prefixes[1] == prompt + task.encode(FAILED.split()[:-2])
    assert first.prefixes[3] == prompt + task.encode(f"{FAILED} {SOLVED}".split())
    assert third.prefixes == [batch.prompts[2].tolist()]


def test_steps_of_another_chain_keep_the_prompt(task):
    batch = rollouts(task, [f"{FAILED} so", f"{SOLVED} so"])
    own, other = cut_chains(task, batch)
    foreign = other.behind(own)
    assert foreign.prefixes[0] == own.prefixes[0]
    assert foreign.prefixes[1][:7] == own.prefixes[0]
    assert foreign.prefixes[1][7:] == other.prefixes[1][7:]
    assert foreign.verdicts == other.verdicts


def test_demonstrations_break_off_anywhere_and_end_with_the_truth(task):
    pool = single_solution_problems("train")
    assert all(len(problem.solutions) == 1 for problem in pool)
    assert not set(pool) & set(problems("test"))
    truth = {(p.digits, p.target): task.encode(p.solutions[0].words) for p in pool}
    yes, no, colon = (task.encode([word])[0] for word in ("yes", "no", ":"))
    words = {number: word for word, number in task._ids.items()}
    ends, wrong = [], 0
    for prefix, answer in islice(cut_demonstrations(task, pool, random.Random(0)), 400):
        *digits, _, target, _ = (words[i] for i in prefix[1:7])
        assert answer == truth[tuple(sorted(map(int, digits))), int(target)]
        assert prefix[-2:] == task.encode(["so", "ans"])
        ends.append(prefix[-3])
        wrong += prefix[-3] == no
    assert set(ends) == {yes, no, colon} and wrong > 50


def test_only_the_answer_is_in_the_loss(task, policy):
    """It is the mean surprisal of the answers' tokens, row by row, whatever the padding."""
    rows = list(islice(cut_demonstrations(task, single_solution_problems("train"), random.Random(3)), 9))
    by_hand = []
    for prefix, answer in rows:
        with torch.no_grad():
            law = policy(torch.tensor([prefix + answer])).logits[0].log_softmax(-1)
        by_hand += [-float(law[len(prefix) - 1 + k, token]) for k, token in enumerate(answer)]
    with torch.no_grad():
        loss = float(_answer_loss(policy, rows))
    assert loss == pytest.approx(sum(by_hand) / len(by_hand), abs=1e-5)


def test_training_lowers_the_surprisal_of_true_answers(task, policy):
    pool = single_solution_problems("train")[:40]
    chains = [CutChain([[task.end, *task.encode(p.prompt(random.Random(0)))]], []) for p in pool]
    before = [float(t.surprisal[0]) for t in inspect_chains(policy, task, pool, chains)]
    losses = train_inspector(policy, task, steps=12, batch=16, learning_rate=3e-3, seed=0)
    after = [float(t.surprisal[0]) for t in inspect_chains(policy, task, pool, chains)]
    assert len(losses) == 12 and sum(losses[-4:]) < sum(losses[:4])
    assert sum(after) < 0.8 * sum(before)
    assert not policy.training


def test_the_same_seed_gives_the_same_inspector(task, policy):
    start = {name: value.clone() for name, value in policy.state_dict().items()}
    losses = train_inspector(policy, task, steps=3, batch=4, seed=1)
    policy.load_state_dict(start)
    assert train_inspector(policy, task, steps=3, batch=4, seed=1) == losses
    policy.load_state_dict(start)
    assert train_inspector(policy, task, steps=3, batch=4, seed=2) != losses


def test_inspection_is_the_trajectory_of_the_solution_behind_the_marker(task, policy):
    problem = next(p for p in single_solution_problems("test"))
    chain = CutChain([[task.end, *task.encode(problem.prompt(random.Random(1)))]], [])
    (found,) = inspect_chains(policy, task, [problem], [chain])
    answer, marker = task.encode(problem.solutions[0].words), task.encode(["so", "ans"])
    (same,) = trajectories(policy, [chain.prefixes], [answer], marker=marker)
    assert found.entropy == pytest.approx(same.entropy)


def test_bad_input_is_named(task, policy):
    several = next(p for p in problems("test") if len(p.solutions) > 1)
    assert isinstance(several, Problem)
    with pytest.raises(ValueError, match="problems: got one with"):
        inspect_chains(policy, task, [several], [CutChain([[1]], [])])
    with pytest.raises(ValueError, match="answers: got 0"):
        inspect_chains(policy, task, [], [CutChain([[1]], [])])
    with pytest.raises(ValueError, match="steps, batch, learning_rate: got 0"):
        train_inspector(policy, task, steps=0, seed=0)
