"""Arithmetic with time in a closed grammar: text is parsed and checked, and never executed."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from dreamflow.core.did_you_mean import suggest_similar
from dreamflow.core.errors import SettingsError

MAX_EXPRESSION_CHARS = 200
"""Longest expression in characters, which bounds its nesting too."""
ALLOWED_CHARACTERS = re.compile(r"[0-9A-Za-z_.+\-*/^(), \t]*")
OTHER_NUMERALS = re.compile(r"(?<![\w.])0[box]|\d_\d", re.IGNORECASE)
"""Numbers that Python would read and people would not expect: `0x1f`, `0o17`, `0b1`, `1_000`."""
VARIABLES = ("t", "p")
"""Seconds, and the share of the timeline that has passed, 0 to 1."""
CONSTANTS = {"pi": math.pi}
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1),
    "abs": (math.fabs, 1, 1),
    "min": (min, 2, 8),
    "max": (max, 2, 8),
}
"""Each with its smallest and largest number of arguments."""
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # math.pow is never complex, and raises at once for a power that is too large.
    ast.Pow: math.pow,
}
KNOWN_NAMES_TEXT = ", ".join([*VARIABLES, *CONSTANTS, *FUNCTIONS])


@dataclass(frozen=True)
class Expression:
    """A number, or arithmetic with `t`, `p`, `pi`, + - * / ^ and a few functions.

    Attributes:
        text: The expression as it was written.
        tree: Its syntax tree.
        constant: Whether it has the same value at all times.
    """

    text: str
    tree: ast.expr = field(init=False, compare=False, repr=False)
    constant: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Parse the text.

        Raises:
            SettingsError: The text is not in the grammar.
        """
        tree = parse_expression(self.text)
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "constant", not set(names) & set(VARIABLES))

    def __call__(self, t: float, p: float) -> float:
        """Return the value at `t` seconds, share `p` of the timeline; NaN where it has none."""
        try:
            value = evaluate_tree(self.tree, {"t": t, "p": p, **CONSTANTS})
        except (ArithmeticError, ValueError):
            return math.nan
        return value if math.isfinite(value) else math.nan


def parse_expression(text: str) -> ast.expr:
    """Return the syntax tree of an expression.

    Raises:
        SettingsError: The text is not in the grammar.
    """
    if len(text) > MAX_EXPRESSION_CHARS:
        raise SettingsError(f"it is longer than {MAX_EXPRESSION_CHARS} characters")
    if others := ALLOWED_CHARACTERS.sub("", text):
        raise SettingsError(f"{others[0]!r} cannot stand in a value")
    if OTHER_NUMERALS.search(text):
        raise SettingsError(f"{text.strip()!r} is not in decimal numbers, as 31 and 1000 are")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on its own style
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SettingsError(f"{text.strip()!r} is not a number or arithmetic") from None
    check_grammar(tree)
    return tree


def make_unknown_name_error(name: str) -> SettingsError:
    """Return the error of a name that is neither a variable nor a function."""
    hint = suggest_similar(name, [*VARIABLES, *CONSTANTS, *FUNCTIONS], 1)
    return SettingsError(f"{name!r} is not known{hint or f'; known are {KNOWN_NAMES_TEXT}'}")


def check_grammar(node: ast.expr) -> None:
    """Raise SettingsError if a syntax tree contains anything outside the grammar."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingsError("a number in it is not finite")
        case ast.Name(id=name):
            if name not in VARIABLES and name not in CONSTANTS:
                raise make_unknown_name_error(name)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
            check_grammar(operand)
        case ast.BinOp(op=kind, left=left, right=right) if type(kind) in OPERATORS:
            check_grammar(left)
            check_grammar(right)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise make_unknown_name_error(name)
            _, fewest, most = FUNCTIONS[name]
            if not fewest <= len(arguments) <= most:
                count = f"{fewest} value" if most == 1 else f"{fewest} to {most} values"
                raise SettingsError(f"{name}() takes {count}")
            for argument in arguments:
                check_grammar(argument)
        case _:
            raise SettingsError(
                f"{ast.unparse(node)!r} cannot stand in a value: there are numbers, + - * / ^, "
                f"brackets, and {KNOWN_NAMES_TEXT}"
            )


def evaluate_tree(node: ast.expr, variables: dict[str, float]) -> float:
    """Return the value of a checked syntax tree.

    Raises:
        ArithmeticError: It has no value, or too large a one.
        ValueError: A function is not defined for its argument.
    """
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
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name][0](
                *[evaluate_tree(argument, variables) for argument in arguments]
            )
        case _:
            raise ValueError(f"{node!r} was not checked")
