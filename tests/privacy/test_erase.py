"""Erasing a person: no trace of them is left, however often it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from keys.models import KeyPair, Token
from portal.accounts import manage
from portal.models import Erasure, SignIn, User
from portal.privacy import erase
from quotas.models import LimitSet
from sessions import lifecycle
from sessions.errors import TemporaryError
from sessions.lifecycle import observations, steps
from sessions.models import (
    Access,
    Event,
    Idempotency,
    LogChunk,
    Project,
    Session,
    Transition,
)
from sessions.states import ProjectState, SessionState
from sessions.statistics.usage import GroupBy, Month, usage_rows
from sessions.watch.reconcile import reconcile
from tests.conftest import signed_in
from tests.full_person import NAMES, SAID, fill
from tests.scripted import ScriptedBackend
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


class Interrupted(Exception):
    """Raised where the process is killed."""


class AfterQueries:
    """Make the database unavailable from the nth query on."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, execute: Any, sql: str, *arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0 and "SAVEPOINT" not in sql:
            raise Interrupted
        return execute(sql, *arguments)


def everything() -> str:
    """Return the whole database as text, with the tasks unpacked, but without Django's own tables
    and builds that belong to everybody.
    """
    rows = {
        model._meta.label: list(model._default_manager.values())
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in {"contenttypes", "sessions"}
    }
    builds = rows["notebook_sessions.Build"]
    rows["notebook_sessions.Build"] = [build for build in builds if build["owner_id"]]
    rows["django_q.OrmQ"] = [{"task": repr(waiting.task)} for waiting in OrmQ.objects.all()]
    return json.dumps(rows, cls=DjangoJSONEncoder, indent=0)


def telling(words: Iterable[str]) -> list[str]:
    """Return the lines in which any of these words still occurs."""
    return [line for line in everything().split("\n") if any(word in line for word in words)]


def stop_all() -> None:
    """End the sessions that are stopping, as watch does."""
    for session in Session.objects.filter(state=SessionState.STOPPING).select_related("project"):
        observations.handle_server_gone(session, "", "")


def drop_all() -> None:
    """Remove the projects that nobody can restore any more, as the worker does."""
    for project in Project.objects.pending_removal():
        steps.remove_project(project.pk)


def erase_wholly(person: User, by: User) -> None:
    erase.erase(person, by)
    stop_all()
    drop_all()
    erase.finish()


def test_no_trace_of_an_erased_person_remains(root, backend):
    person = User.objects.create_user("ada-lovelace", "ada@example.org", "her password")
    fill(person, root)
    words = [person.username, *NAMES, *SAID]
    assert all(telling([word]) for word in words)
    erase_wholly(person, root)
    Erasure.objects.get().confirm_removal()  # its volume is named for whoever removes it
    assert telling(words) == []


def test_usage_of_an_erased_person_is_still_counted(ada, root, backend):
    fill(ada, root)
    month = Month.of(timezone.now())
    used = [line.hours for line in usage_rows(GroupBy.PERSON, [month])]
    sessions = Session.objects.filter(project__owner=ada).count()
    erase_wholly(ada, root)
    assert Session.objects.filter(project__owner__username=f"erased-{ada.pk}").count() == sessions
    assert [line.hours for line in usage_rows(GroupBy.PERSON, [month])] == used


def test_repository_addresses_stay_unless_they_contain_the_username(ada, root, backend):
    for repository in ("eve/bees", "ada/flowers"):
        project_in(ProjectState.STOPPED, ada, repository)
    erase_wholly(ada, root)
    kept = set(Project.objects.values_list("repository", "url"))
    assert kept == {
        ("eve/bees", "https://github.com/eve/bees.git"),
        (f"erased-{ada.pk}", ""),
    }


def test_erased_person_loses_all_access_at_once(ada, as_ada, root, backend):
    _token, secret = Token.objects.issue(ada, "laptop")
    project_in(ProjectState.READY, ada)
    erase.erase(ada, root)
    assert as_ada.get("/account/").status_code == 302
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/me/").status_code == 401
    assert not Client().login(username="ada", password="ada's password")
    assert not SignIn.objects.exists()
    assert not KeyPair.objects.exists()


