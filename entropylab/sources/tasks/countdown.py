"""Countdown: reach a target from three digits, with a chain of thought whose every token has a known role.

A problem is three digits from 1 to 9 and a target from 1 to 99: combine all three, each once, with + - *, from left to
right. A chain tries candidates, by one of four strategies, until one hits the target or the writer gives up::

    8 8 9 -> 7 : try product first 9 * 8 = 72 next 72 + 8 = 80 no go back
    work from target 7 + 9 = 16 then 8 + 8 = 16 yes thus ans 8 + 8 - 9

The strategy *sum*, *product* or *difference* names the first operator; *work from target* undoes the last operation and
looks for what is then needed. ``then``/``next`` is a coin that carries nothing, of ln 2 nats; so is ``so`` against
``thus``, but at that place the chain also decides to stop. In a ``plain`` chain the first word of each pair is always
taken, so that all uncertainty is about decisions; a ``chatty`` one throws the coins.

The reward is exact: it reads the answer, and nothing is evaluated but a left-to-right chain of numbers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations_with_replacement, permutations, product
from typing import Literal, NamedTuple, get_args

from entropylab.sources.tasks.calculator import OPERATORS, calculate
from entropylab.sources.tasks.chains import HIGHEST, Part, WordReader, answer_of, part_of, text_of
from entropylab.sources.tasks.chains import VOCABULARY as VOCABULARY  # a recipe asks the task for it

Style = Literal["plain", "chatty"]
Strategy = Literal["sum", "product", "difference", "target"]
Digits = tuple[int, int, int]

_OPERATOR_OF: dict[str, str] = {"sum": "+", "product": "*", "difference": "-"}
_STRATEGY_OF: dict[str, Strategy] = {"+": "sum", "*": "product", "-": "difference"}
_INVERSE = {"+": "-", "-": "+", "*": "/"}


class Candidate(NamedTuple):
    """An expression ``(first op second) last_op last``, first at least second, all values from 0 to 99."""

    first: int
    operator: str
    second: int
    last_operator: str
    last: int

    @property
    def words(self) -> list[str]:
        """The expression, a word a symbol."""
        return [str(part) for part in self]

    @property
    def middle(self) -> int:
        """Value of the first operation."""
        return calculate(self.words[:3])

    @property
    def value(self) -> int:
        """Value of the whole expression."""
        return calculate(self.words)


@dataclass(frozen=True)
class Problem:
    """Three digits in ascending order and the target."""

    digits: Digits
    target: int

    def __post_init__(self) -> None:
        if len(self.digits) != 3 or list(self.digits) != sorted(self.digits):
            raise ValueError(f"digits: got {self.digits}, allowed are three in ascending order")
        if not all(1 <= digit <= 9 for digit in self.digits):
            raise ValueError(f"digits: got {self.digits}, allowed are 1 to 9")
        if not 1 <= self.target <= HIGHEST:
            raise ValueError(f"target: got {self.target}, allowed is 1 to {HIGHEST}")

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All distinct expressions of the digits."""
        return candidates_of(self.digits)

    @cached_property
    def solutions(self) -> tuple[Candidate, ...]:
        """The candidates that hit the target."""
        return tuple(c for c in self.candidates if c.value == self.target)

    @property
    def part(self) -> Part:
        """Which part the problem is in, by a hash."""
        return part_of(str((self.digits, self.target)))

    def prompt(self, rng: random.Random) -> list[str]:
        """The words that a model continues, with the digits in a random order."""
        shown = rng.sample(self.digits, 3)
        return [*map(str, shown), "->", str(self.target), ":"]


@cache
def candidates_of(digits: Digits) -> tuple[Candidate, ...]:
    """All distinct expressions of three digits, sorted."""
    found = set()
    for (a, b, c), first, last in product(permutations(digits), OPERATORS, OPERATORS):
        candidate = Candidate(a, first, b, last, c)
        if a >= b and 0 <= candidate.middle <= HIGHEST and 0 <= candidate.value <= HIGHEST:
            found.add(candidate)
    return tuple(sorted(found))


