"""Arithmetic with time in a closed grammar: text is parsed and checked, and never executed."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field

from dreamflow.core.schedules.evaluation import evaluate_tree
from dreamflow.core.schedules.functions import FUNCTIONS
from dreamflow.core.schedules.grammar import VARIABLES, parse_expression, signal_name
from dreamflow.core.schedules.shaping import SHAPERS
from dreamflow.core.schedules.timecode import Moment


@dataclass(frozen=True)
class Expression:
    """A number, or arithmetic with time, functions, comparisons and conditions.

    Attributes:
        text: The expression as it was written.
        tree: Its syntax tree.
        constant: Whether it has the same value at all times.
        signals: Names of the signals that it hears.
    """

    text: str
    tree: ast.expr = field(init=False, compare=False, repr=False)
    constant: bool = field(init=False, compare=False, repr=False)
    signals: frozenset[str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Parse the text.

        Raises:
            SettingsError: The text is not in the grammar.
        """
        tree = parse_expression(self.text)
        object.__setattr__(self, "tree", tree)
        object.__setattr__(self, "constant", not any(map(depends_on_time, ast.walk(tree))))
        heard = frozenset(filter(None, map(signal_name, ast.walk(tree))))
        object.__setattr__(self, "signals", heard)

    def __call__(self, moment: Moment) -> float:
        """Return the value at a moment; NaN where it has none."""
        try:
            return evaluate_tree(self.tree, moment)
        except (ArithmeticError, ValueError):
            return math.nan


def depends_on_time(node: ast.AST) -> bool:
    """Return whether a node of a checked syntax tree has other values at other times by itself."""
    if signal_name(node) is not None:
        return True
    match node:
        case ast.Name(id=name):
            return name in VARIABLES
        case ast.Call(func=ast.Name(id=name)) if name in SHAPERS:
            return True
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return FUNCTIONS[name].counts and len(arguments) == FUNCTIONS[name].fewest
        case _:
            return False
