"""A task has a reference, and its lines say which rows it is about: ``session_id`` is the session.

By the queue's own signals, so that no task can forget it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from django_q.signals import post_execute_in_worker, pre_execute

from portal.logs import context

NUMBER = "_id"


def listen() -> None:
    """From now on, for every task of this process."""
    pre_execute.connect(_begin, dispatch_uid="portal.logs")
    post_execute_in_worker.connect(_end, dispatch_uid="portal.logs")


def _begin(sender: Any, func: Callable[..., Any] | None, task: Mapping[str, Any], **_: Any) -> None:
    numbers = _numbers(func, task["args"]) if func else {}
    context.begin(task=str(task["func"]), **numbers)


def _end(**_: Any) -> None:
    context.end()


def _numbers(func: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    names = signature(func).parameters
    given = zip(names, arguments, strict=False)
    return {name.removesuffix(NUMBER): value for name, value in given if name.endswith(NUMBER)}
