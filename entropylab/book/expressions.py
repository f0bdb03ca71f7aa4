"""A small, safe language for the criteria in ``claims.yml``.

A criterion is text that a reader may change, so it is never handed to Python's own evaluator. It is parsed,
checked against a list of allowed forms, and then walked. What is left out on purpose: powers and shifts (a
short text could ask for an astronomically large number), attributes, subscripts, strings and every call but
``abs``, ``min``, ``max``.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final

Number = float | int | bool

MAX_LENGTH: Final = 500
MAX_NODES: Final = 120

_ARITHMETIC: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: Final[dict[str, Callable[..., Number]]] = {"abs": abs, "min": min, "max": max}
_ALLOWED: Final = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp,
    ast.Compare, ast.Call, ast.Name, ast.Load, ast.Constant, *_ARITHMETIC, *_COMPARISONS,
)  # fmt: skip


def names(expression: str) -> list[str]:
    """Names of the quantities that an expression uses, in order of appearance.

    Parameters
    ----------
    expression : str
        For example ``"excess > 0 and control < 0.02"``.

    Returns
    -------
    list of str
        Without repetition, without ``abs``, ``min`` and ``max``.

    Raises
    ------
    ValueError
        If the text is not an allowed expression.
    """
    found = [n for n in ast.walk(_parse(expression)) if isinstance(n, ast.Name) and n.id not in _FUNCTIONS]
    return list(dict.fromkeys(n.id for n in sorted(found, key=lambda n: n.col_offset)))


def evaluate(expression: str, quantities: Mapping[str, Number]) -> bool:
    """Decide a criterion.

    Parameters
    ----------
    expression : str
        Numbers, names, ``+ - * /``, comparisons (also chained), ``and or not``, ``abs``, ``min``, ``max``.
    quantities : mapping of str to number
        Values of the names.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If the text is not an allowed expression, names an unknown quantity, divides by zero, or does not give
        a truth value.

    Examples
    --------
    >>> evaluate("0 <= small < 0.02 and large > 0.5", {"small": 0.01, "large": 1.4})
    True
    """
    tree = _parse(expression)
    try:
        value = _value(tree.body, quantities, expression)
    except ZeroDivisionError as error:
        raise ValueError(f"criterion {expression!r} divides by zero") from error
    except TypeError as error:
        raise ValueError(f"criterion {expression!r} cannot be computed: {error}") from error
    if not isinstance(value, bool):
        raise ValueError(
            f"criterion {expression!r} must be true or false, but gives {value!r}: compare it to something"
        )
    return value


def _parse(expression: str) -> ast.Expression:
    """Parse and refuse everything that is not on the list, before anything is computed."""
    if not isinstance(expression, str) or not expression.strip():
        raise ValueError(f"a criterion must be a text with an expression, not {expression!r}")
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"a criterion may have {MAX_LENGTH} characters, this one has {len(expression)}")
    try:
        tree = ast.parse(" ".join(expression.split()), mode="eval")  # may stand on several lines
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"criterion {expression!r} is not an expression: {error}") from error
    for count, node in enumerate(ast.walk(tree), start=1):
        if count > MAX_NODES:
            raise ValueError(f"criterion {expression!r} is too long: more than {MAX_NODES} parts")
        if not isinstance(node, _ALLOWED):
            raise ValueError(
                f"criterion {expression!r} uses {type(node).__name__}; allowed are numbers, names, + - * /, "
                "comparisons, and/or/not, abs, min, max"
            )
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool | int | float):
            raise ValueError(
                f"criterion {expression!r} has the constant {node.value!r}; only numbers are allowed"
            )
        if isinstance(node, ast.Call):
            _check_call(node, expression)
    return tree


def _check_call(node: ast.Call, expression: str) -> None:
    if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS or node.keywords:
        raise ValueError(f"criterion {expression!r} calls something; only abs, min and max can be called")
    count = len(node.args)
    if (node.func.id == "abs" and count != 1) or (node.func.id != "abs" and count < 2):
        raise ValueError(f"criterion {expression!r} calls {node.func.id} with {count} arguments")


def _value(node: ast.expr, quantities: Mapping[str, Number], expression: str) -> Number:
    match node:
        case ast.Constant(value=bool() as truth):
            return truth
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            if name not in quantities:
                known = ", ".join(sorted(quantities)) or "nothing"
                raise ValueError(
                    f"criterion {expression!r} needs {name!r}, which was not recorded (recorded: {known})"
                )
            return quantities[name]
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_truths(values, quantities, expression))
        case ast.BoolOp(values=values):
            return any(_truths(values, quantities, expression))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _truths([operand], quantities, expression)[0]
        case ast.UnaryOp(op=sign, operand=operand):
            number = float(_value(operand, quantities, expression))
            return -number if isinstance(sign, ast.USub) else number
        case ast.BinOp(left=left, op=op, right=right):
            a, b = (float(_value(side, quantities, expression)) for side in (left, right))
            return _ARITHMETIC[type(op)](a, b)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_value(side, quantities, expression) for side in (left, *others)]
            return all(_COMPARISONS[type(op)](a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*(_value(arg, quantities, expression) for arg in args))
    raise ValueError(f"criterion {expression!r} has an unknown part")  # the list of allowed forms leaves none


def _truths(nodes: list[ast.expr], quantities: Mapping[str, Number], expression: str) -> list[bool]:
    """All sides of and/or/not, without short cuts: an unknown quantity is always named."""
    found = []
    for node in nodes:
        value = _value(node, quantities, expression)
        if not isinstance(value, bool):
            raise ValueError(f"criterion {expression!r} joins {value!r} with and/or/not: compare it first")
        found.append(value)
    return found
