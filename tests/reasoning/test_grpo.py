from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from entropylab.models import list_models, load
from entropylab.reasoning import (
    CountdownTask,
    Credit,
    EntropyMask,
    GrpoSettings,
    SemanticEntropyScale,
    evaluate,
    sample_chains,
    train_grpo,
)
from entropylab.reasoning.countdown_policy import describe
from entropylab.sources.tasks.countdown import Problem, problems, reward


@pytest.fixture(scope="module")
def reasoner():
    return load("lab/reasoner")


def test_words_and_tokens_are_the_same_thing(task, tokenizer):
    problem = problems("test")[0]
    prompts = task.prompts([problem] * 3, seed=0)
    assert prompts.shape == (3, 7) and (prompts[:, 0] == tokenizer.eos_token_id).all()
    digits = tokenizer.decode(prompts[0, 1:]).split()[:3]
    assert sorted(digits) == sorted(map(str, problem.digits))
    assert torch.equal(prompts, task.prompts([problem] * 3, seed=0))
    with pytest.raises(ValueError, match="words: got \\['maybe'\\]"):
        task.encode(["maybe"])


def test_the_reasoner_solves_some_problems_and_not_all(reasoner):
    model, tokenizer = reasoner
    pool = problems("validation")
    found = evaluate(model, CountdownTask(tokenizer), pool, samples=2, seed=1)
    assert 0.25 < found.accuracy < 0.5 and found.successes.max() <= 2
    again = evaluate(model, CountdownTask(tokenizer), pool[:20], samples=2, seed=1)
    assert again.successes.shape == (20,)


def test_answers_rewards_and_descriptions_agree(reasoner):
    model, tokenizer = reasoner
    task, pool = CountdownTask(tokenizer), problems("validation")[:40]
    chains = sample_chains(model, task, pool, samples=2, seed=3)
    each = [problem for problem in pool for _ in range(2)]
    right = [
        reward(problem, words, complete=bool(ended))
        for problem, words, ended in zip(each, task.words(chains), chains.complete)
    ]
    assert right == [
        int(answer == problem.target) for problem, answer in zip(each, task.answers(each, chains))
    ]
    about = describe(task, each, chains)
    errors = sum(about[f"error_{name}"] for name in ("execution", "plan", "malformed"))
    assert errors == pytest.approx(1 - np.mean(right))
    assert sum(
        about[f"strategy_{name}"] for name in ("sum", "product", "difference", "target")
    ) == pytest.approx(1)
    assert about["attempts"] >= 1 + about["go_backs"] - 1e-9 - about["truncated"]
    assert about["entropy_strategy"] > 0.5 > 0.1 > about["entropy_equals"]
    classes = task.classes(chains)
    assert ((classes != "") == chains.mask.numpy()).all() and (
        classes == "end"
    ).sum() == chains.complete.sum()


def test_problems_and_samples_are_needed(reasoner):
    model, tokenizer = reasoner
    with pytest.raises(ValueError, match="problems, samples: got 0 and 1"):
        sample_chains(model, CountdownTask(tokenizer), [], samples=1, seed=0)
    with pytest.raises(ValueError, match="problems, samples: got 1 and 0"):
        evaluate(model, CountdownTask(tokenizer), [Problem((1, 2, 3), 6)], samples=0, seed=0)


SMALL = {"steps": 2, "prompts": 6, "group": 4}


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize(
    ("credit", "settings"),
    [
        (Credit(), {}),
        (EntropyMask(), {}),
        (EntropyMask(choice="random"), {}),
        (SemanticEntropyScale(1.0), {"scale": "none", "aggregation": "dr_grpo"}),
        (Credit(), {"aggregation": "dapo"}),
        (Credit(), {"aggregation": "grpo"}),
    ],
)
def test_steps_change_the_policy_in_the_same_way_each_time(reasoner, credit, settings):
    model, tokenizer = reasoner
    ends, logs = [], []
    for _ in range(2):
        policy = copy.deepcopy(model)
        logs.append(
            list(
                train_grpo(
                    policy, CountdownTask(tokenizer), credit, GrpoSettings(**SMALL, **settings), seed=100
                )
            )
        )
        ends.append(weights_of(policy))
    assert torch.equal(*ends) and not torch.equal(ends[0], weights_of(model))
    assert [{k: v for k, v in log.items() if k != "seconds"} for log in logs[0]] == [
        {k: v for k, v in log.items() if k != "seconds"} for log in logs[1]
    ]
    kept = np.mean([log["kept_tokens"] for log in logs[0]])
    assert kept == pytest.approx(0.2, abs=0.01) if isinstance(credit, EntropyMask) else kept == 1
    scale = logs[0][0]["scale"]
    assert scale < 1 if isinstance(credit, SemanticEntropyScale) else scale == 1


def test_rules_with_one_seed_start_with_the_same_chains(reasoner):
    model, tokenizer = reasoner
    firsts = []
    for credit in (Credit(), EntropyMask(choice="random")):
        (log,) = train_grpo(
            copy.deepcopy(model),
            CountdownTask(tokenizer),
            credit,
            GrpoSettings(**SMALL | {"steps": 1}),
            seed=5,
        )
        firsts.append((log["reward"], log["length"], log["entropy"]))
    assert firsts[0] == firsts[1]


def test_a_policy_that_never_succeeds_is_left_alone(policy, task):
    before = weights_of(policy)
    (log,) = train_grpo(policy, task, Credit(), GrpoSettings(steps=1, prompts=2, group=2), seed=0)
    assert log["reward"] == 0 and log["constant_groups"] == 1 and "scale" not in log
    assert torch.equal(before, weights_of(policy))


def test_a_few_steps_raise_the_reward(reasoner):
    model, tokenizer = reasoner
    policy, task = copy.deepcopy(model), CountdownTask(tokenizer)
    logs = list(train_grpo(policy, task, Credit(), GrpoSettings(steps=12), seed=7))
    rewards = [log["reward"] for log in logs]
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4])
    pool = problems("validation")
    after, before = (evaluate(m, task, pool, samples=4, seed=2).accuracy for m in (policy, model))
    assert after > before + 0.03


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps: got 0"),
        ({"prompts": 0}, "prompts: got 0"),
        ({"mini_batches": 0}, "mini_batches: got 0"),
        ({"max_new_tokens": 0}, "max_new_tokens: got 0"),
        ({"group": 1}, "group: got 1"),
        ({"learning_rate": 0.0}, "learning_rate: got 0"),
    ],
)
def test_settings_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        GrpoSettings(**change)


def test_both_reasoners_ship_and_differ_in_their_synonyms():
    assert {"lab/reasoner", "lab/reasoner-chatty"} <= set(list_models())
    found = {}
    for name in ("lab/reasoner", "lab/reasoner-chatty"):
        model, tokenizer = load(name)
        task, pool = CountdownTask(tokenizer), problems("validation")[:60]
        chains = sample_chains(model, task, pool, samples=1, seed=1)
        found[name] = describe(task, pool, chains)["entropy_synonym"]
    assert found["lab/reasoner"] < 0.02 and found["lab/reasoner-chatty"] == pytest.approx(np.log(2), abs=0.03)
