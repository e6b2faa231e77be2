"""Arithmetic with time in a closed grammar: text is parsed and checked, and never executed."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dreamflow.core.did_you_mean import suggest_similar
from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.functions import FUNCTIONS
from dreamflow.core.schedules.timecode import Moment

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
KNOWN_NAMES_TEXT = ", ".join([*VARIABLES, *CONSTANTS, *FUNCTIONS])


@dataclass(frozen=True)
class Expression:
    """A number, or arithmetic with time, functions, comparisons and conditions.

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
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "constant", not any(map(depends_on_time, ast.walk(tree))))

    def __call__(self, moment: Moment) -> float:
        """Return the value at a moment; NaN where it has none."""
        try:
            return evaluate_tree(self.tree, moment)
        except (ArithmeticError, ValueError):
            return math.nan


def depends_on_time(node: ast.AST) -> bool:
    """Return whether a node of a checked syntax tree has other values at other times by itself."""
    match node:
        case ast.Name(id=name):
            return name in VARIABLES
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name].counts and len(arguments) == FUNCTIONS[name].fewest
        case _:
            return False


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
    """Return the error of a name that is neither a variable nor a constant."""
    if name in FUNCTIONS:
        return SettingsError(f"{name} is a function: write {name}({describe_count(name)})")
    hint = suggest_similar(name, [*VARIABLES, *CONSTANTS, *FUNCTIONS], 1)
    return SettingsError(
        f"{name!r} is not known{hint or ';'} known are {KNOWN_NAMES_TEXT}", allowed=KNOWN_NAMES_TEXT
    )


def make_unknown_function_error(name: str) -> SettingsError:
    """Return the error of a function that is not known."""
    if name in VARIABLES or name in CONSTANTS:
        return SettingsError(f"{name} is no function: write * to multiply")
    known = ", ".join(FUNCTIONS)
    hint = suggest_similar(name, FUNCTIONS, 1)
    return SettingsError(
        f"the function {name!r} is not known{hint or ';'} known are {known}", allowed=known
    )


def describe_count(name: str) -> str:
    """Return how many values a function takes, in words."""
    fewest, most = FUNCTIONS[name].fewest, FUNCTIONS[name].most
    if fewest == most:
        return f"{fewest} value{'s' if fewest > 1 else ''}"
    return f"{fewest} {'or' if most == fewest + 1 else 'to'} {most} values"


def check_grammar(node: ast.expr) -> None:
    """Raise SettingsError if a syntax tree contains anything outside the grammar."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            if isinstance(value, float) and not math.isfinite(value):
                raise SettingsError("a number in it is not finite")
        case ast.Name(id=name):
            if name not in VARIABLES and name not in CONSTANTS:
                raise make_unknown_name_error(name)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise make_unknown_function_error(name)
            if not FUNCTIONS[name].fewest <= len(arguments) <= FUNCTIONS[name].most:
                raise SettingsError(f"{name}() takes {describe_count(name)}")
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


def evaluate_tree(node: ast.expr, moment: Moment) -> float:
    """Return the value of a checked syntax tree.

    Only the branch of a condition that counts is computed, so that the other may have no value.

    Raises:
        ArithmeticError: It, or what it is computed from, has no value, or too large a one.
        ValueError: A function is not defined for its value.
    """
    value = _evaluate_node(node, moment)
    if not math.isfinite(value):
        raise OverflowError("it is too large")
    return value


def _evaluate_node(node: ast.expr, moment: Moment) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return _look_up(name, moment)
        case ast.UnaryOp(op=kind, operand=operand):
            inner = evaluate_tree(operand, moment)
            if isinstance(kind, ast.Not):
                return float(not inner)
            return -inner if isinstance(kind, ast.USub) else inner
        case ast.BinOp(op=kind, left=left, right=right):
            return OPERATORS[type(kind)](evaluate_tree(left, moment), evaluate_tree(right, moment))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            function = FUNCTIONS[name]
            values = [evaluate_tree(argument, moment) for argument in arguments]
            if function.counts and len(values) == function.fewest:
                values.append(float(moment.time))
            return float(function.call(*values))
        case ast.IfExp(test=test, body=body, orelse=other):
            return evaluate_tree(body if evaluate_tree(test, moment) else other, moment)
        case ast.BoolOp(op=kind, values=parts):
            holds = (evaluate_tree(part, moment) != 0 for part in parts)
            return float(all(holds) if isinstance(kind, ast.And) else any(holds))
        case ast.Compare():
            return float(_compare(node, moment))
        case _:
            raise ValueError(f"{node!r} was not checked")


def _look_up(name: str, moment: Moment) -> float:
    """Return the value of a variable or a constant."""
    if name == "t":
        return float(moment.time)
    return moment.progress if name == "p" else CONSTANTS[name]


def _compare(node: ast.Compare, moment: Moment) -> bool:
    """Return whether each value of `a < b <= c` stands to the next one as it says."""
    left = evaluate_tree(node.left, moment)
    for kind, comparator in zip(node.ops, node.comparators, strict=True):
        right = evaluate_tree(comparator, moment)
        if not COMPARISONS[type(kind)](left, right):
            return False
        left = right
    return True
