"""The grammar of arithmetic with time: what may stand in an expression, and how it is refused."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.functions import FUNCTIONS
from dreamflow.core.schedules.shaping import SHAPERS
from dreamflow.core.schedules.signals import AUDIO_NAMES, BEAT_NAMES, DATA
from dreamflow.core.text.did_you_mean import did_you_mean, suggest_similar

MAX_EXPRESSION_CHARS = 200
"""Longest expression in characters, which bounds its nesting too."""
ALLOWED_CHARACTERS = re.compile(r"[0-9A-Za-z_.+\-*/^(), \t<>=!]*")
OTHER_NUMERALS = re.compile(r"(?<![\w.])0[box]|\d_\d", re.IGNORECASE)
"""Numbers that Python would read and people would not expect: `0x1f`, `0o17`, `0b1`, `1_000`."""
VARIABLES = ("t", "p")
"""Seconds, and the share of the timeline that has passed, 0 to 1."""
CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e}
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # math.pow is never complex, and raises at once for a power that is too large.
    ast.Pow: math.pow,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
JOINING_WORDS = ("if", "else", "and", "or", "not")
"""Words of the grammar that a value follows."""
KNOWN_FUNCTIONS = (*FUNCTIONS, *SHAPERS)
KNOWN_VARIABLES = (*VARIABLES, *CONSTANTS, *BEAT_NAMES, *AUDIO_NAMES)
FUNCTIONS_ELSEWHERE = {
    "random": "noise", "rand": "noise", "wiggle": "noise", "mix": "lerp", "linear": "lerp",
    "ease": "smoothstep", "ln": "log", "int": "floor", "trunc": "floor", "fmod": "mod",
    "fract": "mod", "pow": "x ^ n", "iif": "where", "limit": "clamp",
    "lag": "smooth", "decay": "env",
}  # fmt: skip
"""Functions of other programs' expressions, and what they are called here."""
MIN_FUNCTION_SIMILARITY = 0.4
"""Smallest `difflib` ratio at which the nearest function is named: names so short differ much."""
KNOWN_SIGNALS_TEXT = ", ".join([*AUDIO_NAMES, f"{DATA}.NAME"])
KNOWN_NAMES_TEXT = ", ".join([*KNOWN_VARIABLES, f"{DATA}.NAME", *KNOWN_FUNCTIONS])


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
        is_condition = re.search(r"\b(if|else)\b", text) is not None
        hint = "; write a condition as A if B else C" if is_condition else ""
        raise SettingsError(f"{text.strip()!r} is not a number or arithmetic{hint}") from None
    check_grammar(tree)
    return tree


def make_unknown_name_error(name: str) -> SettingsError:
    """Return the error of a name that is neither a variable nor a constant."""
    if name in KNOWN_FUNCTIONS:
        call = describe_call(name)
        return SettingsError(f"{name} is a function: write {call}", allowed=call)
    hint = suggest_similar(name, [*KNOWN_VARIABLES, *KNOWN_FUNCTIONS], 1)
    known = KNOWN_SIGNALS_TEXT if "." in name else KNOWN_NAMES_TEXT
    return SettingsError(f"{name!r} is not known{hint or ';'} known are {known}", allowed=known)


def make_unknown_function_error(name: str) -> SettingsError:
    """Return the error of a function that is not known."""
    if name in KNOWN_VARIABLES:
        return SettingsError(f"{name} is no function: write * to multiply")
    known = ", ".join(KNOWN_FUNCTIONS)
    nearest = FUNCTIONS_ELSEWHERE.get(name.casefold())
    hint = (
        (did_you_mean([nearest]) if nearest else "")
        or suggest_similar(name, KNOWN_FUNCTIONS, 1)
        or suggest_similar(name, KNOWN_FUNCTIONS, 1, MIN_FUNCTION_SIMILARITY)
    )
    return SettingsError(
        f"the function {name!r} is not known{hint or ';'} known are {known}", allowed=known
    )


def count_range(name: str) -> tuple[int, int]:
    """Return the smallest and largest number of values that a function takes."""
    if name in SHAPERS:
        return SHAPERS[name].count, SHAPERS[name].count
    return FUNCTIONS[name].fewest, FUNCTIONS[name].most


def signal_name(node: ast.AST) -> str | None:
    """Return the name of the signal that a node of a syntax tree is; None for any other."""
    match node:
        case ast.Name(id=name) if name in BEAT_NAMES:
            return name
        case ast.Attribute(value=ast.Name(id=family), attr=name):
            full_name = f"{family}.{name}"
            return full_name if family == DATA or full_name in AUDIO_NAMES else None
        case _:
            return None


def describe_call(name: str) -> str:
    """Return how a function is written: `env(x, attack, release)`."""
    arguments = SHAPERS[name].arguments if name in SHAPERS else FUNCTIONS[name].values
    return f"{name}({arguments})"


def dotted_name(node: ast.AST) -> str | None:
    """Return the name that a node is, or names with a dot between them; None for any other."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=family), attr=name):
            return f"{family}.{name}"
        case _:
            return None


def check_grammar(node: ast.expr) -> None:
    """Raise SettingsError if a syntax tree contains anything outside the grammar."""
    if signal_name(node) is not None:
        return
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingsError("a number in it is not finite")
        case ast.Name(id=name):
            if name not in VARIABLES and name not in CONSTANTS:
                raise make_unknown_name_error(name)
        case ast.Attribute(value=ast.Name()):
            raise make_unknown_name_error(dotted_name(node) or "")
        case ast.Call(func=function, args=arguments, keywords=[]) if name := dotted_name(function):
            if name not in KNOWN_FUNCTIONS:
                raise make_unknown_function_error(name)
            fewest, most = count_range(name)
            if not fewest <= len(arguments) <= most:
                count = f"{len(arguments)} value{'' if len(arguments) == 1 else 's'}"
                raise SettingsError(f"{name} has {count}: write {describe_call(name)}")
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() | ast.Not()) | ast.BoolOp() | ast.IfExp():
            pass
        case ast.BinOp(op=kind) if type(kind) in OPERATORS:
            pass
        case ast.Compare(ops=kinds) if all(type(kind) in COMPARISONS for kind in kinds):
            pass
        case _:
            raise SettingsError(
                f"{ast.unparse(node)!r} cannot stand in a value: there are numbers, + - * / ^, "
                f"< <= > >= == !=, and, or, not, A if B else C, brackets, and {KNOWN_NAMES_TEXT}"
            )
    for operand in operands_of(node):
        check_grammar(operand)


def operands_of(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the values that a node of a syntax tree is computed from."""
    if isinstance(node, ast.Call):
        yield from node.args  # not the function's name
    else:
        yield from (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
