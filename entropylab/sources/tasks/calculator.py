"""A calculator for what a model writes: whole numbers of one or two digits and + - *, from left to right.

It is a grammar, not a language: a number, then pairs of an operator and a number. There are no powers, brackets,
names or attributes to evaluate, and the length is bounded before anything is read, so hostile input costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

OPERATORS = ("+", "-", "*")
MOST_NUMBERS = 5
# The longest text that can be right: five numbers of two digits and four operators, with a space behind each.
_MOST_CHARACTERS = 3 * MOST_NUMBERS + 2 * (MOST_NUMBERS - 1)


def calculate(expression: str | Sequence[str], *, modulus: int | None = None) -> int:
    """The value of a chain of operations, applied from left to right, without precedence.

    Parameters
    ----------
    expression : str or sequence of str
        Words such as ``"47 * 28"``, separated by single spaces, or the list of them: 1 to 5 numbers from 0 to 99,
        written without a sign or a leading zero, with ``+``, ``-`` or ``*`` between them.
    modulus : int, optional
        Take every intermediate result modulo this number, 2 or more.

    Returns
    -------
    int
        At most 99**5 in size.

    Raises
    ------
    ValueError
        If the expression is not of this form. The time is bounded, whatever is given.

    Examples
    --------
    >>> calculate("9 * 8 + 8")
    80
    >>> calculate("47 * 28", modulus=100)
    16
    """
    if modulus is not None and modulus < 2:
        raise ValueError(f"modulus: got {modulus}, allowed is 2 or more, or None")
    if isinstance(expression, str):
        if len(expression) > _MOST_CHARACTERS:
            raise ValueError(
                f"expression: got {len(expression)} characters, allowed are {_MOST_CHARACTERS} at most"
            )
        words: Sequence[str] = expression.strip(" ").split(" ")
    else:
        words = expression
    if len(words) % 2 == 0 or len(words) > 2 * MOST_NUMBERS - 1:
        raise ValueError(
            f"expression: got {len(words)} words, allowed are 1 to {MOST_NUMBERS} numbers with an operator between"
        )
    value = _number(words[0])
    for operator, word in zip(words[1::2], words[2::2], strict=True):
        if operator not in OPERATORS:
            raise ValueError(
                f"expression: got the operator {_shown(operator)}, allowed are {', '.join(OPERATORS)}"
            )
        value = _applied(value, operator, _number(word))
        value = value if modulus is None else value % modulus
    return value


def _applied(left: int, operator: str, right: int) -> int:
    if operator == "+":
        return left + right
    return left - right if operator == "-" else left * right


def _number(word: str) -> int:
    # isdecimal alone would let digits of other scripts through.
    if not (0 < len(word) <= 2 and word.isascii() and word.isdecimal() and (word == "0" or word[0] != "0")):
        raise ValueError(f"expression: got {_shown(word)} as a number, allowed are 0 to 99")
    return int(word)


def _shown(word: str) -> str:
    return repr(word if len(word) <= 12 else word[:12] + "...")
