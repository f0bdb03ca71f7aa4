from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from entropylab.models.tokenization import symbol_tokenizer
from entropylab.sources.tasks.arithmetic import (
    VOCABULARY,
    Grade,
    Problem,
    corrected,
    documents,
    grade,
    part_of,
    problems,
    spelled,
)


def test_a_sum_a_difference_and_a_product_by_hand():
    rng = random.Random(0)
    total = Problem(482, "+", 391, "fixed")
    assert total.question == "plain k0h4t8u2+k0h3t9u1=? "
    assert total.solution(rng) == "u2+1+0=0U3, t8+9+0=1T7, h4+3+1=0H8, k0+0+0=0K0. answer K0H8T7U3."
    assert Problem(892, "-", 806, "fixed").solution(rng) == (
        "u2-6-0=1U6, t9-0-1=0T8, h8-8-0=0H0, k0-0-0=0K0. answer K0H0T8U6."
    )
    assert Problem(482, "*", 7, "free").question == "chatty k0h4t8u2*u7=? "
    assert Problem(482, "*", 7, "fixed").solution(rng) == (
        "u2*7+0=1U4, t8*7+1=5T7, h4*7+5=3H3, k0*7+3=0K3. answer K3H3T7U4."
    )


def test_numbers_are_spelled_with_their_places():
    assert spelled(42, 3) == "h0t4u2" and spelled(9901, 4, "UTHK") == "K9H9T0U1" and spelled(0, 1) == "u0"


def test_every_equation_is_true_and_the_digits_make_the_answer():
    for problem in problems("train", 2000, 0):
        carry, digits = 0, ""
        for place, equation in problem.equations:
            a, b, c, following, digit = (int(number) for number in re.findall(r"\d", equation))
            assert c == carry and str(a) == f"{problem.left:04d}"["khtu".index(place)]
            if problem.operation == "-":
                assert a - b - c == digit - 10 * following
            else:
                assert (a * b if problem.operation == "*" else a + b) + c == digit + 10 * following
            carry, digits = following, str(digit) + digits
        assert carry == 0 and int(digits) == problem.answer


def test_the_true_solution_is_graded_right_and_has_the_answer():
    rng = random.Random(1)
    for problem in problems("validation", 500, 3):
        graded = grade(problem, problem.solution(rng))
        assert graded.correct and all(graded.steps) and graded.first_wrong_step is None
        assert problem.answer >= 0


def test_grading_takes_the_last_number_and_finds_the_first_wrong_step():
    problem = Problem(482, "+", 391, "free")
    text = "u2+1+0=0U3, t8+9+0=1T6, well, h4+3+1=0H8, k0+0+0=0K0. answer K0H8T6U3."
    graded = grade(problem, text)
    assert not graded.correct and graded.steps == (True, False, True, True) and graded.first_wrong_step == 1
    assert grade(problem, text.replace("H8T6U3", "H8T7U3")).correct
    assert grade(problem, text.replace("K0H8T6U3", "873")).correct
    assert not grade(problem, "").correct and grade(problem, "").steps == (False,) * 4
    assert not grade(problem, "answer K0H8T7U3. 1").correct
    assert grade(problem, "u2+1+0=0U3, t8+9").steps == (True, False, False, False)


def test_a_wrong_text_is_corrected_in_its_own_words():
    problem = Problem(482, "+", 391, "free")
    text = "u2+1+0=0U3, t8+9+0=1T6, well, h4+3+1=0H8, k0+0+0=0K0. in all K0H8T6U3."
    right = corrected(problem, text)
    assert right == "u2+1+0=0U3, t8+9+0=1T7, well, h4+3+1=0H8, k0+0+0=0K0. in all K0H8T7U3."
    assert corrected(problem, right) == right and grade(problem, right) == Grade(True, (True,) * 4)
    assert corrected(problem, "u2+1+0=0U3. in all K0H8T6U3.") is None
    assert corrected(problem, text[:-9]) is None and corrected(problem, "") is None


def test_nothing_in_a_graded_text_is_run():
    assert not grade(Problem(1, "+", 2, "fixed"), "__import__('os').system('true') 9**9**9").correct


def test_the_parts_share_no_pair_of_operands_in_any_order():
    pairs = {
        part: {tuple(sorted((p.left, p.right))) for p in problems(part, 2000, seed)}
        for seed, part in enumerate(("train", "validation", "test"))
    }
    assert not pairs["train"] & pairs["validation"]
    assert not pairs["train"] & pairs["test"]
    assert not pairs["validation"] & pairs["test"]
    assert part_of(7, 52) == part_of(52, 7)
    shares = Counter(part_of(a, b) for a in range(200) for b in range(a))
    assert shares["train"] / 19900 == pytest.approx(0.8, abs=0.02)
    assert shares["test"] / 19900 == pytest.approx(0.1, abs=0.02)


def test_held_out_questions_come_once_and_a_seed_gives_the_same_ones():
    first = problems("test", 1000, 0, "free")
    assert len({p.question for p in first}) == 1000
    assert first == problems("test", 1000, 0, "free")
    assert first[:200] == problems("test", 200, 0, "free")
    assert first != problems("test", 1000, 1, "free")
    # The filler changes the wording, not the problems.
    assert [(p.left, p.operation, p.right) for p in first] == [
        (p.left, p.operation, p.right) for p in problems("test", 1000, 0, "fixed")
    ]


def test_free_filler_is_free_and_fixed_filler_is_fixed():
    problem = {kind: Problem(4821, "-", 391, kind) for kind in ("fixed", "free")}
    texts = {kind: {problem[kind].solution(random.Random(seed)) for seed in range(200)} for kind in problem}
    assert len(texts["fixed"]) == 1 and len(texts["free"]) > 190
    equations = {tuple(re.findall(r"\S+=\d[UTHK]\d", text)) for text in texts["fixed"] | texts["free"]}
    assert len(equations) == 1


def test_texts_consist_of_the_vocabulary_and_use_all_of_it():
    assert len(VOCABULARY) < 100 and len(set(VOCABULARY)) == len(VOCABULARY)
    tokenizer = symbol_tokenizer(VOCABULARY, context=256)
    texts = documents("train", 3000, 0)
    encoded = tokenizer(texts)["input_ids"]
    used = Counter(token for ids in encoded for token in ids)
    assert tokenizer.unk_token_id not in used
    assert set(used) == set(range(2, len(VOCABULARY) + 2))
    assert max(map(len, encoded)) <= 100
    assert [tokenizer.decode(ids) for ids in encoded[:200]] == texts[:200]
    assert sum(text.startswith("chatty") for text in texts) / 3000 == pytest.approx(0.5, abs=0.05)


def test_documents_depend_on_seed_and_part_only():
    assert documents("validation", 20, 5) == documents("validation", 20, 5)
    assert documents("validation", 20, 5) != documents("validation", 20, 6)
    assert not set(documents("validation", 200, 5)) & set(documents("test", 200, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev", 10, 0), "part: got 'dev'"),
        (("test", 0, 0), "count: got 0"),
        (("test", 5001, 0), "count: got 5001, allowed is 1 to 5000"),
        (("train", 10, 0, "loose"), "filler: got 'loose'"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        problems(*arguments)
