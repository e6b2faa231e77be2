"""What is said on stderr as JSON, one object a line, for programs that drive DreamFlow."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from dreamflow.core.errors import DreamFlowError, UserInterrupt

REPORT_OPTION = "--report"
REPORT_KINDS = ("text", "json")
REPORT_VARIABLE = "DREAMFLOW_REPORT"
"""Environment variable with the kind where the option is not given."""


def reports_json() -> bool:
    """Return whether this command line asks for JSON.

    It is read from the words themselves: also what is wrong with them is reported so.
    """
    words = sys.argv[1:]
    kind = os.environ.get(REPORT_VARIABLE, "text")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if not word.startswith("-") and word not in REPORT_KINDS:
            break  # the command: what follows is its own
        if word == REPORT_OPTION:
            kind = following
        elif word.startswith(f"{REPORT_OPTION}="):
            kind = word.partition("=")[2]
    return kind == "json"


def write_report(event: str, **fields: Any) -> None:
    """Write one object on stderr; fields that are None are left out."""
    report = {"event": event} | {name: value for name, value in fields.items() if value is not None}
    sys.stderr.write(f"{json.dumps(report, default=str)}\n")
    sys.stderr.flush()


def error_code(error: BaseException) -> str:
    """Return the code of any error: that of DreamFlow's own, or `stopped`, `usage`, `fault`."""
    if isinstance(error, DreamFlowError):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return UserInterrupt.code
    return "usage" if hasattr(error, "format_message") else "fault"


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return the fields of an error that programs may act on."""
    fields: dict[str, Any] = {"code": error_code(error)}
    if isinstance(error, DreamFlowError):
        for name in ("setting", "value", "allowed", "where"):
            fields[name] = getattr(error, name)
    return fields
