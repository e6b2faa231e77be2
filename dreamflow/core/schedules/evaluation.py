"""The value of an expression at a moment."""

from __future__ import annotations

import ast
import math
from array import array
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from dreamflow.core.schedules.functions import FUNCTIONS
from dreamflow.core.schedules.grammar import COMPARISONS, CONSTANTS, OPERATORS, signal_name
from dreamflow.core.schedules.shaping import SHAPERS, shape
from dreamflow.core.schedules.signals import BEAT_NAMES
from dreamflow.core.schedules.timecode import Moment, Timeline


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
        case ast.Name(id=name) if name not in BEAT_NAMES:
            return _look_up(name, moment)
        case ast.Name() | ast.Attribute():
            return moment.hear(signal_name(node) or "")
        case ast.UnaryOp(op=kind, operand=operand):
            inner = evaluate_tree(operand, moment)
            if isinstance(kind, ast.Not):
                return float(not inner)
            return -inner if isinstance(kind, ast.USub) else inner
        case ast.BinOp(op=kind, left=left, right=right):
            return OPERATORS[type(kind)](evaluate_tree(left, moment), evaluate_tree(right, moment))
        case (
            ast.IfExp(test=test, body=body, orelse=other)
            | ast.Call(func=ast.Name(id="where"), args=[test, body, other])
        ):
            return evaluate_tree(body if evaluate_tree(test, moment) else other, moment)
        case ast.Call(func=ast.Name(id=name)) if name in SHAPERS:
            return _shaped_value(node, moment)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            function = FUNCTIONS[name]
            values = [evaluate_tree(argument, moment) for argument in arguments]
            if function.counts and len(values) == function.fewest:
                values.append(float(moment.time))
            return float(function.call(*values))
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


def _shaped_value(node: ast.Call, moment: Moment) -> float:
    """Return the value of a shaper at a moment: that of the frame which the moment lies in."""
    assert isinstance(node.func, ast.Name)
    if moment.timeline is None:
        values = [[evaluate_tree(argument, moment)] for argument in node.args]
        return shape(node.func.id, values, 1.0)[0]
    first = first_heard_frame(moment.timeline, moment.span)
    history = _shape_timeline(node, replace(moment.timeline, offset=Fraction(0)), moment.span)
    value = history[min(max(int(moment.time / moment.span) - first, 0), len(history) - 1)]
    if math.isnan(value):
        raise ValueError("what is shaped has no value")
    return value


def first_heard_frame(timeline: Timeline, span: Fraction) -> int:
    """Return the number of the frame that what is shaped begins with, 0 or less.

    A part of a source begins with the source, so that it is shaped as the whole is.
    """
    signals = timeline.signals
    return min(0, -int(signals.start / span)) if signals else 0


@lru_cache(maxsize=64)
def _shape_timeline(node: ast.Call, timeline: Timeline, span: Fraction) -> array[float]:
    """Return the values of a shaper in each frame, from `first_heard_frame` to the end."""
    assert isinstance(node.func, ast.Name)
    frames = range(first_heard_frame(timeline, span), int(timeline.length / span) + 1)
    moments = [Moment(number * span, timeline, span) for number in frames]
    arguments = [[_value_or_nan(part, moment) for moment in moments] for part in node.args]
    return array("d", shape(node.func.id, arguments, float(span)))


def _value_or_nan(node: ast.expr, moment: Moment) -> float:
    try:
        return evaluate_tree(node, moment)
    except (ArithmeticError, ValueError):
        return math.nan
