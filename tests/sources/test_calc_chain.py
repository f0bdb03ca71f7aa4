from __future__ import annotations

import random
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entropylab.models.tokenization import symbol_tokenizer
from entropylab.sources.tasks.calc_chain import (
    ERROR,
    VOCABULARY,
    Operation,
    Problem,
    answer_value,
    calculator,
    check_steps,
    demonstrate,
    documents,
    draw,
    error_type,
    injected,
    operations_at,
    parse,
    problems,
    reward,
    role_of,
    steps_of,
    token_classes,
)
from entropylab.sources.tasks.chains import text_of

WORDS = [symbol.strip() for symbol in VOCABULARY]
# What a model may write: mostly words of the grammar, in any order, and some that are none.
hostile = st.lists(
    st.sampled_from(
        [*WORDS[100:], *WORDS[:12], "step", "call", "ret", "=", "ans", "<|unknown|>", "", "9" * 50, "٣"]
    ),
    max_size=60,
)


@st.composite
def some_problem(draw_from):
    start = value = draw_from(st.integers(0, 99))
    operations = []
    for _ in range(draw_from(st.integers(2, 4))):
        operations.append(draw_from(st.sampled_from(operations_at(value))))
        value = operations[-1].of(value)
    return Problem(start, tuple(operations))


EXAMPLE = Problem(92, (Operation("+", 5), Operation("-", 7), Operation("*", 28)))
GOOD = "step 92 + 5 = 97 next step call 97 - 7 ret 90 next step 90 * 28 = 20 so ans 20"


def test_the_example_by_hand():
    assert " ".join(EXAMPLE.prompt()) == "92 + 5 - 7 * 28 -> ? :"
    assert EXAMPLE.values == (92, 97, 90, 20) and EXAMPLE.answer == 20
    assert [operation.hard for operation in EXAMPLE.operations] == [False, False, True]
    assert reward(EXAMPLE, GOOD.split()) == 1 and error_type(EXAMPLE, GOOD.split()) == "none"
    assert [step.called for step in parse(GOOD.split()).steps] == [False, True, False]


def test_operations_are_counted_in_closed_form():
    # Plus: d from 1 to 9 fits at 100 - d values, and so does minus. Times: 89 numbers at each value.
    fitting = sum(100 - d for d in range(1, 10))
    kinds = Counter(o.operator for value in range(100) for o in operations_at(value))
    assert kinds == {"+": fitting, "-": fitting, "*": 89 * 100} and fitting == 855
    # Problems of two operations: paths of length two, once by a matrix and once one by one.
    ways = np.zeros((100, 100), dtype=np.int64)
    for value in range(100):
        for operation in operations_at(value):
            ways[value, operation.of(value)] += 1
    one_by_one = sum(
        len(operations_at(operation.of(value))) for value in range(100) for operation in operations_at(value)
    )
    assert (ways @ ways).sum() == one_by_one
    assert ways.sum() == 2 * fitting + 8900 == 10610


def test_problems_are_drawn_as_said():
    rng = random.Random(5)
    drawn = [draw("train", rng) for _ in range(4000)]
    hard = [operation.hard for problem in drawn for operation in problem.operations]
    assert np.mean(hard) == pytest.approx(0.4, abs=0.02)
    lengths = Counter(len(problem.operations) for problem in drawn)
    assert all(lengths[n] / 4000 == pytest.approx(1 / 3, abs=0.03) for n in (2, 3, 4))
    assert np.mean([problem.start for problem in drawn]) == pytest.approx(49.5, abs=2)


def test_parts_are_disjoint_and_have_their_shares():
    pools = {part: problems(part, 400, 1) for part in ("train", "validation", "test")}
    for part, pool in pools.items():
        assert len(set(pool)) == 400 and {problem.part for problem in pool} == {part}
        assert pool == problems(part, 400, 1) and pool[:50] != problems(part, 50, 2)
    rng = random.Random(1)
    parts = Counter()
    for _ in range(3000):
        value, operations = rng.randrange(100), []
        start = value
        for _ in range(3):
            operations.append(rng.choice(operations_at(value)))
            value = operations[-1].of(value)
        parts[Problem(start, tuple(operations)).part] += 1
    assert parts["test"] / 3000 == pytest.approx(0.2, abs=0.03)
    assert parts["validation"] / 3000 == pytest.approx(0.08, abs=0.02)


@settings(deadline=None)
@given(some_problem())
def test_a_prompt_is_read_back(problem):
    assert Problem.read(problem.prompt()) == problem
    value = problem.start
    for operation in problem.operations:  # against Python's own arithmetic
        value = {
            "+": value + operation.operand,
            "-": value - operation.operand,
            "*": value * operation.operand,
        }[operation.operator] % 100
    assert value == problem.answer


