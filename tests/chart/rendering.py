"""Render the chart with Helm's own library, as `helm template` does, and look things up in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/chart"
VALUE_SETS = {file.name.split("-")[0]: file for file in sorted((CHART / "ci").glob("*.yaml"))}
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
HOOK = "helm.sh/hook"


@dataclass(frozen=True)
class Rendered:
    """Holds one object that a template rendered."""

    template: str
    thing: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.thing["kind"])

    @property
    def name(self) -> str:
        return str(self.thing["metadata"]["name"])

    @property
    def hooks(self) -> list[str]:
        annotations = self.thing["metadata"].get("annotations") or {}
        return [each for each in annotations.get(HOOK, "").split(",") if each]

    @property
    def pod(self) -> dict[str, Any] | None:
        """Return the pod or pod template in it."""
        spec = self.thing.get("spec", {})
        if self.kind == "Pod":
            return self.thing
        if self.kind == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        found: dict[str, Any] | None = spec.get("template")
        return found


def values_of(name: str) -> dict[str, Any]:
    """Return one of the chart's sets of values (``ci/``)."""
    found: dict[str, Any] = yaml.safe_load(VALUE_SETS[name].read_text())
    return found


def texts(values: dict[str, Any], *, upgrade: bool = False) -> dict[str, str]:
    """Return what each template renders."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        return dict(
            chart.render(
                values,
                name="bindery",
                namespace="bindery",
                is_install=not upgrade,
                is_upgrade=upgrade,
                revision=2 if upgrade else 1,
            )
        )


def objects(values: dict[str, Any], *, upgrade: bool = False) -> list[Rendered]:
    """Return every object that is rendered; parsed once for the same values."""
    return copy.deepcopy(_objects(json.dumps(values), upgrade=upgrade))


@cache
def _objects(values: str, *, upgrade: bool) -> list[Rendered]:
    return [
        Rendered(template, thing)
        for template, text in texts(json.loads(values), upgrade=upgrade).items()
        if not template.endswith("NOTES.txt")
        for thing in yaml.load_all(text, yaml.CSafeLoader)
        if thing
    ]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod or pod template."""
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def leaves(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the dotted name of each value that is not a section of others."""
    for key, each in values.items():
        here = f"{path}.{key}".lstrip(".")
        properties = schema["properties"][key]
        if "properties" in properties:
            yield from leaves(each, properties, here)
        else:
            yield here


def with_value(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of the values in which one, by its dotted name, is another."""
    changed = copy.deepcopy(values)
    *sections, last = path.split(".")
    here = changed
    for section in sections:
        here = here.setdefault(section, {})
    here[last] = value
    return changed