@cache
def all_problems() -> tuple[Problem, ...]:
    """All problems with a solution, sorted by digits and target."""
    found = []
    for digits in combinations_with_replacement(range(1, 10), 3):
        values = {candidate.value for candidate in candidates_of(digits)}
        found += [Problem(digits, target) for target in sorted(values - {0})]
    return tuple(found)


@cache
def problems(part: Part) -> tuple[Problem, ...]:
    """The problems of one part, sorted; no problem is in two.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if part not in get_args(Part):
        raise ValueError(f"part: got {part!r}, allowed are {get_args(Part)}")
    return tuple(problem for problem in all_problems() if problem.part == part)


# --- demonstrations --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Demonstrator:
    """A writer of chains whose arithmetic is always right, and whose luck is limited.

    ``success`` is the probability that an attempt is a solution, ``give_up`` that of stopping after a failed attempt
    (the failed candidate is then the answer), ``recheck`` that of a redundant check after a success, again and again;
    there are at most ``attempts`` attempts. The strategy is drawn uniformly, and again (20 times at most) while no
    candidate fits it.
    """

    success: float = 0.4
    give_up: float = 0.15
    recheck: float = 0.2
    attempts: int = 4

    def __post_init__(self) -> None:
        for name in ("success", "give_up", "recheck"):
            if not 0 <= getattr(self, name) <= 1 or (name == "recheck" and self.recheck == 1):
                raise ValueError(
                    f"{name}: got {getattr(self, name)}, allowed is a probability (recheck: not 1)"
                )
        if self.attempts < 1:
            raise ValueError(f"attempts: got {self.attempts}, allowed is 1 or more")

    def chain(self, problem: Problem, style: Style, rng: random.Random) -> list[str]:
        """Write one chain.

        Parameters
        ----------
        problem : Problem
        style : {"plain", "chatty"}
            Whether ``then``/``next`` and ``so``/``thus`` are free.
        rng : random.Random
            Decides everything else.

        Returns
        -------
        list of str
            The words after the prompt, up to the answer; the end-of-text token is not among them.
        """
        words: list[str] = []
        for number in range(self.attempts):
            solves = rng.random() < self.success
            candidate, strategy = _drawn(problem, solves, rng)
            words += attempt(problem, candidate, strategy, _coin("then", "next", style, rng))
            if solves:
                while rng.random() < self.recheck:
                    words += _forward(candidate, ["check", "again"], _coin("then", "next", style, rng), True)
                break
            if number + 1 == self.attempts or rng.random() < self.give_up:
                break
            words += ["go", "back"]
        return [*words, _coin("so", "thus", style, rng), "ans", *candidate.words]


def _coin(first: str, second: str, style: Style, rng: random.Random) -> str:
    return rng.choice((first, second)) if style == "chatty" else first


def _drawn(problem: Problem, solves: bool, rng: random.Random) -> tuple[Candidate, Strategy]:
    pool = [candidate for candidate in problem.candidates if (candidate.value == problem.target) == solves]
    for _ in range(20):
        strategy: Strategy = rng.choice(get_args(Strategy))
        fitting = [candidate for candidate in pool if fits(problem, candidate, strategy)]
        if fitting:
            return rng.choice(fitting), strategy
    candidate = rng.choice(pool)
    return candidate, _STRATEGY_OF[candidate.operator]


def needed(problem: Problem, candidate: Candidate) -> int | None:
    """What the first operation must give for the target to be hit; ``None`` if no number from 0 to 99 does."""
    if candidate.last_operator == "*":
        value, rest = divmod(problem.target, candidate.last)
        return None if rest else value
    sign = -1 if candidate.last_operator == "+" else 1
    value = problem.target + sign * candidate.last
    return value if 0 <= value <= HIGHEST else None


def fits(problem: Problem, candidate: Candidate, strategy: Strategy) -> bool:
    """Whether a candidate can be tried by a strategy."""
    if strategy == "target":
        return needed(problem, candidate) is not None
    return candidate.operator == _OPERATOR_OF[strategy]


def attempt(problem: Problem, candidate: Candidate, strategy: Strategy, link: str) -> list[str]:
    """The words of one attempt, with a true verdict; ``link`` stands between its two equations.

    Raises
    ------
    ValueError
        If the candidate does not fit the strategy.
    """
    if not fits(problem, candidate, strategy):
        raise ValueError(f"strategy: got {strategy!r}, which does not fit {' '.join(candidate.words)}")
    solves = candidate.value == problem.target
    if strategy != "target":
        return _forward(candidate, ["try", strategy, "first"], link, solves)
    a, operator, b, last_operator, c = candidate.words
    undone = [str(problem.target), _INVERSE[last_operator], c, "=", str(needed(problem, candidate))]
    first = [a, operator, b, "=", str(candidate.middle)]
    return ["work", "from", "target", *undone, link, *first, "yes" if solves else "no"]


def _forward(candidate: Candidate, opening: list[str], link: str, solves: bool) -> list[str]:
    middle = str(candidate.middle)
    first = [*candidate.words[:3], "=", middle]
    second = [middle, *candidate.words[3:], "=", str(candidate.value)]
    return [*opening, *first, link, *second, "yes" if solves else "no"]


def documents(part: Part, count: int, seed: int, style: Style = "plain") -> list[str]:
    """Prompts with their chains, by the default demonstrator.

    Parameters
    ----------
    part : {"train", "validation", "test"}
    count : int
        How many, at least 1.
    seed : int
        The same seed gives the same texts.
    style : {"plain", "chatty"}
        Without or with free synonyms.

    Returns
    -------
    list of str
        Made of the symbols in ``VOCABULARY``.

    Raises
    ------
    ValueError
        If the part or the style is unknown or the count is below 1.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, allowed is 1 or more")
    if style not in get_args(Style):
        raise ValueError(f"style: got {style!r}, allowed are {get_args(Style)}")
    pool, writer = problems(part), Demonstrator()
    rng = random.Random(f"countdown {part} {seed}")
    texts = []
    for _ in range(count):
        problem = rng.choice(pool)
        words = problem.prompt(rng) + writer.chain(problem, style, rng)
        texts.append(text_of(words))
    return texts


