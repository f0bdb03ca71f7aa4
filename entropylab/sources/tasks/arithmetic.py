"""Arithmetic with written solutions: sums, differences and products of whole numbers, place by place.

A text is a question, a worked solution and the answer. A number is written with the letter of the place in front of
each digit: ``u`` units, ``t`` tens, ``h`` hundreds, ``k`` thousands; capital letters mark digits of the result. So
482 + 391 reads::

    plain k0h4t8u2+k0h3t9u1=? u2+1+0=0U3, t8+9+0=1T7, h4+3+1=0H8, k0+0+0=0K0. answer K0H8T7U3.

Between the steps stands *filler*: words that carry nothing. In a ``plain`` question it is always the same, in a
``chatty`` one it is drawn from several phrasings. So a model that is trained on both is sure of everything but the
digits in the first, and in the second it is also unsure where nothing can go wrong.

A step of a sum adds two digits and the carry; a step of a difference takes the lower digit and the borrow off the upper
one; a step of a product multiplies a digit by the factor and adds the carry. In all of them, the first digit behind
``=`` is the carry or the borrow for the next step, the second one the digit of the result.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["train", "validation", "test"]
Filler = Literal["fixed", "free"]
Operation = Literal["+", "-", "*"]

PLACES = "uthk"
RESULTS = PLACES.upper()
_MARKS = {"fixed": "plain ", "free": "chatty "}
_OPENERS = ("", "", "now ", "next ", "then ", "well, ", "here ")
_ASKS = ("", "the ", "take the ", "we do the ", "look at the ")
_REMARKS = ("easy, ", "good, ", "fine, ", "let me see, ", "careful, ")
_CLOSINGS = ("answer ", "so the answer is ", "that gives ", "this makes ", "in all ")
_REMARK_SHARE = 0.25
_MIX: tuple[Operation, ...] = ("+", "+", "+", "+", "-", "-", "-", "*", "*", "*")

# The symbols that texts are made of; a space belongs to the word or the sign before it.
_WORDS = re.findall(r"[a-z]+ ?", " ".join((*_MARKS.values(), *_OPENERS, *_ASKS, *_REMARKS, *_CLOSINGS)))
VOCABULARY: tuple[str, ...] = (*"0123456789+-*=.", *PLACES, *RESULTS, "? ", ", ", ". ", *sorted(set(_WORDS)))

_EQUATION = re.compile(r"[\d+*-]+=\d[UTHK]\d")
_NUMBER = re.compile(r"(?:[uthkUTHK]?\d)+")


@dataclass(frozen=True)
class Problem:
    """One question: ``left operation right``, and how freely its solution is worded."""

    left: int
    operation: Operation
    right: int
    filler: Filler

    @property
    def answer(self) -> int:
        """The true result."""
        if self.operation == "+":
            return self.left + self.right
        return self.left - self.right if self.operation == "-" else self.left * self.right

    @property
    def question(self) -> str:
        """The text that a model continues."""
        right = spelled(self.right, 1 if self.operation == "*" else 4)
        return f"{_MARKS[self.filler]}{spelled(self.left, 4)}{self.operation}{right}=? "

    @property
    def equations(self) -> list[tuple[str, str]]:
        """The steps of the solution, each a place and an equation."""
        steps, carry = [], 0
        for place, name in enumerate(PLACES):
            a, b = (number // 10**place % 10 for number in (self.left, self.right))
            if self.operation == "-":
                left, digit, following = f"{a}-{b}-{carry}", (a - b - carry) % 10, int(a < b + carry)
            else:
                b = self.right if self.operation == "*" else b
                value = (a * b if self.operation == "*" else a + b) + carry
                left, digit, following = f"{a}{self.operation}{b}+{carry}", value % 10, value // 10
            steps.append((name, f"{left}={following}{RESULTS[place]}{digit}"))
            carry = following
        return steps

    def solution(self, rng: random.Random) -> str:
        """A worked solution: the same for each call if the filler is fixed, else worded at random."""
        *first, last = [_worded(name, equation, self.filler, rng) for name, equation in self.equations]
        remarks = [
            rng.choice(_REMARKS) if self.filler == "free" and rng.random() < _REMARK_SHARE else ""
            for _ in first
        ]
        steps = "".join(f"{step}, {remark}" for step, remark in zip(first, remarks, strict=True))
        closing = rng.choice(_CLOSINGS) if self.filler == "free" else _CLOSINGS[0]
        return f"{steps}{last}. {closing}{spelled(self.answer, 4, RESULTS)}."


def _worded(name: str, equation: str, filler: Filler, rng: random.Random) -> str:
    words = rng.choice(_OPENERS) + rng.choice(_ASKS) if filler == "free" else ""
    return f"{words}{name}{equation}"


def spelled(number: int, places: int, letters: str = PLACES) -> str:
    """A number with the letter of its place in front of each digit, zero-padded: ``spelled(42, 3)`` is "h0t4u2"."""
    digits = f"{number:0{places}d}"
    return "".join(place + digit for place, digit in zip(letters[places - 1 :: -1], digits, strict=True))


def part_of(left: int, right: int) -> Part:
    """The part that a pair of operands belongs to, by a hash: four fifths train, a tenth each for the other two.

    The order of the two and the operation do not matter: no pair of a held-out problem was ever trained on.
    """
    low, high = sorted((left, right))
    place = hashlib.blake2b(f"{low} {high}".encode(), digest_size=4).digest()
    share = int.from_bytes(place, "big") / 2**32
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


def problems(part: Part, count: int, seed: int, filler: Filler | None = None) -> list[Problem]:
    """Draw problems of one part.

    Four in ten are sums and three in ten differences of numbers with 2 to 4 digits (the larger one first); three in
    ten are products of a number with 2 or 3 digits and a digit above 1. The lengths are drawn first, then the digits.
    Sums have at most four digits.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        Which operand pairs may come, see :func:`part_of`. Within the held-out parts no question comes twice.
    count : int
        How many, at least 1.
    seed : int
        The same seed gives the same problems.
    filler : {"fixed", "free"}, optional
        Of all problems; by default each is one or the other at random.

    Returns
    -------
    list of Problem

    Raises
    ------
    ValueError
        If the part or the filler is unknown, or the count is not from 1 to what the part can give.
    """
    if part not in get_args(Part):
        raise ValueError(f"part: got {part!r}, allowed are {get_args(Part)}")
    if filler is not None and filler not in get_args(Filler):
        raise ValueError(f"filler: got {filler!r}, allowed are {get_args(Filler)} and None")
    limit = 10_000_000 if part == "train" else 5_000
    if not 1 <= count <= limit:
        raise ValueError(f"count: got {count}, allowed is 1 to {limit} for the part {part!r}")
    rng = random.Random(f"arithmetic {part} {seed}")
    found: list[Problem] = []
    seen: set[tuple[int, str, int]] = set()
    while len(found) < count:
        operation = rng.choice(_MIX)
        if operation == "*":
            left, right = _number(rng, (2, 3)), rng.randrange(2, 10)
        else:
            left, right = _number(rng, (2, 3, 4)), _number(rng, (2, 3, 4))
        kind: Filler = rng.choice(get_args(Filler))
        if operation == "-" and left < right:
            left, right = right, left
        key = (left, operation, right)
        if part_of(left, right) != part or key in seen or (operation == "+" and left + right > 9999):
            continue
        if part != "train":
            seen.add(key)
        found.append(Problem(left, operation, right, filler or kind))
    return found


def _number(rng: random.Random, lengths: tuple[int, ...]) -> int:
    digits = rng.choice(lengths)
    return rng.randrange(10 ** (digits - 1), 10**digits)


def documents(part: Part, count: int, seed: int) -> list[str]:
    """Full texts, each a question with its worked solution; half of them with free filler.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        Which operand pairs may come.
    count : int
        How many texts, at least 1.
    seed : int
        The same seed gives the same texts.

    Returns
    -------
    list of str
        Made of the symbols in ``VOCABULARY``, at most 100 of them each.

    Raises
    ------
    ValueError
        As :func:`problems`.
    """
    rng = random.Random(f"arithmetic words {part} {seed}")
    return [problem.question + problem.solution(rng) for problem in problems(part, count, seed)]


@dataclass(frozen=True)
class Grade:
    """How a written solution fares: is the answer right, and which of the expected steps are."""

    correct: bool
    steps: tuple[bool, ...]

    @property
    def first_wrong_step(self) -> int | None:
        """Number of the first wrong or missing step, ``None`` if all are right."""
        return None if all(self.steps) else self.steps.index(False)


def grade(problem: Problem, text: str) -> Grade:
    """Grade a written solution against the truth.

    Parameters
    ----------
    problem : Problem
        The question.
    text : str
        What was written after the question.

    Returns
    -------
    Grade
        ``correct`` if the last number of the text, without the letters, is the true answer. ``steps``: for each step
        of the reference solution, whether the equation at its position is the same, character by character. Nothing
        is evaluated.
    """
    numbers = _NUMBER.findall(text)
    written = _EQUATION.findall(text)
    expected = [equation for _, equation in problem.equations]
    steps = tuple(i < len(written) and written[i] == equation for i, equation in enumerate(expected))
    last = re.sub(r"\D", "", numbers[-1]) if numbers else ""
    return Grade(last != "" and int(last) == problem.answer, steps)


def corrected(problem: Problem, text: str) -> str | None:
    """A written solution with its own words, but the true steps and the true answer.

    Parameters
    ----------
    problem : Problem
        The question.
    text : str
        What was written after the question.

    Returns
    -------
    str or None
        ``None`` if the text does not have as many equations as the solution, or no answer behind them.
    """
    expected = [equation for _, equation in problem.equations]
    found = list(_EQUATION.finditer(text))
    answers = [match for match in _NUMBER.finditer(text) if found and match.start() >= found[-1].end()]
    if len(found) != len(expected) or not answers:
        return None
    pieces, end = [], 0
    for match, truth in zip(
        [*found, answers[-1]], [*expected, spelled(problem.answer, 4, RESULTS)], strict=True
    ):
        pieces += [text[end : match.start()], truth]
        end = match.end()
    return "".join(pieces) + text[end:]
