"""What the worker holds from one request to the next: values that took long to make."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Held(Generic[ValueT]):
    """Values by key, of which the ones used longest ago go first."""

    def __init__(self, capacity: int, weigh: Callable[[ValueT], int] = lambda value: 1) -> None:
        """Hold nothing yet.

        Args:
            capacity: What all values together weigh at most; the latest one stays in any case.
            weigh: Returns what one weighs, such as its bytes.
        """
        self._values: OrderedDict[Hashable, ValueT] = OrderedDict()
        self._capacity, self._weigh = capacity, weigh

    def __contains__(self, key: Hashable) -> bool:
        """Return whether the value of a key is held."""
        return key in self._values

    def get(self, key: Hashable, make: Callable[[], ValueT]) -> ValueT:
        """Return the value of a key; it is made where it is not held."""
        if key not in self._values:
            self._let_go(self._capacity - 1)  # makes room first: a new one weighs 1 at least
            self._values[key] = make()
        self._values.move_to_end(key)
        self._let_go(self._capacity, keep=1)
        return self._values[key]

    def clear(self) -> None:
        """Let go of all."""
        self._values.clear()

    def _let_go(self, capacity: int, keep: int = 0) -> None:
        total = sum(map(self._weigh, self._values.values()))
        while total > capacity and len(self._values) > keep:
            _, value = self._values.popitem(last=False)
            total -= self._weigh(value)