def test_erasure_is_unfinished_while_a_notebook_stops(ada, root, backend):
    project_in(ProjectState.READY, ada)
    row = erase.erase(ada, root)
    for _minute in range(2):
        erase.finish()
        assert erase.unfinished_erasures([row]) == {row.pk}
        assert User.objects.get(pk=ada.pk).username == "ada"
    stop_all()
    drop_all()
    erase.finish()
    assert erase.unfinished_erasures([row]) == set()
    assert (row.volume, row.by) == ("ada-nfs-pvc", root)


def test_backend_forgets_the_keys_and_projects(ada, root, backend: ScriptedBackend):
    project = lifecycle.launch(ada, "eve/bees")
    backend.renew_identity("ada", object())  # type: ignore[arg-type]
    erase_wholly(ada, root)
    assert backend.identities == {}
    assert project.name not in backend.kept_projects


def test_reconcile_finishes_an_erasure(ada, root, backend):
    fill(ada, root)
    erase.erase(ada, root)
    stop_all()
    drop_all()
    reconcile()
    assert User.objects.get(pk=ada.pk).username == f"erased-{ada.pk}"


def test_unavailable_backend_delays_an_erasure(ada, root, backend: ScriptedBackend):
    row = erase.erase(ada, root)
    away = TemporaryError("backend.away", "It does not answer.")
    forget, backend.forget_identity = backend.forget_identity, _raising(away)  # type: ignore[method-assign]
    erase.finish()
    assert erase.unfinished_erasures([row])
    backend.forget_identity = forget  # type: ignore[method-assign]
    erase.finish()
    assert not erase.unfinished_erasures([row])


def _raising(error: Exception) -> Any:
    def fail(*_arguments: Any) -> None:
        raise error

    return fail


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow("people are erased, with a break at one query after another", seconds=150)
def test_interrupted_erasure_resumes_from_any_point(root, backend):
    for count in range(1, 400, 29):
        person = User.objects.create_user(f"person{count}", "p@example.org", "a password")
        fill(person, root)
        try:
            with connection.execute_wrapper(AfterQueries(count)):
                erase_wholly(User.objects.get(pk=person.pk), root)
        except Interrupted:
            if erase.may_erase(root, User.objects.get(pk=person.pk)):
                erase.erase(User.objects.get(pk=person.pk), root)
            stop_all()
            drop_all()
            erase.finish()
            assert User.objects.get(pk=person.pk).username == f"erased-{person.pk}"
            Erasure.objects.get(removed=None).confirm_removal()
            assert telling([person.username, *NAMES, *SAID]) == []
        else:
            assert count > 50
            return
    pytest.fail("it took more than 400 queries")


def test_project_launched_during_an_erasure_is_deleted_too(ada, root, backend):
    row = erase.erase(ada, root)
    lifecycle.launch(ada, "eve/bees")
    manage.enable(User.objects.get(pk=ada.pk))
    erase.finish()
    drop_all()
    erase.finish()
    assert not erase.unfinished_erasures([row])
    assert not Project.objects.existing().exists()
    assert not User.objects.get(pk=ada.pk).is_active


def test_deleted_projects_are_dropped_before_they_are_renamed(ada, root, backend):
    project = project_in(ProjectState.STOPPED, ada, "eve/bees")
    backend.kept_projects = {project.name}
    lifecycle.delete(project, ada)
    row = erase.erase(ada, root)
    assert not Project.objects.restorable().exists()
    for _minute in range(2):  # the worker has not come to it
        erase.finish()
        assert erase.unfinished_erasures([row])
        assert Project.objects.get().name == project.name
    drop_all()
    erase.finish()
    assert (backend.projects(), erase.unfinished_erasures([row])) == ([], set())


def test_erased_username_is_never_assigned_again(ada, root, backend):
    assert not erase.is_erased_name("ada")
    erase_wholly(ada, root)
    assert erase.is_erased_name("ada")
    assert erase.is_erased_name(f"erased-{ada.pk}")
    for name in ("ada", f"erased-{ada.pk}", "erased-99999"):
        with pytest.raises(ValidationError, match="erased"):
            User.objects.create_user(name)
    User.objects.create_user("ada2")


