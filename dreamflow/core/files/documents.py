"""Documents that come from a disk: JSON and TOML, bounded, and parsed by a schema.

A schema is a class of msgspec (a `Struct`, or types with `Meta`): it says which keys there are, of
what type, and in what range. msgspec rather than pydantic, since commands that answer at once read
documents too: it imports in 30 ms instead of 150, and its decoder refuses NaN, infinity and numbers
that no float holds, where `json` takes them. What no schema describes (a value of any type within
a document) is bounded in depth, in length and in the size of its numbers.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeGuard, TypeVar, cast

import msgspec
from msgspec import Meta

from dreamflow.core.errors import SettingsError
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.core.options.validation import MAX_INTEGER_BITS

MAX_DOCUMENT_DEPTH = 24
"""Dicts and lists within each other at most; DreamFlow's own documents have 6."""
MAX_QUOTED_CHARS = 60
"""Characters of a line of TOML that an error quotes."""
MAX_KEY_CHARS = 1_000
"""Characters of a key at most: errors name keys."""
MAX_KEY_DOTS = 200
"""Dots before the = of a line at most: `tomllib` takes seconds for a key of 9,000 parts."""

DocumentT = TypeVar("DocumentT")

ShortText = Annotated[str, Meta(max_length=255)]
PathText = Annotated[str, Meta(min_length=1, max_length=16_384)]
Word = Annotated[str, Meta(max_length=8_388_608)]
"""A word of a command line: a schedule may have thousands of keyframes."""
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{1,128}\Z")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
FractionText = Annotated[str, Meta(pattern=r"^-?[0-9]{1,30}(/0*[1-9][0-9]{0,29})?\Z")]
"""A fraction in digits: `1e999999999` would be one to Python, with a billion of them."""


class DocumentError(ValueError):
    """A document that is too large, is not of its format, or does not fit its schema."""


def parse_json(content: bytes | str, max_depth: int = MAX_DOCUMENT_DEPTH) -> Any:
    """Return a JSON document as plain values, bounded in depth and in the size of its numbers.

    Raises:
        DocumentError: It is not JSON, or out of bounds.
    """
    try:
        value = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DocumentError(_explain(error)) from error
    check_bounds(value, max_depth)
    return value


def is_table(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether a parsed value is an object of JSON, or a table of TOML."""
    return isinstance(value, dict)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file as plain values, bounded as JSON is.

    Raises:
        SettingsError: It is not TOML, is out of bounds, or cannot be read.
    """
    text = ""
    try:
        text = read_file_text(path)
        if any(line.partition("=")[0].count(".") > MAX_KEY_DOTS for line in text.splitlines()):
            raise DocumentError("a key in it has too many parts")
        content = tomllib.loads(text)
        check_bounds(content)
        return content
    except OSError as error:
        why = error.strerror or str(error)
        raise SettingsError(f"{path} cannot be read: {why}", where=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is not valid TOML: {error}{_quote_line(text, str(error))}; texts stand in "
            'quotation marks (layer = "conv2/3x3"), switches are true or false, decimals have a '
            "point",
            where=str(path),
        ) from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"{path} is not valid TOML: {_explain(error)}", where=str(path)
        ) from error


def _quote_line(text: str, message: str) -> str:
    """Return the line of a text that an error message names, as its end; "" where it names none."""
    found = re.search(r"line (\d+)", message)
    lines = text.splitlines()
    if found is None or int(found[1]) > len(lines):
        return ""
    return f": {lines[int(found[1]) - 1].strip()[:MAX_QUOTED_CHARS]}"


def fit_schema(
    value: Any, schema: type[DocumentT], convert_other: Callable[[type, Any], Any] | None = None
) -> DocumentT:
    """Return plain values as a schema has them.

    Args:
        value: The values.
        schema: The schema: a class of msgspec, or a dataclass.
        convert_other: Takes a class that msgspec does not know, as an array's, and a value; returns
            what stands there, which must be of that class. None leaves the value as it is.

    Raises:
        DocumentError: A key is missing or unknown, or a value has another type or is out of range;
            the message says where in the document.
    """
    try:
        return msgspec.convert(value, schema, dec_hook=convert_other)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DocumentError(_explain(error)) from error


def parse_fraction(value: Any) -> Fraction:
    """Return the fraction that a text of digits is, such as `30000/1001`. Raises DocumentError."""
    try:
        return Fraction(msgspec.convert(value, FractionText))
    except msgspec.MsgspecError as error:
        raise DocumentError(_explain(error)) from error


def check_bounds(value: Any, depth: int = MAX_DOCUMENT_DEPTH) -> None:
    """Check the depth of plain values, and the size of their numbers and keys.

    Raises:
        DocumentError: They are out of bounds.
    """
    if depth == 0:
        raise DocumentError("it is nested too deep")
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise DocumentError(f"a whole number in it has more than {MAX_INTEGER_BITS} bits")
    if is_table(value):
        if any(len(key) > MAX_KEY_CHARS for key in value):
            raise DocumentError(f"a key in it has more than {MAX_KEY_CHARS:,} characters")
        for item in value.values():
            check_bounds(item, depth - 1)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            check_bounds(item, depth - 1)


def canonical_json(value: Any) -> bytes:
    """Return plain values as JSON whose bytes depend on nothing but the values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _explain(error: BaseException) -> str:
    """Return in words what is wrong with a document."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return str(error).replace("`", "").replace(" - at $", " at ").replace("Object", "it")