@settings(deadline=None)
@given(some_problem(), st.floats(0, 1), st.randoms(use_true_random=False))
def test_demonstrations_are_read_back_and_right(problem, tool, rng):
    words = demonstrate(problem, tool, rng)
    chain = parse(words)
    assert chain.answer == problem.answer and reward(problem, words) == 1
    assert [step.operation for step in chain.steps] == list(problem.operations)
    assert [step.left for step in chain.steps] == list(problem.values[:-1])
    assert steps_of(words) == chain.steps
    calls = sum(step.called for step in chain.steps)
    n = len(problem.operations)
    assert len(words) == 6 * n + calls + (n - 1) + 3 <= 40 - 1
    assert all(all(check[1:]) for check in check_steps(problem, words))
    # The marked words are those that the calculator writes.
    marks = injected(words)
    assert sum(marks) == calls
    for place in np.flatnonzero(marks):
        assert calculator(words[:place]) == words[place]


def test_calls_have_their_probability():
    for tool in (0.0, 0.3, 1.0):
        texts = documents("train", 1500, 2, tool)
        steps = [step for text in texts for step in steps_of(text.split(" : ")[1].split())]
        assert np.mean([step.called for step in steps]) == pytest.approx(tool, abs=0.03)
        hard = [step.called for step in steps if step.operation.hard]
        assert np.mean(hard) == pytest.approx(tool, abs=0.04)  # whatever the difficulty


def test_documents_are_repeatable_and_every_word_is_one_token():
    texts = documents("test", 40, 0)
    assert texts == documents("test", 40, 0) != documents("test", 40, 1)
    tokenizer = symbol_tokenizer(VOCABULARY, context=128)
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert len(ids) == len(text.split()) and tokenizer.decode(ids) == text
        problem = Problem.read(text.split()[: text.split().index(":") + 1])
        assert problem.part == "test" and text.startswith(text_of(problem.prompt()))


def test_an_injected_ret_asks_for_nothing():
    assert injected("ret ret ret ret 1".split()) == [False, True, False, True, False]
    assert injected([]) == [] and injected(["ret"]) == [False]


@settings(max_examples=300, deadline=None)
@given(some_problem(), hostile, st.booleans())
def test_any_chain_can_be_read(problem, words, complete):
    assert len(token_classes(words)) == len(injected(words)) == len(words)
    for place, mark in enumerate(injected(words)):
        assert not mark or words[place - 1] == "ret"
        assert (token_classes(words)[place] == "injected") == mark
    assert len(check_steps(problem, words)) == len(steps_of(words)) <= words.count("step")
    value = answer_value(words, complete=complete)
    assert value is None or words[-2:] == ["ans", str(value)]
    kind = error_type(problem, words, complete=complete)
    assert (kind == "none") == (reward(problem, words, complete=complete) == 1)
    answer = calculator([*words, "ret"])
    assert answer == ERROR or 0 <= int(answer) <= 99
    chain, read = read_or_refused(parse, words), read_or_refused(Problem.read, words)
    assert chain is None or not complete or value == chain.answer
    assert read is None or read.prompt() == words


def read_or_refused(read, words):
    """What is read; ``None`` where the words are refused, with a short reason."""
    message = ""
    try:
        return read(words)
    except ValueError as error:
        message = str(error)
    assert "got" in message and len(message) < 250
    return None


@pytest.mark.parametrize(
    "words",
    [
        ["step"] * 200_000,
        ["ret"] * 200_000,
        ["ans"] * 200_000,
        ["step", "call", "1", "+", "1", "ret", "2", "next"] * 25_000,
        ["9" * 1_000_000] * 10,
        ["1", *["+", "1"] * 100_000],
    ],
)
def test_long_chains_cost_little(words):
    clock = time.perf_counter()
    error_type(EXAMPLE, words)
    token_classes(words)
    assert calculator([*words, "ret"]) == ERROR
    for read in (parse, Problem.read):
        with pytest.raises(ValueError, match="got"):
            read(words)
    assert time.perf_counter() - clock < 10


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("call 47 * 28 ret", "16"),
        ("call 5 - 7 ret", "98"),
        ("step call 1 + 1 ret 2 next step call 2 * 50 ret", "0"),
        ("call 47 / 28 ret", ERROR),
        ("call 47 * 28 * 2 ret", ERROR),
        ("47 * 28 ret", ERROR),
        ("call 047 * 28 ret", ERROR),
        ("call 100 * 28 ret", ERROR),
        ("call 9 ** 9 ret", ERROR),
        ("call __import__('os') * 2 ret", ERROR),
        ("call ret", ERROR),
        ("ret", ERROR),
        ("call 47 * 28", ERROR),
        ("", ERROR),
    ],
)
def test_the_calculator_reads_three_words(asked, answer):
    assert calculator(asked.split()) == answer


