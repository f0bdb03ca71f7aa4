"""Calc-chain: two to four operations modulo 100, each done in the head or by a calculator that answers in the chain.

    92 + 5 - 7 * 28 -> ? : step 92 + 5 = 97 next step call 97 - 7 ret 90 next step 90 * 28 = 20 so ans 20

A mental step writes its result after ``=``. A step with ``call`` stops at ``ret``, and the calculator writes the next
word: that one is the environment's, never the policy's, whatever stands before it. An operation is easy (plus or minus
1 to 9, staying within 0 to 99) or hard (times 11 to 99), so that what the tool is needed for is known. Demonstrations
call it with one probability, whatever the difficulty: they use it both too much and too little.

The calculator and the reward read a fixed grammar of bounded length; nothing is evaluated.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple, get_args

from entropylab.sources.tasks.calculator import calculate
from entropylab.sources.tasks.chains import HIGHEST, Part, WordReader, answer_of, part_of, text_of
from entropylab.sources.tasks.chains import VOCABULARY as VOCABULARY  # a recipe asks the task for it

MODULUS = HIGHEST + 1
FEWEST, MOST = 2, 4
HARD_SHARE = 0.4
MOST_CALLS = 4
# What the calculator answers where it was not asked as it should be, or too often.
ERROR = "%"


class Operation(NamedTuple):
    """One operation on the value so far."""

    operator: str
    operand: int

    @property
    def hard(self) -> bool:
        """Whether it is a multiplication."""
        return self.operator == "*"

    @property
    def words(self) -> list[str]:
        """The operation, a word a symbol."""
        return [self.operator, str(self.operand)]

    def of(self, value: int) -> int:
        """The value after it, modulo 100."""
        return calculate([str(value), *self.words], modulus=MODULUS)


@cache
def operations_at(value: int) -> tuple[Operation, ...]:
    """All operations that may follow a value from 0 to 99, easy ones first."""
    easy = [Operation("+", d) for d in range(1, 10) if value + d <= HIGHEST]
    easy += [Operation("-", d) for d in range(1, 10) if value - d >= 0]
    return (*easy, *(Operation("*", d) for d in range(11, HIGHEST + 1)))


@dataclass(frozen=True)
class Problem:
    """A start value and the operations, from left to right."""

    start: int
    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.start <= HIGHEST:
            raise ValueError(f"start: got {self.start}, allowed is 0 to {HIGHEST}")
        if not FEWEST <= len(self.operations) <= MOST:
            raise ValueError(f"operations: got {len(self.operations)}, allowed are {FEWEST} to {MOST}")
        value = self.start
        for operation in self.operations:
            if operation not in operations_at(value):
                raise ValueError(
                    f"operations: got {' '.join(operation.words)} at {value}, allowed are + and - of 1 to 9 that stay "
                    f"within 0 to {HIGHEST}, and * of 11 to {HIGHEST}"
                )
            value = operation.of(value)

    @classmethod
    def read(cls, words: Sequence[str]) -> Problem:
        """The problem of a prompt; ``ValueError`` if it is none."""
        reader = WordReader(words)
        start, operations = reader.number(), list[Operation]()
        while reader.following != "->" and len(operations) <= MOST:
            operations.append(Operation(reader.take("+", "-", "*"), reader.number()))
        problem = cls(start, tuple(operations))
        if list(words) != problem.prompt():
            raise ValueError(f"words: got {len(words)} words, allowed is that the prompt ends with -> ? :")
        return problem

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The start value, and the value after each operation."""
        values = [self.start]
        for operation in self.operations:
            values.append(operation.of(values[-1]))
        return tuple(values)

    @property
    def answer(self) -> int:
        """The value after the last operation."""
        return self.values[-1]

    @property
    def part(self) -> Part:
        """Which part the problem is in, by a hash."""
        return part_of(" ".join(self.prompt()))

    def prompt(self) -> list[str]:
        """The words that a model continues."""
        return [
            str(self.start),
            *(w for operation in self.operations for w in operation.words),
            "->",
            "?",
            ":",
        ]


