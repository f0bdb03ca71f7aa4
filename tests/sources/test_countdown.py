from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from entropylab.models.tokenization import symbol_tokenizer
from entropylab.sources.tasks.countdown import (
    VOCABULARY,
    Candidate,
    Demonstrator,
    Problem,
    all_problems,
    answer_value,
    attempt,
    attempts_of,
    candidates_of,
    documents,
    error_type,
    fits,
    needed,
    parse,
    problems,
    reward,
    reworded,
    role_of,
    token_classes,
)


def test_the_problems_are_those_that_were_counted_by_hand():
    found = all_problems()
    assert len(found) == len(set(found)) == 1860
    assert Counter(len(p.solutions) for p in found) == {1: 1176, 2: 364, 3: 290, 4: 21, 5: 8, 6: 1}
    assert np.mean([len(p.candidates) for p in found]) == pytest.approx(19.79, abs=0.005)
    share = np.mean([len(p.solutions) / len(p.candidates) for p in found])
    assert share == pytest.approx(0.08361383069968376, abs=1e-12)


def test_the_parts_are_disjoint_and_complete():
    parts = {part: problems(part) for part in ("train", "validation", "test")}
    assert sorted(p for part in parts.values() for p in part_key(part)) == sorted(part_key(all_problems()))
    assert len(parts["test"]) == 369 and len(parts["train"]) + len(parts["validation"]) == 1491
    kinds = Counter(min(len(p.solutions), 3) for p in parts["test"])
    assert kinds == {1: 239, 2: 69, 3: 61}
    with pytest.raises(ValueError, match="part: got 'dev'"):
        problems("dev")


def part_key(part):
    return [(p.digits, p.target) for p in part]


def test_candidates_against_brute_force():
    expected = set()
    for a in (2, 5, 7):
        for b in (2, 5, 7):
            for c in (2, 5, 7):
                if sorted((a, b, c)) != [2, 5, 7] or a < b:
                    continue
                for op1, mid in (("+", a + b), ("-", a - b), ("*", a * b)):
                    for op2, value in (("+", mid + c), ("-", mid - c), ("*", mid * c)):
                        if 0 <= mid <= 99 and 0 <= value <= 99:
                            expected.add((a, op1, b, op2, c))
    assert set(candidates_of((2, 5, 7))) == expected


def test_a_problem_checks_its_numbers():
    with pytest.raises(ValueError, match="digits: got"):
        Problem((3, 2, 1), 5)
    with pytest.raises(ValueError, match="digits: got"):
        Problem((0, 2, 3), 5)
    with pytest.raises(ValueError, match="target: got 100"):
        Problem((1, 2, 3), 100)


def test_attempts_by_hand():
    problem = Problem((8, 8, 9), 7)
    assert " ".join(attempt(problem, Candidate(9, "*", 8, "+", 8), "product", "then")) == (
        "try product first 9 * 8 = 72 then 72 + 8 = 80 no"
    )
    assert " ".join(attempt(problem, Candidate(8, "+", 8, "-", 9), "target", "next")) == (
        "work from target 7 + 9 = 16 next 8 + 8 = 16 yes"
    )
    with pytest.raises(ValueError, match="strategy: got 'sum'"):
        attempt(problem, Candidate(9, "*", 8, "+", 8), "sum", "then")
    assert needed(problem, Candidate(9, "+", 8, "*", 8)) is None
    assert not fits(problem, Candidate(9, "+", 8, "*", 8), "target")


def test_demonstrations_are_read_back_and_are_as_lucky_as_computed():
    rng, right, lengths, attempts, strategies = random.Random(1), 0, [], 0, Counter()
    pool = problems("train")
    for _ in range(4000):
        problem = rng.choice(pool)
        words = Demonstrator().chain(problem, "chatty", rng)
        chain = parse(words)
        assert all(e.holds for tried in chain.attempts for e in tried.equations)
        assert error_type(problem, words) in ("none", "plan")
        right += reward(problem, words)
        lengths.append(len(words) + 7)
        assert attempts_of(words) == chain.attempts
        tried = [a.strategy for a in chain.attempts if a.strategy != "check"]
        assert 1 <= len(tried) <= 4
        attempts += len(tried)
        strategies.update(tried)
    assert right / 4000 == pytest.approx(0.4 * (1 + 0.51 + 0.51**2 + 0.51**3), abs=0.025)
    assert np.mean(lengths) == pytest.approx(48, abs=1) and np.percentile(lengths, 95) == pytest.approx(
        81, abs=3
    )
    assert strategies["target"] / attempts > 0.28


def test_synonyms_are_fair_coins_in_chatty_chains_and_absent_in_plain_ones():
    chatty = Counter(" ".join(documents("train", 2000, 3, "chatty")).split())
    assert chatty["next"] / (chatty["then"] + chatty["next"]) == pytest.approx(0.5, abs=0.03)
    assert chatty["thus"] / (chatty["so"] + chatty["thus"]) == pytest.approx(0.5, abs=0.05)
    plain = Counter(" ".join(documents("train", 500, 3)).split())
    assert not plain["next"] and not plain["thus"] and plain["then"] and plain["so"]


def test_rewording_changes_synonyms_alone_and_makes_them_fair_coins():
    words = documents("test", 1, 3, "chatty")[0].split()
    rng = random.Random(0)
    found = [reworded(words, rng) for _ in range(2000)]
    free = [place for place, word in enumerate(words) if word in ("then", "next", "so", "thus")]
    assert len(free) >= 2
    for place in range(len(words)):
        counts = Counter(chain[place] for chain in found)
        pair = {"then", "next"} if words[place] in ("then", "next") else {"so", "thus"}
        assert set(counts) == (pair if place in free else {words[place]})
        assert place not in free or counts[words[place]] == pytest.approx(1000, abs=100)
    # Every coin is thrown by itself: all combinations of two come.
    assert len({tuple(chain[place] for place in free[:2]) for chain in found}) == 4