def test_the_fifth_call_is_refused():
    words = ["step", "call", "1", "+", "1", "ret"]
    for _ in range(4):
        assert calculator(words) == "2"
        words += ["2", "next", "step", "call", "1", "+", "1", "ret"]
    assert calculator(words) == ERROR


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("= 97", "= 96"), "none"),  # the answer is right all the same
        ("step 92 + 5 = 96 next step 96 - 7 = 89 next step 89 * 28 = 92 so ans 92", "result"),
        ("step 92 + 5 = 96 next step 97 - 7 = 90 next step 90 * 28 = 21 so ans 21", "result"),
        ("step 92 + 5 = 97 next step 96 - 7 = 89 next step 89 * 28 = 92 so ans 92", "copy"),
        ("step 92 + 6 = 98 next step 98 - 7 = 91 next step 91 * 28 = 48 so ans 48", "copy"),
        ("step 92 + 5 = 97 next step call 97 - 7 ret 3 next step 3 * 28 = 84 so ans 84", "call"),
        ("step 92 + 5 = 97 next step call 97 - 7 ret % so ans 9", "call"),
        ("step 92 + 5 = 97 so ans 97", "steps"),
        (GOOD.replace("ans 20", "ans 21"), "answer"),
        (GOOD.replace("so ans 20", "next step 20 + 5 = 25 so ans 25"), "copy"),  # not asked for
        (GOOD.replace("so ans 20", "so"), "malformed"),
        (GOOD.replace("ans 20", "ans 20 20"), "malformed"),
    ],
)
def test_errors_are_told_apart(text, expected):
    assert error_type(EXAMPLE, text.split()) == expected


def test_a_chain_that_is_cut_off_ran_out_of_length():
    assert error_type(EXAMPLE, GOOD.split()[:9], complete=False) == "length"
    assert reward(EXAMPLE, GOOD.split(), complete=False) == 0


def test_steps_are_checked_one_by_one():
    # The first result is wrong; the second step goes on from the true value, not from what was written.
    text = "step 92 + 5 = 96 next step call 97 - 7 ret 90 next step 90 * 28 = 20 next step 20 + 5 = 25"
    first, second, third, fourth = check_steps(EXAMPLE, text.split())
    assert (first.asked, first.copied, first.on_track, first.holds) == (True, True, True, False)
    assert (second.asked, second.copied, second.on_track, second.holds) == (True, False, True, True)
    assert (third.asked, third.copied, third.on_track, third.holds) == (True, True, True, True)
    assert (fourth.asked, fourth.copied, fourth.on_track, fourth.holds) == (False, True, False, True)


def test_every_token_has_a_class_and_a_role():
    words = [*GOOD.split(), "<|endoftext|>"]
    classes = token_classes(words)
    first = "step decision copy copy equals result link"
    second = "step decision copy copy copy return injected link"
    third = "step decision copy copy equals result"
    assert classes == [*first.split(), *second.split(), *third.split(), "link", "answer", "answer", "end"]
    roles = Counter(map(role_of, classes))
    assert roles == {"plan": 3, "environment": 1, "execution": len(words) - 4}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Problem(100, EXAMPLE.operations), "start: got 100"),
        (lambda: Problem(5, EXAMPLE.operations[:1]), "operations: got 1, allowed are 2 to 4"),
        (lambda: Problem(5, (Operation("+", 5),) * 5), "operations: got 5"),
        (lambda: Problem(98, (Operation("+", 5), Operation("+", 5))), r"operations: got \+ 5 at 98"),
        (lambda: Problem(5, (Operation("*", 5), Operation("+", 5))), r"operations: got \* 5 at 5"),
        (lambda: Problem.read("92 + 5 - 7 : 1".split()), "words: got ':'"),
        (lambda: Problem.read("92 + 5 - 7 -> ? : step".split()), "words: got 9 words"),
        (lambda: draw("dev", random.Random(0)), "part: got 'dev'"),
        (lambda: problems("dev", 1, 0), "part: got 'dev'"),
        (lambda: problems("train", 0, 0), "count: got 0"),
        (lambda: documents("train", 0, 0), "count: got 0"),
        (lambda: documents("train", 1, 0, 1.5), "tool: got 1.5"),
        (lambda: parse("step 1 + 1 = 2 maybe".split()), "words: got 'maybe' at 6"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
