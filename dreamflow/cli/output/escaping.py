r"""Text from outside on the terminal: what would control it is shown as `\x1b` or `\u202e`.

Names of files, comments inside films, keys of presets and answers of servers may hold anything.
`escaped_output` stands between all output and the terminal; Rich, whose own control sequences must
pass, is given escaped text by `terminal`, `tables` and `progress`.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TextIO

_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1 controls
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # order of writing (Unicode TR 9)
    "\u2028\u2029\ufeff\ufff9-\ufffb"  # line and paragraph ends, marks that show nothing
    "\U000e0000-\U000e007f"  # tags, which show nothing
    "\ud800-\udfff]"  # halves of pairs; bytes of a name that is not UTF-8 are U+DC80 to U+DCFF
)
_LINE_CONTROLS = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_text(text: str) -> str:
    """Return a text of several lines without controls: only line ends and tabs are kept."""
    return _CONTROLS.sub(
        lambda found: found[0] if found[0] in "\n\t" else _escape_character(found[0]), text
    )


def escape_line(text: str) -> str:
    """Return a text on one line without controls: line ends and tabs are escaped, too."""
    return _CONTROLS.sub(lambda found: _escape_character(found[0]), text)


def _escape_character(character: str) -> str:
    code = ord(character)
    if character in _LINE_CONTROLS:
        return _LINE_CONTROLS[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is not UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class EscapingStream:
    """A text stream that escapes what is written to another.

    Attributes:
        rich_proxied_file: The other stream, which Rich's consoles write to; they escape the text
            themselves, and their control sequences must arrive.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write a text without its controls."""
        self.rich_proxied_file.write(escape_text(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts without their controls."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # Click would write to it where the encoding is ASCII
            raise AttributeError(name)
        return getattr(self.rich_proxied_file, name)


class UnescapedStderr:
    """What stderr writes to in the end; for a Rich console, whose control sequences must arrive.

    While Rich shows a progress bar, a stream of its own stands before that of `escaped_output`.
    """

    def __getattr__(self, name: str) -> Any:
        stream: Any = sys.stderr
        while (inner := getattr(stream, "rich_proxied_file", None)) is not None:
            stream = inner
        return getattr(stream, name)


@contextmanager
def escaped_output() -> Generator[None]:
    """Escape all that is written to stdout and stderr while the block runs.

    What the encoding of a stream cannot hold is written as an escape, too.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):  # a closed stream
                stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (  # type: ignore[assignment]
        stream and EscapingStream(stream) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
