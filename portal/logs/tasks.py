"""A task has a reference, and its lines say which rows it is about: ``session_id`` is the session.

By the queue's own signals, so that no task can forget it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from django_q.signals import post_execute_in_worker, pre_execute
from structlog.contextvars import clear_contextvars

from portal.logs import context

NUMBER = "_id"


def listen() -> None:
    """From now on, for every task of this process."""
    pre_execute.connect(_begin, dispatch_uid="portal.logs")
    post_execute_in_worker.connect(_end, dispatch_uid="portal.logs")


def _begin(sender: Any, func: Callable[..., Any] | None, task: Mapping[str, Any], **_: Any) -> None:
    clear_contextvars()
    numbers = _numbers(func, task["args"]) if func else {}
    context.note(reference=context.reference(), task=str(task["func"]), **numbers)


def _end(**_: Any) -> None:
    clear_contextvars()


def _numbers(func: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    names = signature(func).parameters
    given = zip(names, arguments, strict=False)
    return {name.removesuffix(NUMBER): value for name, value in given if name.endswith(NUMBER)}