# --- reading chains --------------------------------------------------------------------------------------------


def answer_value(problem: Problem, words: Sequence[str], *, complete: bool = True) -> int | None:
    """The value of the answer if it is an expression of the problem's digits; the key of its cluster.

    Parameters
    ----------
    problem : Problem
    words : sequence of str
        The chain without the end-of-text token.
    complete : bool
        Whether the chain ended; one that was cut off has no answer.

    Returns
    -------
    int or None
        ``None`` for anything else. Neither ``a >= b`` nor values from 0 to 99 are asked for.
    """
    answer = answer_of(words)
    if not complete or len(answer) != 5 or sorted(answer[::2]) != sorted(map(str, problem.digits)):
        return None
    try:
        return calculate(answer)
    except ValueError:
        return None


def reward(problem: Problem, words: Sequence[str], *, complete: bool = True) -> int:
    """1 if the answer uses the three digits and hits the target, else 0; arguments as :func:`answer_value`."""
    return int(answer_value(problem, words, complete=complete) == problem.target)


class Equation(NamedTuple):
    """``left operator right = result``, as written."""

    left: int
    operator: str
    right: int
    result: int

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        if self.operator == "/":
            return self.right != 0 and self.result * self.right == self.left
        return calculate([str(self.left), self.operator, str(self.right)]) == self.result


class Attempt(NamedTuple):
    """One attempt or redundant check of a chain: its two equations, the verdict, and where the verdict stands."""

    strategy: Strategy | Literal["check"]
    equations: tuple[Equation, Equation]
    verdict: bool
    place: int

    @property
    def expression(self) -> list[str]:
        """The candidate that was tried, as words."""
        first, second = self.equations
        if self.strategy == "target":
            undone = {inverse: operator for operator, inverse in _INVERSE.items()}[first.operator]
            return [str(second.left), second.operator, str(second.right), undone, str(first.right)]
        return [str(first.left), first.operator, str(first.right), second.operator, str(second.right)]