def draw(part: Part, rng: random.Random) -> Problem:
    """Draw a problem of one part: start and number of operations uniform, each hard with probability 0.4.

    Parameters
    ----------
    part : {"train", "validation", "test"}
        No problem is in two.
    rng : random.Random

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if part not in get_args(Part):
        raise ValueError(f"part: got {part!r}, allowed are {get_args(Part)}")
    while True:
        start = value = rng.randrange(MODULUS)
        operations = []
        for _ in range(rng.randint(FEWEST, MOST)):
            hard = rng.random() < HARD_SHARE
            operations.append(rng.choice([o for o in operations_at(value) if o.hard == hard]))
            value = operations[-1].of(value)
        problem = Problem(start, tuple(operations))
        if problem.part == part:
            return problem


def problems(part: Part, count: int, seed: int) -> list[Problem]:
    """Distinct problems of one part.

    Parameters
    ----------
    part : {"train", "validation", "test"}
    count : int
        How many, 1 to 100,000.
    seed : int
        The same seed gives the same problems.

    Returns
    -------
    list of Problem

    Raises
    ------
    ValueError
        If there is no such part or the count is not allowed.
    """
    if not 1 <= count <= 100_000:
        raise ValueError(f"count: got {count}, allowed is 1 to 100000")
    rng = random.Random(f"calc-chain problems {part} {seed}")
    found: dict[Problem, None] = {}
    while len(found) < count:
        found[draw(part, rng)] = None
    return list(found)


# --- demonstrations and the calculator -------------------------------------------------------------------------


def demonstrate(problem: Problem, tool: float, rng: random.Random) -> list[str]:
    """Write a chain whose results are all right.

    Parameters
    ----------
    problem : Problem
    tool : float
        Probability of a call, the same for every step.
    rng : random.Random

    Returns
    -------
    list of str
        The words after the prompt, with those of the calculator; the end-of-text token is not among them.

    Raises
    ------
    ValueError
        If ``tool`` is no probability.
    """
    if not 0 <= tool <= 1:
        raise ValueError(f"tool: got {tool}, allowed is 0 to 1")
    words: list[str] = []
    for value, operation, result in zip(problem.values, problem.operations, problem.values[1:]):
        call = rng.random() < tool
        words += ["next"] * bool(words) + ["step"] + ["call"] * call
        words += [str(value), *operation.words, "ret" if call else "=", str(result)]
    return [*words, "so", "ans", str(problem.answer)]


def documents(part: Part, count: int, seed: int, tool: float = 0.5) -> list[str]:
    """Prompts with their chains.

    Parameters
    ----------
    part : {"train", "validation", "test"}
    count : int
        How many, at least 1.
    seed : int
        The same seed gives the same texts.
    tool : float
        Probability of a call.

    Returns
    -------
    list of str
        Made of the symbols in ``VOCABULARY``.

    Raises
    ------
    ValueError
        If the part is unknown, the count below 1 or ``tool`` no probability.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, allowed is 1 or more")
    rng = random.Random(f"calc-chain {part} {seed}")
    texts = []
    for _ in range(count):
        problem = draw(part, rng)
        texts.append(text_of(problem.prompt() + demonstrate(problem, tool, rng)))
    return texts


def injected(words: Sequence[str]) -> list[bool]:
    """Which words of a chain are the environment's: those behind ``ret``.

    Parameters
    ----------
    words : sequence of str
        The words after the prompt; any chain can be given.

    Returns
    -------
    list of bool
        These words are never sampled, and belong in no loss and no mean of entropies. A ``ret`` that is injected itself
        asks for nothing.
    """
    marks: list[bool] = []
    for place in range(len(words)):
        marks.append(place > 0 and words[place - 1] == "ret" and not marks[-1])
    return marks


def calculator(words: Sequence[str]) -> str:
    """What the environment writes after a chain that ends with ``ret``.

    Parameters
    ----------
    words : sequence of str
        The words after the prompt, up to ``ret``.

    Returns
    -------
    str
        The result modulo 100 of ``call a op b ret``, for the first four calls; ``ERROR`` for anything else.
    """
    if len(words) < 5 or words[-5] != "call" or words[-1] != "ret" or words.count("ret") > MOST_CALLS:
        return ERROR
    try:
        return str(calculate(words[-4:-1], modulus=MODULUS))
    except ValueError:
        return ERROR


# --- reading chains --------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One step as written; ``result`` is ``None`` for the calculator's error, ``place`` that of the word ``step``."""

    called: bool
    left: int
    operation: Operation
    result: int | None
    place: int

    @property
    def holds(self) -> bool:
        """Whether the result is that of what is written."""
        return self.operation.of(self.left) == self.result


class Chain(NamedTuple):
    """A chain that follows the grammar."""

    steps: list[Step]
    answer: int


class _Reader(WordReader):
    """Reads the steps of this task."""

    def step(self) -> Step:
        place = self.place
        self.take("step")
        called = self.following == "call"
        if called:
            self.take()
        left, operation = self.number(), Operation(self.take("+", "-", "*"), self.number())
        self.take("ret" if called else "=")
        if called and self.following == ERROR:
            self.take()
            return Step(called, left, operation, None, place)
        return Step(called, left, operation, self.number(), place)


def parse(words: Sequence[str]) -> Chain:
    """Read a complete chain.

    Parameters
    ----------
    words : sequence of str
        The words after the prompt, without the end-of-text token.

    Returns
    -------
    Chain

    Raises
    ------
    ValueError
        If the chain does not follow the grammar; the message names the first word that does not.
    """
    reader, steps = _Reader(words), list[Step]()
    while not steps or reader.take("next", "so") == "next":
        steps.append(reader.step())
    reader.take("ans")
    answer = reader.number()
    if reader.place != len(words):
        raise ValueError(f"words: got {len(words)} words, allowed is that the answer is the end")
    return Chain(steps, answer)


