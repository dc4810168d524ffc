"""Rules for the code as a whole, which no single module could enforce."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from portal.accounts.oidc.provider import ENDPOINT_VARIABLES

ROOT = Path(__file__).resolve().parents[1]
OWN = ("portal", "sessions", "quotas", "keys")
OUR_LABELS = ("portal", "notebook_sessions", "quotas", "keys")

# `app.verb_model` is how Django spells a permission, in code and (after `perms.`) in templates.
PERMISSION = re.compile(r"\b([a-z_]+)\.((?:add|change|delete|view)_[a-z]+)\b")
ASKED = re.compile(r"""(?:has_perms?|permission_required)\(\s*["']([a-z_]+)\.([a-z_]+)["']""")


def sources() -> Iterator[Path]:
    for name in OWN:
        yield from (ROOT / name).rglob("*.py")
    yield from (ROOT / "templates").rglob("*.html")


def permissions_in(text: str) -> set[tuple[str, str]]:
    """Return every permission that ``text`` names, by the labels of apps; not every dotted name is
    one. Those for groups and the audit log are checked with the roles
    (`tests/portal/test_roles.py`).
    """
    labels = {*OUR_LABELS, "sessions", "admin", "django_q"}
    found = PERMISSION.findall(text) + ASKED.findall(text)
    return {(label, name) for label, name in found if label in labels}


def our_permissions() -> set[tuple[str, str]]:
    return {
        (label, name)
        for label in OUR_LABELS
        for model in apps.get_app_config(label).get_models()
        for name in (
            *(f"{verb}_{model._meta.model_name}" for verb in model._meta.default_permissions),
            *(name for name, _title in model._meta.permissions),
        )
    }


def test_every_checked_permission_belongs_to_our_apps():
    asked = {
        (str(path.relative_to(ROOT)), *permission)
        for path in sources()
        for permission in permissions_in(path.read_text())
    }
    assert {one for one in asked if one[1:] not in our_permissions()} == set()


@pytest.mark.parametrize(
    "text",
    [
        'user.has_perm("sessions.view_project")',
        "{% if perms.sessions.view_project %}",
        '@permission_required("sessions.stop_project")',
        'user.has_perm("notebook_sessions.view_projekt")',
    ],
)
def test_a_permission_of_another_app_is_detected(text):
    assert permissions_in(text) - our_permissions()


def test_the_apps_have_the_labels_that_tables_and_permissions_rely_on():
    names = {config.label: config.name for config in apps.get_app_configs()}
    assert names["notebook_sessions"] == "sessions"
    assert names["sessions"] == "django.contrib.sessions"
    assert settings.AUTH_USER_MODEL == "portal.User"


def test_our_own_apps_come_before_the_libraries():
    first = [config.name for config in apps.get_app_configs()][: len(OWN)]
    assert set(first) == set(OWN)


def given_twice(text: str) -> set[str]:
    """Return the names to which the top level of a module assigns twice, under any condition."""
    seen: set[str] = set()
    twice: set[str] = set()
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in ast.walk(target) if isinstance(target, ast.Name | ast.Tuple) else ():
                if isinstance(name, ast.Name):
                    (twice if name.id in seen else seen).add(name.id)
    return twice


def test_no_module_gives_a_name_a_second_value():
    """As happens when two modules are merged: then the first value is lost without a word."""
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        if path.suffix == ".py"
        for name in given_twice(path.read_text())
    }
    assert found == set()


@pytest.mark.parametrize(
    "text", ["MOST = 6\nMOST = 120", "MOST: int = 6\nMOST = 9", "A, B = 1, 2\nB = 3"]
)
def test_a_second_value_is_detected(text):
    assert given_twice(text)


def imported(path: Path) -> set[str]:
    """Return the top-level names that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_the_portal_imports_nothing_that_only_the_tests_install():
    pinned = re.findall(r"^([^ =]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    provided = {
        name
        for name, distributions in packages_distributions().items()
        if {one.lower().replace("_", "-") for one in distributions} & set(pinned)
    }
    ours = {
        *OWN,
        *sys.stdlib_module_names,
        "repo2docker",
        "ruamel",
    }  # the last two are in the toolbox
    foreign = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        if path.suffix == ".py"
        for name in imported(path) - ours - provided
    }
    assert foreign == set()


def variables_of_providers() -> list[str]:
    """Return the variables of providers, named as for a single provider."""
    texts = {
        name: (ROOT / f"portal/accounts/oidc/{name}.py").read_text()
        for name in ("claims", "provider")
    }
    of_each = [*re.findall(r"\{start\}([A-Z_]+)", texts["provider"]), *ENDPOINT_VARIABLES.values()]
    of_the_site = re.findall(r"\"(OIDC_[A-Z_]+[A-Z])\"", texts["claims"] + texts["provider"])
    return [*(f"OIDC_{name}" for name in of_each), *of_the_site]


def test_every_environment_variable_is_documented_and_no_other():
    read = re.findall(
        r"ENVIRONMENT\.(?:text|number|decimal|flag|choice|words)\(\s*\"([A-Z_]+)\"",
        (ROOT / "portal/settings.py").read_text(),
    )
    read += variables_of_providers()
    names = ("configure", "kubernetes", "monitor", "sign-in")
    documents = [ROOT / f"docs/{name}.md" for name in names]
    table = [
        name
        for document in documents
        for name in re.findall(r"^\| `([A-Z_]+)` \|", document.read_text(), re.MULTILINE)
    ]
    assert set(read) == set(table)


def test_every_retention_setting_is_listed_in_the_lifetimes_page():
    times = re.findall(
        r"\"(PORTAL_(?:KEEP|UNDO)_[A-Z_]+)\"", (ROOT / "portal/settings.py").read_text()
    )
    text = (ROOT / "docs/lifetimes.md").read_text()
    assert [name for name in times if f"`{name}" not in text] == []


def test_links_in_the_documents_lead_to_existing_files():
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
