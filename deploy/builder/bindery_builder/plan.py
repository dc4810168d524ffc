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

from sessions.repofiles.configuration import summary
from sessions.repofiles.configuration.prepare import restore

from . import bases, context, dialect, dockerfile, fetch, links, programs
from .buildspec import BuildSpec
from .output import Output
from .result import BuildFailed

FILE = "plan.json"
_SECONDS = 60
_LABEL_SAFE = ":/?#@!&'()*+,;=%~[]"
_ARGUMENTS = {"NB_USER": "jovyan", "NB_UID": "1000"}


@dataclass(frozen=True)
class Plan:
    """The plan of a build.

    ``has_own_dockerfile`` means that the Dockerfile is the repository's, and so are its failures.
    ``declared_lines`` is the number of lines inserted at the start of each of its stages, and
    ``mistakes`` explain failures, by the path of the file that has them.
    """

    buildpack: str
    has_own_dockerfile: bool
    context: str
    images: list[str]
    declared_lines: int = 0
    arguments: dict[str, str] = field(default_factory=dict)
    mistakes: dict[str, str] = field(default_factory=dict)


def stage(spec: BuildSpec, output: Output) -> dict[str, str]:
    """Write the plan; return the pack and the text of `.resources`. Raises `BuildFailed`."""
    output.write_heading("Checking what the repository needs")
    links.check_links(spec.repository)
    spec.plan.mkdir()
    found = _render(spec, output)
    _write_block(spec, found, output)
    _raise_for_error(found)
    own = "dockerfile" in found
    text = _read_dockerfile(spec, found["dockerfile"]) if own else found["text"]
    if own:
        restore(spec.plan, spec.repository)
        context.write_ignore_file(spec.repository, spec.ignore_file)
    read = _parse_dockerfile(text, spec)
    plan = Plan(
        buildpack=found["pack"],
        has_own_dockerfile=own,
        context=str(spec.repository if own else spec.plan / "context"),
        images=list(read.images),
        declared_lines=len(spec.declared),
        arguments={name: _ARGUMENTS[name] for name in _ARGUMENTS if name in read.arguments},
        mistakes=found["mistakes"],
    )
    (spec.plan / "Dockerfile").write_text(read.text(spec.declared))
    for path, content in read.files.items():
        (spec.documents / path).parent.mkdir(parents=True, exist_ok=True)
        (spec.documents / path).write_text(content)
    (spec.plan / FILE).write_text(json.dumps(asdict(plan)))
    asked = links.resources(spec.repository)
    return {"pack": plan.buildpack, **({} if asked is None else {"resources": asked})}


def _parse_dockerfile(text: str, spec: BuildSpec) -> dockerfile.Dockerfile:
    """Parse the Dockerfile, and check every image that it names. Raises `BuildFailed`."""
    said = programs.capture(["buildah", "--version"]).stdout.decode("utf-8", "replace")
    ours = dialect.of_version(said)
    found = dockerfile.read(text, {**_ARGUMENTS, **spec.proxies}, dialect=ours)
    for name in (*found.images, *found.mentioned):
        bases.check_base_image(name, spec)
    return found


def read(spec: BuildSpec) -> Plan:
    """Return the plan that the stage has left."""
    return Plan(**json.loads((spec.plan / FILE).read_text()))


def _render(spec: BuildSpec, output: Output) -> dict[str, Any]:
    wanted = {
        "base_image": spec.base_image,
        "python_image": spec.python_image,
        "context": str(spec.plan / "context"),
        "kept": str(spec.plan),
        "index": spec.variables.get("PIP_INDEX_URL", ""),
        "labels": {
            "repo2docker.repo": quote(spec.url, safe=_LABEL_SAFE),
            "repo2docker.ref": spec.commit,
        },
    }
    answer = spec.plan / "rendered.json"
    words = [sys.executable, "-I", "-m", "bindery_builder.render", json.dumps(wanted), str(answer)]
    authority = {"REQUESTS_CA_BUNDLE": spec.ca} if spec.ca else {}
    try:
        status = programs.run(
            words, output, cwd=spec.repository, variables=authority, seconds=_SECONDS
        )
    except TimeoutError:
        raise _render_failure(f"no answer within {_SECONDS} seconds") from None
    if status:
        raise RuntimeError(f"the renderer exited with status {status}")
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _write_block(spec: BuildSpec, found: dict[str, Any], output: Output) -> None:
    """Write what becomes of the repository's files, also if they cannot be built from."""
    for line in summary.block(found.get("report", []), fetch.answer(spec).get("notes", [])):
        output.write_line(line)


def _raise_for_error(found: dict[str, Any]) -> None:
    if found.get("error") == "build.render":
        raise _render_failure(found["message"])
    if code := found.get("error"):
        raise BuildFailed(code, f"The repository's configuration is not valid: {found['message']}")


def _render_failure(why: str) -> BuildFailed:
    return BuildFailed(
        "build.render",
        "repo2docker has to look up versions online before it can build this repository, and that "
        f"failed: {why}. Try again later, or add a Dockerfile.",
    )


def _read_dockerfile(spec: BuildSpec, path: str) -> str:
    try:
        return (spec.repository / path).read_text()
    except UnicodeDecodeError:
        raise BuildFailed(
            "build.dockerfile", f"{path} is not UTF-8 text. Save it as UTF-8 and try again."
        ) from None
