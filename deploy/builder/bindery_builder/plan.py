"""The stage that plans: which build pack, which Dockerfile, which files, which images.

It reads untrusted files, with parsers that were not made for that, so this container has no
credentials. `pull` and `build` carry out what it leaves in the folder of the plan.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

from . import bases, dockerfile, links, programs, registries
from .order import Order
from .output import Output
from .result import Failed

FILE = "plan.json"
_SECONDS = 60
_IN_LABELS = ":/?#@!&'()*+,;=%~[]"
_ARGUMENTS = {"NB_USER": "jovyan", "NB_UID": "1000"}


@dataclass(frozen=True)
class Plan:
    """The plan of a build.

    ``own`` means that the Dockerfile is the repository's, and so are its failures. ``declared`` is
    the number of lines inserted at the start of each of its stages.
    """

    pack: str
    own: bool
    context: str
    images: list[str]
    declared: int = 0
    arguments: dict[str, str] = field(default_factory=dict)


def stage(order: Order, output: Output) -> dict[str, str]:
    """Write the plan; return the pack and the text of `.resources`. Raises `Failed`."""
    output.title("Looking for what the repository needs")
    links.check(order.repository)
    order.plan.mkdir()
    found = _render(order, output)
    own = "dockerfile" in found
    text = _text(order, found["dockerfile"]) if own else found["text"]
    read = _read(text, order)
    plan = Plan(
        pack=found["pack"],
        own=own,
        context=str(order.repository if own else order.plan / "context"),
        images=list(read.images),
        declared=len(order.declared),
        arguments={name: _ARGUMENTS[name] for name in _ARGUMENTS if name in read.arguments},
    )
    output.say(_said(plan, found.get("dockerfile", "")))
    (order.plan / "Dockerfile").write_text(read.text(order.declared))
    (order.plan / FILE).write_text(json.dumps(asdict(plan)))
    asked = links.resources(order.repository)
    return {"pack": plan.pack, **({} if asked is None else {"resources": asked})}


def _read(text: str, order: Order) -> dockerfile.Dockerfile:
    """Parse the Dockerfile, and check every image that it names. Raises `Failed`."""
    found = dockerfile.read(text, {**_ARGUMENTS, **order.proxies})
    for name in (*found.images, *found.mentioned):
        bases.check(name, order)
    if found.has_here_documents and not registries.reads_here_documents():
        raise Failed(
            "build.dockerfile",
            "The Dockerfile has a here-document (<<), which the buildah of this portal does not "
            "read. Write the lines to a file of the repository, and COPY or RUN that.",
        )
    return found


def read(order: Order) -> Plan:
    """Return the plan that the stage has left."""
    return Plan(**json.loads((order.plan / FILE).read_text()))


def _render(order: Order, output: Output) -> dict[str, Any]:
    wanted = {
        "base_image": order.base_image,
        "python_image": order.python_image,
        "context": str(order.plan / "context"),
        "labels": {
            "repo2docker.repo": quote(order.url, safe=_IN_LABELS),
            "repo2docker.ref": order.commit,
        },
    }
    answer = order.plan / "rendered.json"
    words = [sys.executable, "-I", "-m", "bindery_builder.render", json.dumps(wanted), str(answer)]
    authority = {"REQUESTS_CA_BUNDLE": order.ca} if order.ca else {}
    try:
        status = programs.run(
            words, output, cwd=order.repository, variables=authority, seconds=_SECONDS
        )
    except TimeoutError:
        raise _no_answer(f"no answer within {_SECONDS} seconds") from None
    if status:
        raise RuntimeError(f"the program that renders ended with {status}")
    return _checked(json.loads(answer.read_text()))


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    if found.get("error") == "build.render":
        raise _no_answer(found["message"])
    if code := found.get("error"):
        raise Failed(code, f"The repository's configuration is not usable: {found['message']}")
    return found


def _no_answer(why: str) -> Failed:
    return Failed(
        "build.render",
        "repo2docker asks the internet for versions before it can build this repository, and "
        f"did not get them: {why}. Try again later, or bring a Dockerfile along.",
    )


def _text(order: Order, path: str) -> str:
    try:
        return (order.repository / path).read_text()
    except UnicodeDecodeError:
        raise Failed("build.dockerfile", f"{path} is not text in UTF-8.") from None


def _said(plan: Plan, path: str) -> str:
    if plan.own:
        return f"The repository has a {path}: it is built as it stands."
    return f"It is built as repo2docker does, with the pack for {plan.pack}."
