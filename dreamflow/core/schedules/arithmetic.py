"""Arithmetic in time, in a closed grammar: text is parsed, looked through, and never run."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from dreamflow.core.errors import SettingsError

MAX_EXPRESSION_CHARS = 200
"""Characters of an expression at most; so nesting is bounded, too."""
ALLOWED_CHARACTERS = re.compile(r"[0-9A-Za-z_.+\-*/^(), \t]*")
VARIABLES = ("t", "p")
"""Seconds, and the share of the whole that has passed, 0 to 1."""
CONSTANTS = {"pi": math.pi}
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1),
    "abs": (math.fabs, 1, 1),
    "min": (min, 2, 8),
    "max": (max, 2, 8),
}
"""Each with the least and the largest number of its arguments."""
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # Of floats, and never complex: a power that is too large is refused at once.
    ast.Pow: math.pow,
}
KNOWN_NAMES_TEXT = ", ".join([*VARIABLES, *CONSTANTS, *FUNCTIONS])


@dataclass(frozen=True)
class Expression:
    """A number, or arithmetic with `t`, `p`, `pi`, + - * / ^ and a few functions."""

    text: str
    tree: ast.expr = field(init=False, compare=False, repr=False)
    constant: bool = field(init=False, compare=False, repr=False)
    """Whether it is the same at all times."""

    def __post_init__(self) -> None:
        """Raise SettingsError, with what is wrong, where the text is not in the grammar."""
        tree = parse_expression(self.text)
        found = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "constant", not set(found) & set(VARIABLES))

    def __call__(self, t: float, p: float) -> float:
        """Return the value at `t` seconds, `p` of the whole; NaN where it has none."""
        try:
            value = evaluate_tree(self.tree, {"t": t, "p": p, **CONSTANTS})
        except (ArithmeticError, ValueError):
            return math.nan
        return value if math.isfinite(value) else math.nan


def parse_expression(text: str) -> ast.expr:
    """Return the tree of an expression that holds nothing but the grammar."""
    if len(text) > MAX_EXPRESSION_CHARS:
        raise SettingsError(f"it is longer than {MAX_EXPRESSION_CHARS} characters")
    if strange := ALLOWED_CHARACTERS.sub("", text):
        raise SettingsError(f"{strange[0]!r} cannot stand in a value")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on its own style
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SettingsError(f"{text.strip()!r} is not a number or arithmetic") from None
    check_grammar(tree)
    return tree


def check_grammar(node: ast.expr) -> None:
    """Raise SettingsError where a tree holds anything but the grammar."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingsError("a number in it is not finite")
        case ast.Name(id=name):
            if name not in VARIABLES and name not in CONSTANTS:
                raise SettingsError(f"{name!r} is not known; known are {KNOWN_NAMES_TEXT}")
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            check_grammar(operand)
        case ast.BinOp(op=kind, left=left, right=right) if type(kind) in OPERATORS:
            check_grammar(left)
            check_grammar(right)
        case ast.Call(func=ast.Name(id=name), args=given, keywords=[]):
            if name not in FUNCTIONS:
                raise SettingsError(f"{name!r} is not known; known are {KNOWN_NAMES_TEXT}")
            _, least, most = FUNCTIONS[name]
            if not least <= len(given) <= most:
                wanted = f"{least} value" if most == 1 else f"{least} to {most} values"
                raise SettingsError(f"{name}() takes {wanted}")
            for argument in given:
                check_grammar(argument)
        case _:
            raise SettingsError(
                f"{ast.unparse(node)!r} cannot stand in a value: there are numbers, + - * / ^, "
                f"brackets, and {KNOWN_NAMES_TEXT}"
            )


def evaluate_tree(node: ast.expr, variables: dict[str, float]) -> float:
    """Return the value of a checked tree. Raises ArithmeticError or ValueError without one."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return variables[name]
        case ast.UnaryOp(op=kind, operand=operand):
            inner = evaluate_tree(operand, variables)
            return -inner if isinstance(kind, ast.USub) else inner
        case ast.BinOp(op=kind, left=left, right=right):
            return OPERATORS[type(kind)](
                evaluate_tree(left, variables), evaluate_tree(right, variables)
            )
        case ast.Call(func=ast.Name(id=name), args=given):
            return FUNCTIONS[name][0](*[evaluate_tree(argument, variables) for argument in given])
    raise ValueError(f"{node!r} was not checked")