def test_only_operators_and_superusers_may_erase_other_people(ada, bob, sue, stan, root, backend):
    another = User.objects.create_superuser("another")
    assert erase.may_erase(root, ada)
    assert erase.may_erase(root, another)
    assert not erase.may_erase(root, root)
    assert not erase.may_erase(sue, ada)
    assert not erase.may_erase(bob, ada)
    assert erase.may_erase(stan, ada)
    assert not erase.may_erase(stan, root)
    with pytest.raises(PermissionDenied):
        erase.erase(ada, bob)
    assert not Erasure.objects.exists()


def test_other_people_keep_their_data(ada, bob, root, backend):
    fill(ada, root)
    project = fill(bob, root)
    erase_wholly(ada, root)
    bob = User.objects.get(pk=bob.pk)
    assert (bob.username, bob.first_name, bob.is_active) == ("bob", "Augusta", True)
    assert Project.objects.get(pk=project.pk).state == ProjectState.READY
    assert Token.objects.filter(user=bob).exists()
    assert LogChunk.objects.filter(build__owner=bob).exists()
    assert Event.objects.filter(project=project).exists()


def test_staff_actions_are_kept_without_the_username(ada, stan, root, backend):
    project = project_in(ProjectState.READY, ada, "eve/bees")
    lifecycle.stop(project, stan)
    erase_wholly(stan, root)
    move = Transition.objects.get(session__project=project, after="stopping", by__contains="-")
    assert (move.by, move.why) == (f"erased-{stan.pk}", f"Stopped by erased-{stan.pk}.")


def test_erasing_a_person_named_like_a_process_keeps_its_transitions(root, backend, ada):
    project = project_in(ProjectState.FAILED, ada, "eve/bees")
    watch = User.objects.create_user("watch")
    erase_wholly(watch, root)
    assert Transition.objects.filter(session__project=project, by="watch").exists()


def test_idempotency_records_are_removed_even_if_added_during_an_erasure(ada, bob, root, backend):
    """Whatever was asked with them, and also those that come in while it is being done."""
    for person in (ada, bob):
        for key in ("answered", "under way"):
            Idempotency.objects.claim(person, key, "digest")
        row = Idempotency.objects.get(user=person, key="answered")
        Idempotency.objects.store_response(row, 201, {"name": "ada-secret-flowers"})
    project_in(ProjectState.READY, ada)
    erase.erase(ada, root)
    assert set(Idempotency.objects.values_list("user__username", flat=True)) == {"bob"}
    Idempotency.objects.claim(ada, "late", "digest")
    stop_all()
    drop_all()
    erase.finish()
    assert not Idempotency.objects.filter(user=ada.pk).exists()
    assert Idempotency.objects.count() == 2


def test_erasure_removes_personal_rows_of_this_person_only(ada, bob, root, backend):
    kinds = (Token, KeyPair, SignIn, Idempotency, LimitSet, Access)
    fill(ada, root)
    fill(bob, root)
    before = {kind: kind._default_manager.filter(user=bob).count() for kind in kinds}
    assert all(before.values())
    erase_wholly(ada, root)
    for kind in kinds:
        assert not kind._default_manager.filter(user=ada.pk).exists(), kind
        assert kind._default_manager.filter(user=bob).count() == before[kind], kind


def test_form_refuses_a_taken_or_erased_username(ada, bob, root, backend):
    """By words beside the field, whichever of the two it is."""
    erase.erase(ada, root)
    erase.finish()
    assert not User.objects.filter(username="ada").exists()
    for name, said in (("ada", "so it cannot be used again"), ("bob", "already exists")):
        form = {"username": name, "password1": "long enough 7", "password2": "long enough 7"}
        answer = signed_in(root).post("/admin/portal/user/add/", form)
        assert answer.status_code == 200
        assert said in str(answer.context["adminform"].form.errors["username"])
