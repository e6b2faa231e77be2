"""A worker of a cluster, as the process that gives it work knows it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from dreamflow.cluster.actor import Refusal

AnswerT = TypeVar("AnswerT")


class RefusedError(Exception):
    """A worker that cannot take part, and why."""


class Member:
    """A worker of the cluster, as this process knows it.

    Attributes:
        actor: Ray's handle of it.
        name: What messages call it.
        deaths: How often it has died since it last rendered a frame.
        is_up: Whether it has answered since it last died.
    """

    def __init__(self, actor: Any, name: str, task_error: type[Exception]) -> None:
        self.actor, self.name = actor, name
        self.deaths, self.is_up = 0, False
        self._task_error = task_error

    async def ask(self, answer: Awaitable[AnswerT | Refusal]) -> AnswerT:
        """Return what a call has returned.

        Raises:
            RefusedError: The worker cannot do it.
        """
        try:
            result = await answer
        except self._task_error as error:
            raise RefusedError(" ".join(str(getattr(error, "cause", error)).split())) from error
        self.is_up = True
        if isinstance(result, Refusal):
            raise RefusedError(result.reason)
        return result