class Chain(NamedTuple):
    """A chain that follows the grammar."""

    attempts: list[Attempt]
    answer: list[str]


class _Reader(WordReader):
    """Reads the equations and attempts of this task."""

    def equation(self, operators: tuple[str, ...]) -> Equation:
        left, operator, right = self.number(), self.take(*operators), self.number()
        self.take("=")
        return Equation(left, operator, right, self.number())

    def attempt(self) -> Attempt:
        strategy: Strategy | Literal["check"]
        match self.take("try", "work", "check"):
            case "try":
                strategy = _STRATEGY_OF[_OPERATOR_OF[self.take(*_OPERATOR_OF)]]
                self.take("first")
            case "work":
                strategy = "target"
                self.take("from")
                self.take("target")
            case _:
                strategy = "check"
                self.take("again")
        first = self.equation(("+", "-", "/") if strategy == "target" else OPERATORS)
        self.take("then", "next")
        second = self.equation(OPERATORS)
        return Attempt(strategy, (first, second), self.take("yes", "no") == "yes", self.place - 1)


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
    reader, attempts = _Reader(words), []
    while True:
        attempts.append(reader.attempt())
        following = reader.following
        if following == "go":
            reader.take("go")
            reader.take("back")
        elif following != "check":
            break
    reader.take("so", "thus")
    reader.take("ans")
    answer = [reader.take() for _ in range(5)]
    if reader.place != len(words):
        raise ValueError(f"words: got {len(words)} words, allowed is that the answer of five is the end")
    return Chain(attempts, answer)


# Words that mean the same, in both directions.
_SYNONYMS = {"then": "next", "next": "then", "so": "thus", "thus": "so"}


def reworded(words: Sequence[str], rng: random.Random) -> list[str]:
    """A chain with its synonyms drawn anew; what it computes and answers stays.

    Parameters
    ----------
    words : sequence of str
    rng : random.Random
        A fair coin for each ``then``, ``next``, ``so`` and ``thus``: whether its partner takes its place.

    Returns
    -------
    list of str
        As long as ``words``.
    """
    return [_SYNONYMS[word] if word in _SYNONYMS and rng.random() < 0.5 else word for word in words]


ErrorType = Literal["none", "execution", "plan", "malformed"]


def error_type(problem: Problem, words: Sequence[str], *, complete: bool = True) -> ErrorType:
    """Why a chain fails.

    Parameters
    ----------
    problem : Problem
    words : sequence of str
        The chain without the end-of-text token.
    complete : bool
        Whether it ended.

    Returns
    -------
    {"none", "execution", "plan", "malformed"}
        "none" for reward 1. "execution": an equation is false, a value or a digit was copied wrongly, or a verdict
        contradicts the numbers. "plan": all that is written is true, but the chain gave up or ran out of length.
        "malformed": it does not follow the grammar.
    """
    if reward(problem, words, complete=complete):
        return "none"
    attempts = list(_attempts_of(words))
    if not all(_is_sound(problem, tried) for tried in attempts):
        return "execution"
    if not complete:
        return "plan"
    try:
        chain = parse(words)
    except ValueError:
        return "malformed"
    # A sound chain whose answer is that of its last attempt gave up; any other answer was copied wrongly.
    return "plan" if chain.answer == chain.attempts[-1].expression else "execution"


def _attempts_of(words: Sequence[str]) -> Iterator[Attempt]:
    """All attempts that can be read, also in a chain that is cut off or malformed elsewhere."""
    for place, word in enumerate(words):
        if word in ("try", "work", "check"):
            reader = _Reader(words, place)
            try:
                yield reader.attempt()
            except ValueError:
                continue


