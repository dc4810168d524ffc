"""The admin of notebooks: who gets in, and that every change goes through `lifecycle`."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import User
from sessions.models import Project, RepositoryRule
from sessions.states import ProjectState
from tests.conftest import signed_in
from tests.stages import project_in

pytestmark = pytest.mark.django_db

BASE = "/admin/notebook_sessions"
MODELS = ["project", "session", "build", "repositoryrule"]


@pytest.fixture
def project(ada, backend) -> Project:
    RepositoryRule.objects.create(pattern="github.com/evil/*", kind="ban")
    return project_in(ProjectState.FAILED, ada)


def row_of(model: str, project: Project) -> int:
    return {
        "project": project.pk,
        "session": project.current.pk,
        "build": project.current.build.pk,
        "repositoryrule": RepositoryRule.objects.get().pk,
    }[model]


def addresses(model: str, project: Project) -> list[str]:
    pk = row_of(model, project)
    pages = [
        f"{BASE}/{model}/",
        *(f"{BASE}/{model}/{pk}/{page}/" for page in ("change", "history")),
    ]
    return [*pages, f"{BASE}/build/{pk}/log.txt"] if model == "build" else pages


@pytest.mark.parametrize("model", MODELS)
def test_every_role_can_view_every_page(project, vera, sue, root, model):
    for user in (vera, sue, root):
        for address in addresses(model, project):
            assert signed_in(user).get(address).status_code == 200, (user, address)


@pytest.mark.parametrize("model", MODELS)
def test_people_without_a_role_cannot_view_any_page(project, ada, bob, model):
    plain = User.objects.create_user("plain", is_staff=True)
    for address in addresses(model, project):
        for client in (signed_in(ada), signed_in(bob), Client()):
            answer = client.get(address)
            assert answer.headers["Location"].startswith("/admin/login/"), address
        assert signed_in(plain).get(address).status_code in {403, 404}, address


@pytest.mark.parametrize("model", MODELS[:3])
def test_superuser_cannot_add_change_or_delete_rows(project, root, model):
    base, pk = f"{BASE}/{model}/", row_of(model, project)
    client = signed_in(root)
    assert client.get(f"{base}add/").status_code == 403
    assert client.post(f"{base}{pk}/change/", {"state": "ready"}).status_code == 403
    assert client.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
    assert 'name="_save"' not in client.get(f"{base}{pk}/change/").content.decode()
    assert Project.objects.get(pk=project.pk).state == ProjectState.FAILED


@pytest.mark.parametrize("page", ["project/{}/", "session/{}/", "build/{}/"])
def test_missing_row_redirects_to_another_page(project, vera, page):
    answer = signed_in(vera).get(f"{BASE}/{page.format(987654321)}change/")
    assert answer.status_code == 302


@pytest.mark.parametrize("model", ["schedule", "ormq", "success", "failure"])
def test_task_queue_is_not_in_the_admin(root, model):
    assert signed_in(root).get(f"/admin/django_q/{model}/").status_code == 404
    assert signed_in(root).get(f"/admin/django_q/{model}/add/").status_code == 404


# --- Rules for repositories ---
WISH = {"kind": "ban", "pattern": "github.com/evil/*", "reason": "It mines coins."}


def test_viewers_and_support_cannot_add_repository_rules(vera, sue, root, backend):
    for user in (vera, sue):
        assert signed_in(user).post(f"{BASE}/repositoryrule/add/", WISH).status_code == 403
    assert signed_in(root).post(f"{BASE}/repositoryrule/add/", WISH).status_code == 302
    assert RepositoryRule.objects.get().reason == "It mines coins."


@pytest.mark.parametrize("pattern", ["evil/miner", "nonsense"])
def test_pattern_without_a_host_is_refused(root, backend, pattern):
    answer = signed_in(root).post(f"{BASE}/repositoryrule/add/", {**WISH, "pattern": pattern})
    assert "Start with the host" in answer.content.decode()
    assert not RepositoryRule.objects.exists()


@pytest.mark.parametrize(
    ("address", "verdict"),
    [
        ("evil/miner", "Banned by this rule."),
        ("git@github.com:Evil/miner.git", "Banned by this rule."),
        ("old/thing", "Banned by the rule github.com/old/*."),
        ("ada/flowers", "Allowed: no rule matches it."),
        ("file:///etc", "Only https:// and ssh:// addresses work here"),
        ("", "Paste the address"),
    ],
)
def test_try_checks_an_address_against_all_rules_without_saving(root, backend, address, verdict):
    RepositoryRule.objects.create(kind="ban", pattern="github.com/old/*")
    typed = {**WISH, "_try": "yes", "address": address}
    page = signed_in(root).post(f"{BASE}/repositoryrule/add/", typed).content.decode()
    assert verdict in page
    assert 'value="github.com/evil/*"' in page
    assert RepositoryRule.objects.count() == 1


def test_try_uses_the_rule_as_typed_and_not_as_stored(root, vera, backend):
    rule = RepositoryRule.objects.create(kind="ban", pattern="github.com/evil/*")
    typed = {**WISH, "kind": "allow", "_try": "yes", "address": "evil/miner"}
    page = signed_in(root).post(f"{BASE}/repositoryrule/{rule.pk}/change/", typed)
    assert "Allowed by this rule." in page.content.decode()
    rule.refresh_from_db()
    assert rule.is_ban
    looked = {"_try": "yes", "address": "evil/miner"}
    page = signed_in(vera).post(f"{BASE}/repositoryrule/{rule.pk}/change/", looked)
    assert "Banned by this rule." in page.content.decode()


def test_try_shows_that_an_allow_rule_bans_everything_else(root, backend):
    typed = {**WISH, "kind": "allow", "_try": "yes", "address": "ada/flowers"}
    page = signed_in(root).post(f"{BASE}/repositoryrule/add/", typed).content.decode()
    assert "Banned: only some repositories are allowed, and this is not one of them." in page