def test_documents_are_repeatable_and_every_word_is_one_token():
    texts = documents("validation", 50, 0, "chatty")
    assert texts == documents("validation", 50, 0, "chatty") != documents("validation", 50, 1, "chatty")
    tokenizer = symbol_tokenizer(VOCABULARY, context=256)
    assert len(tokenizer) == 2 + 134
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert len(ids) == len(text.split()) and tokenizer.decode(ids) == text
    with pytest.raises(ValueError, match="count: got 0"):
        documents("train", 0, 0)
    with pytest.raises(ValueError, match="style: got 'loud'"):
        documents("train", 1, 0, "loud")


@pytest.mark.parametrize("name", ["success", "give_up", "recheck"])
def test_a_demonstrator_checks_its_probabilities(name):
    with pytest.raises(ValueError, match=f"{name}: got 1.5"):
        Demonstrator(**{name: 1.5})


def test_a_demonstrator_needs_an_attempt_and_an_end():
    with pytest.raises(ValueError, match="attempts: got 0"):
        Demonstrator(attempts=0)
    with pytest.raises(ValueError, match="recheck: got 1"):
        Demonstrator(recheck=1)


def test_the_reward_reads_the_last_answer_alone():
    problem = Problem((6, 7, 8), 5)
    assert reward(problem, "so ans 7 + 6 - 8".split()) == 1
    assert reward(problem, "so ans 6 + 7 - 8".split()) == 1  # a >= b is not asked for
    assert reward(problem, "ans 7 + 6 - 8 so ans 8 + 6 - 7".split()) == 0
    assert reward(problem, "so ans 7 + 6 - 8".split(), complete=False) == 0
    assert answer_value(problem, "so ans 8 + 6 - 7".split()) == 7
    for wrong in ("7 + 6", "7 + 6 - 8 9", "7 + 6 - 6", "7 / 6 - 8", "7 + 6 8 -", "yes", ""):
        assert answer_value(problem, ["ans", *wrong.split()]) is None
    assert answer_value(problem, []) is None


def test_negative_values_on_the_way_are_accepted():
    assert reward(Problem((1, 5, 9), 5), "ans 1 - 5 + 9".split()) == 1


TRIED = "try product first 9 * 8 = 72 then 72 + 8 = 80 no"
GOOD = f"{TRIED} go back work from target 7 + 9 = 16 then 8 + 8 = 16 yes so ans 8 + 8 - 9"
GAVE_UP = f"{TRIED} so ans 9 * 8 + 8"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, "none"),
        (GOOD.replace("80 no", "81 no"), "none"),  # the answer is right all the same
        (GOOD.replace("8 + 8 - 9", "9 * 8 + 8"), "execution"),  # not the expression that was found
        (GOOD.replace("16 yes so ans 8 + 8 - 9", "16 no so ans 8 + 8 - 7"), "execution"),
        (GOOD.replace("ans 8 + 8 - 9", "so"), "malformed"),
        (GAVE_UP, "plan"),
        (GAVE_UP.replace("80 no", "81 no"), "execution"),
        (GAVE_UP.replace("72 + 8 = 80", "71 + 8 = 79"), "execution"),
        (GAVE_UP.replace("80 no", "80 yes"), "execution"),
        (GAVE_UP.replace("product", "sum"), "execution"),
        (GAVE_UP.replace("+ 8", "+ 7").replace("80", "79"), "execution"),  # 7 is none of the digits
    ],
)
def test_errors_are_told_apart(text, expected):
    assert error_type(Problem((8, 8, 9), 7), text.split()) == expected


def test_a_chain_that_is_cut_off_ran_out_of_length():
    words = GOOD.split()[:20]
    assert error_type(Problem((8, 8, 9), 7), words, complete=False) == "plan"


def test_a_chain_that_does_not_follow_the_grammar_is_refused_with_its_place():
    with pytest.raises(ValueError, match="got 'maybe' at 0"):
        parse(["maybe"])
    with pytest.raises(ValueError, match="got '' at"):
        parse(GOOD.split()[:10])
    with pytest.raises(ValueError, match="the end"):
        parse([*GOOD.split(), "yes"])
    assert [a.expression for a in parse(GOOD.split()).attempts] == ["9 * 8 + 8".split(), "8 + 8 - 9".split()]


def test_every_token_has_a_class_and_a_role():
    words = [*GOOD.split(), "<|endoftext|>"]
    classes = token_classes(words)
    assert len(classes) == len(words)
    first = "opener strategy phrase first operator second equals result synonym copy operator linked equals result"
    assert classes[:15] == [*first.split(), "verdict"]
    back = (
        "retreat phrase opener phrase phrase copy operator linked equals result synonym first operator second"
    )
    assert classes[15:29] == back.split()
    assert classes[29:] == ["equals", "result", "verdict", "closing", *["answer"] * 6, "end"]
    roles = Counter(map(role_of, classes))
    assert roles["plan"] == 8 and roles["choice"] == 8 and roles["style"] == 3
    check = token_classes("check again 9 * 8 = 72 then 72 + 8 = 80 yes".split())
    assert "first" not in check and check.count("copy") == 6 and check[:2] == ["recheck", "phrase"]


def test_broken_chains_have_classes_too():
    assert token_classes("9 9 = = yes % try".split()) == [
        *("other", "other", "equals", "equals", "verdict", "other", "opener"),
    ]
