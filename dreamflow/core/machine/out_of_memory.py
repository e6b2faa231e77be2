"""Errors that say that memory is full, by whichever library they are raised."""

from __future__ import annotations

from dreamflow.core.errors import named

OUT_OF_MEMORY_TEXTS = (
    *("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory"),
    *("failed to allocate", "insufficient memory", "bad_alloc", "bad allocation"),
    # A thread needs memory for its stack.
    *("can't start new thread", "resource temporarily unavailable"),
)
"""What PyTorch, OpenCV, PyAV, Pillow and Python say in lower case."""
ONEDNN_OUT_OF_MEMORY = "could not create a primitive"
"""What oneDNN says, and nothing else; more words, such as `descriptor`, are of another fault."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the machine or its GPU is full."""
    if isinstance(error, MemoryError):
        return True
    # OpenCV's error is an Exception of its own, PyTorch's a RuntimeError, PyAV's an OSError too.
    is_librarys = isinstance(error, (RuntimeError, OSError)) or type(error).__module__ == "cv2"
    text = str(error).lower()
    is_said = text == ONEDNN_OUT_OF_MEMORY or any(words in text for words in OUT_OF_MEMORY_TEXTS)
    return is_librarys and is_said


def explain_out_of_memory(error: BaseException) -> str:
    """Return a message that says which memory is full, and what to do."""
    size = named("size")
    if type(error).__name__ == "OutOfMemoryError" or "MPS" in str(error):
        return f"the GPU's memory is full: end other programs that use it, or render with {size}"
    return f"the memory is full: end other programs, or render with a smaller {size}"