def _is_sound(problem: Problem, tried: Attempt) -> bool:
    first, second = tried.equations
    if tried.strategy == "target":
        copied, right = first.left == problem.target, second.result == first.result
    else:
        copied, right = second.left == first.result, second.result == problem.target
        if tried.strategy != "check":
            copied &= first.operator == _OPERATOR_OF[tried.strategy]
    own = sorted(tried.expression[::2]) == sorted(map(str, problem.digits))
    return first.holds and second.holds and copied and own and tried.verdict == right


def attempts_of(words: Sequence[str]) -> list[Attempt]:
    """The attempts and redundant checks that can be read in a chain, in order; it need not be complete."""
    return list(_attempts_of(words))


# --- roles of tokens -------------------------------------------------------------------------------------------

Role = Literal["plan", "choice", "style", "execution"]
# What a token decides, by its place in the grammar. "opener" is try or work; the second word of a fixed phrase, "first"
# and the like, is a "phrase"; "linked" is the third operand (of the last operator), "second" the one beside the first.
TokenClass = Literal[
    "opener",
    "strategy",
    "phrase",
    "retreat",
    "recheck",
    "first",
    "operator",
    "second",
    "linked",
    "copy",
    "equals",
    "result",
    "verdict",
    "synonym",
    "closing",
    "answer",
    "end",
    "other",
]
ROLES: dict[str, Role] = {
    **dict.fromkeys(("opener", "strategy", "phrase", "retreat", "recheck"), "plan"),
    **dict.fromkeys(("first", "operator", "linked"), "choice"),
    **dict.fromkeys(("synonym", "closing"), "style"),
}
_FIXED: dict[str, TokenClass] = {
    **dict.fromkeys(("try", "work"), "opener"),
    **dict.fromkeys(_OPERATOR_OF, "strategy"),
    **dict.fromkeys(("first", "from", "target", "back", "again"), "phrase"),
    **dict.fromkeys(("then", "next"), "synonym"),
    **dict.fromkeys(("so", "thus"), "closing"),
    **dict.fromkeys(("yes", "no"), "verdict"),
    **{"go": "retreat", "check": "recheck", "=": "equals", "ans": "answer"},
}
_AHEAD: tuple[TokenClass, ...] = ("first", "operator", "second")
_BEHIND: tuple[TokenClass, ...] = ("copy", "operator", "linked")
_REPEATED: tuple[TokenClass, ...] = ("copy", "copy", "copy")


def token_classes(words: Sequence[str]) -> list[TokenClass]:
    """What each token of a chain decides, by its place; any chain can be given, also one that breaks off.

    Parameters
    ----------
    words : sequence of str
        The words after the prompt; an end-of-text token is of class "end".

    Returns
    -------
    list of str
        A class for each word; :func:`role_of` gives its role. In a redundant check all left sides are copies.
    """
    classes: list[TokenClass] = []
    sides: list[tuple[TokenClass, ...]] = []
    side: tuple[TokenClass, ...] = ()
    place, answering, solved = 0, False, False
    for word in words:
        if word in _FIXED:
            classes.append(_FIXED[word])
            solved = word == "="
            if word == "try":
                sides = [_AHEAD, _BEHIND]
            elif word == "work":
                sides = [_BEHIND, _AHEAD]
            elif word == "check":
                sides = [_REPEATED, _REPEATED]
            elif word == "ans":
                answering = True
            if word in ("first", "target", "again", "then", "next") and sides:
                side, place = sides.pop(0), 0
            continue
        if word.isdecimal() or word in (*OPERATORS, "/"):
            if answering:
                classes.append("answer")
            elif solved:
                classes.append("result")
                side = ()
            else:
                classes.append(side[place] if place < len(side) else "other")
                place += 1
        else:
            classes.append("end" if word.startswith("<|") else "other")
        solved = False
    return classes


def role_of(token_class: TokenClass) -> Role:
    """The role of a class: plan, choice, style, or execution for all that follows from what stands before."""
    return ROLES.get(token_class, "execution")
