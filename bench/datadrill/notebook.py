"""Write and read files of a running notebook by a kernel in it, as people do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

from bench.drill.kernels import NO_ANSWER
from tests.kernel import Kernel
from tests.stack import Api

__all__ = ["NO_ANSWER", "PROJECT", "VOLUME", "read", "write"]

PROJECT, VOLUME = "project", "volume"
SECONDS = 30.0

# Files are replaced whole, so that a killed notebook leaves the old one or the new one.
_BEGIN = """
import glob, json, os
def whole(place, path):
    top = "/home/jovyan" if place == "project" else sorted(glob.glob("/home/*-nfs-pvc"))[0]
    return os.path.join(top, path)
def write(place, path, text):
    name = whole(place, path)
    if text is None:
        if os.path.lexists(name):
            os.unlink(name)
        return
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name + ".draft", "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name + ".draft", name)
def read(place, path):
    try:
        with open(whole(place, path)) as file:
            return file.read()
    except FileNotFoundError:
        return None
"""
_WRITE = "for each in json.loads({words!r}): write(*each)\nprint('written')"
_READ = "print(json.dumps([read(*each) for each in json.loads({words!r})]))"

Path = tuple[str, str]
"""A place, `PROJECT` or `VOLUME`, and a path below it."""


def write(api: Api, name: str, texts: Mapping[Path, str | None]) -> None:
    """Write these files, or remove those without a text. Raises one of `NO_ANSWER`."""
    words = json.dumps([[*path, text] for path, text in texts.items()])
    said = _run(api, name, _WRITE.format(words=words))
    if said.strip() != "written":
        raise ValueError(said[-300:])


def read(api: Api, name: str, paths: Iterable[Path]) -> dict[Path, str | None]:
    """Return the contents of these files, None for missing ones. Raises one of `NO_ANSWER`."""
    paths = list(paths)
    said = _run(api, name, _READ.format(words=json.dumps(paths)))
    return dict(zip(paths, json.loads(said), strict=True))


def _run(api: Api, name: str, code: str) -> str:
    kernel = Kernel(api, name)
    try:
        with kernel:
            return kernel.run(f"{_BEGIN}\n{code}", SECONDS)
    finally:
        with suppress(*NO_ANSWER):  # many that go on would fill the memory
            kernel.end()