def steps_of(words: Sequence[str]) -> list[Step]:
    """The steps that can be read in a chain, in order; it need not be complete."""
    steps: list[Step] = []
    for place, word in enumerate(words):
        if word == "step":
            try:
                steps.append(_Reader(words, place).step())
            except ValueError:
                continue
    return steps


def answer_value(words: Sequence[str], *, complete: bool = True) -> int | None:
    """The number behind the last ``ans``, if that is all and the chain ended; the key of the answer's cluster."""
    answer = answer_of(words)
    if not complete or len(answer) != 1:
        return None
    try:
        return calculate(answer)
    except ValueError:
        return None


def reward(problem: Problem, words: Sequence[str], *, complete: bool = True) -> int:
    """1 if the answer is right, else 0, whatever the steps say."""
    return int(answer_value(words, complete=complete) == problem.answer)


class StepCheck(NamedTuple):
    """One step against what it should be.

    Attributes
    ----------
    step : Step
    asked : bool
        Whether operator and operand are those of the problem at this place.
    copied : bool
        Whether the left value is the result written before (first: the start value).
    on_track : bool
        Whether the left value is the true one: after a wrong result, a step can be either, not both.
    holds : bool
        Whether the result is right for what the step says.
    """

    step: Step
    asked: bool
    copied: bool
    on_track: bool
    holds: bool


def check_steps(problem: Problem, words: Sequence[str]) -> list[StepCheck]:
    """Check all steps that can be read, one by one.

    Parameters
    ----------
    problem : Problem
    words : sequence of str
        The words after the prompt; the chain need not be complete.

    Returns
    -------
    list of StepCheck
        Steps beyond the problem's last operation are neither asked for nor on track.
    """
    checks = []
    written: int | None = problem.start
    for number, step in enumerate(steps_of(words)):
        there = number < len(problem.operations)
        checks.append(
            StepCheck(
                step,
                there and step.operation == problem.operations[number],
                step.left == written,
                there and step.left == problem.values[number],
                step.holds,
            )
        )
        written = step.result
    return checks


ErrorType = Literal["none", "result", "call", "copy", "steps", "answer", "length", "malformed"]


def error_type(problem: Problem, words: Sequence[str], *, complete: bool = True) -> ErrorType:
    """Why a chain fails: its first error.

    Parameters
    ----------
    problem : Problem
    words : sequence of str
        The chain without the end-of-text token.
    complete : bool
        Whether it ended.

    Returns
    -------
    str
        "none" for reward 1. "copy": a step begins with another value than was written before, or does another operation
        than the problem's. "result": a mental result is wrong. "call": the calculator answered with an error, or its
        word is not what it would have said. With all steps in order: "steps", there are too few; "answer", it is not
        the last result. "length": the chain was cut off. "malformed": it does not follow the grammar.
    """
    if reward(problem, words, complete=complete):
        return "none"
    for check in check_steps(problem, words):
        if not (check.asked and check.copied):
            return "copy"
        if not check.holds:
            return "call" if check.step.called else "result"
    if not complete:
        return "length"
    try:
        chain = parse(words)
    except ValueError:
        return "malformed"
    return "steps" if len(chain.steps) < len(problem.operations) else "answer"


# --- roles of tokens -------------------------------------------------------------------------------------------

Role = Literal["plan", "execution", "environment"]
# "decision" is the word after step: call, or the first value of a mental step.
TokenClass = Literal[
    "step", "decision", "copy", "equals", "result", "return", "injected", "link", "answer", "end", "other"
]
ROLES: dict[str, Role] = {"decision": "plan", "injected": "environment"}
_FIXED: dict[str, TokenClass] = {
    **{"step": "step", "=": "equals", "ret": "return", "ans": "answer"},
    **dict.fromkeys(("next", "so"), "link"),
}


def token_classes(words: Sequence[str]) -> list[TokenClass]:
    """What each token of a chain is, by its place; any chain can be given, also one that breaks off.

    Parameters
    ----------
    words : sequence of str
        The words after the prompt; an end-of-text token is of class "end".

    Returns
    -------
    list of str
        A class for each word; :func:`role_of` gives its role.
    """
    classes: list[TokenClass] = []
    before, answering = "", False
    for word, environment in zip(words, injected(words), strict=True):
        answering |= before == "ans"
        if environment:
            classes.append("injected")
        elif word.startswith("<|"):
            classes.append("end")
        elif before == "step":
            classes.append("decision")
        elif word in _FIXED:
            classes.append(_FIXED[word])
        elif before == "=":
            classes.append("result")
        elif word.isdecimal() or word in ("+", "-", "*"):
            classes.append("answer" if answering else "copy")
        else:
            classes.append("other")
        before = "" if environment else word
    return classes


def role_of(token_class: TokenClass) -> Role:
    """The role of a class: plan, environment, or execution for all that follows from what stands before."""
    return ROLES.get(token_class, "execution")
