"""Answers to questions: what is sampled, and what a model says of given ones."""

from __future__ import annotations

import random

import pytest
import torch

from entropylab.models import load, score_text
from entropylab.models.answers import answer_logits, sample_answers
from entropylab.sources.tasks.arithmetic import problems


@pytest.fixture(scope="module")
def arithmetic():
    return load("lab/arithmetic-l")


ASKED = problems("validation", 4, 3)
QUESTIONS = [problem.question for problem in ASKED]


def keep_likeliest(logits):
    return torch.where(logits == logits.max(1, keepdim=True).values, logits, -torch.inf)


def test_answers_do_not_depend_on_the_batch_and_end_before_the_end_token(arithmetic):
    model, tokenizer = arithmetic
    together = sample_answers(model, tokenizer, QUESTIONS, draws=2, seed=1)
    apart = sample_answers(model, tokenizer, QUESTIONS, draws=2, seed=1, rows_at_once=3)
    assert together == apart and len(together) == 4 and all(len(texts) == 2 for texts in together)
    assert all(tokenizer.eos_token not in text and text for texts in together for text in texts)
    assert together != sample_answers(model, tokenizer, QUESTIONS, draws=2, seed=2)


def test_a_filter_for_the_likeliest_token_gives_greedy_answers(arithmetic):
    model, tokenizer = arithmetic
    a, b = (sample_answers(model, tokenizer, QUESTIONS[:2], filters=[keep_likeliest], seed=s) for s in (0, 1))
    assert a == b


def test_an_answer_that_does_not_end_is_cut_at_its_last_token(arithmetic):
    model, tokenizer = arithmetic
    ((text,),) = sample_answers(model, tokenizer, QUESTIONS[:1], max_new_tokens=5)
    assert len(tokenizer(text, add_special_tokens=False)["input_ids"]) == 5


def test_logits_of_given_answers_agree_with_the_score_of_each_text(arithmetic):
    model, tokenizer = arithmetic
    rng = random.Random(0)
    solutions = [problem.solution(rng) for problem in ASKED]
    logits, targets = answer_logits(model, tokenizer, QUESTIONS, solutions)
    surprisal = -logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    first = 0
    for question, solution in zip(QUESTIONS, solutions, strict=True):
        length = len(tokenizer(solution, add_special_tokens=False)["input_ids"])
        scores = score_text(question + solution, model, tokenizer)["surprisal"].to_numpy()[-length:]
        assert surprisal[first : first + length].numpy() == pytest.approx(scores, abs=2e-4)
        assert targets[first + length] == tokenizer.eos_token_id
        first += length + 1
    assert first == len(targets)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, t: sample_answers(m, t, []), "questions: got"),
        (lambda m, t: sample_answers(m, t, ["a"], draws=0), "draws: got 0"),
        (lambda m, t: sample_answers(m, t, ["a"], rows_at_once=0), "rows_at_once: got 0"),
        (lambda m, t: answer_logits(m, t, ["a"], []), "questions, answers: got 1 and 0"),
    ],
)
def test_bad_input_is_named(arithmetic, call, message):
    with pytest.raises(ValueError, match=message):
        call(*arithmetic)
