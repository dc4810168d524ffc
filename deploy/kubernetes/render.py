#!/usr/bin/env python3
"""Render the plain manifests of this folder, and those for Prometheus, from the chart.

    make manifests

The chart is their only source; a test checks that they are up to date. They lack what only Helm
uses: its hooks, its labels, and the checksums that start new pods when the settings change.
"""

from __future__ import annotations

import re
from pathlib import Path

import helm_python
import yaml

DEPLOY = Path(__file__).resolve().parents[1]
CHART = DEPLOY / "chart"
VALUES = CHART / "ci/plain-values.yaml"
FILES = {
    "kubernetes/rbac.yaml": ["rbac"],
    "kubernetes/nodes.yaml": ["nodes"],
    "kubernetes/settings.yaml": ["settings"],
    "kubernetes/network-policies.yaml": ["network-policies"],
    "kubernetes/portal.yaml": ["migrate", "web", "worker", "watch", "service", "ingress"],
    "kubernetes/disruption-budgets.yaml": ["disruption-budgets"],
    "prometheus/servicemonitor.yaml": ["monitoring"],
}
"""Templates by the file that has what they render."""
HEADER = "# Rendered from deploy/chart; `make manifests` renders it again.\n"
HELMS = re.compile(r"^ *(helm\.sh/|checksum/|app\.kubernetes\.io/(instance|version):)")
EXPLAINS_HELM = "# A change of the settings starts new pods."


def rendered() -> dict[str, str]:
    """Return the text of each file below ``deploy``."""
    with helm_python.Chart.load(CHART) as chart:
        values = yaml.safe_load(VALUES.read_text())
        texts = chart.render(values, name="bindery", namespace="bindery", is_install=True)
    files = {
        path: HEADER
        + "---\n".join(plain(texts[f"bindery/templates/{each}.yaml"]) for each in names)
        for path, names in FILES.items()
    }
    files["prometheus/alerts.yaml"] = (CHART / "files/alerts.yaml").read_text()
    return files


def plain(text: str) -> str:
    """Return a rendered template without what only Helm uses."""
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and line.strip() != EXPLAINS_HELM and not HELMS.match(line)
    ]
    kept = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.strip() != "annotations:" or _indent(after) > _indent(line)
    ]
    return "\n".join(kept).removeprefix("---\n") + "\n"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


if __name__ == "__main__":
    for path, text in rendered().items():
        (DEPLOY / path).write_text(text)
