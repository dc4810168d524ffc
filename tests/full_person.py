"""A person with every kind of data that the portal can have about anybody."""

from __future__ import annotations

from datetime import timedelta

from auditlog.context import set_actor
from axes.models import AccessAttempt
from django.contrib.admin.models import CHANGE
from django.contrib.admin.models import LogEntry as AdminEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.utils import timezone

from keys import keypairs
from keys.models import KnownHost, Token
from keys.sealing import seal
from portal.models import Letter, SignIn, User
from quotas import changes, requests
from quotas.models import Grant
from sessions import lifecycle
from sessions.backends import LogLines
from sessions.gateway import tickets
from sessions.models import Build, Idempotency, Preview, Project, Session
from sessions.progress.journal import append
from sessions.states import BuildState, ProjectState
from tests.stages import project_in

NAMES = ("Augusta", "Lovelace", "ada@example.org", "subject-of-ada", "https://id.example.org")
SAID = ("A course of hers.", "Her thesis.", "eve/her-thesis", "secret-of-the-log")


def fill(user: User, by: User, *, state: ProjectState = ProjectState.READY) -> Project:
    """Give the person a project in ``state``, a deleted one, a built private one, and everything
    else.
    """
    _name(user)
    with set_actor(by):
        changes.set_own_limits(user, {"projects": 20})
        until = timezone.localdate() + timedelta(days=9)
        Grant.objects.create(
            user=user, limit="running", value=90, until=until, reason="Her thesis.", given_by=by
        )
    requests.submit(user, "max_cpu", 30, until, "A course of hers.")
    _keys(user)
    _letters_and_log(user, by)
    lifecycle.delete(project_in(ProjectState.STOPPED, user, "eve/bees"), user)
    _private(user)
    return project_in(state, user, f"{user.username}/flowers")


def _name(user: User) -> None:
    user.first_name, user.last_name, user.email, user.subject, user.issuer = NAMES
    user.subject = f"{user.subject}-{user.pk}"
    user.claimed = ["physics"]
    user.save()
    user.groups.add(Group.objects.get_or_create(name="physics")[0])
    user.user_permissions.add(Permission.objects.get(codename="view_token"))


def _keys(user: User) -> None:
    Token.objects.issue(user, "laptop")
    keypairs.ensure(user)
    host = f"git-{user.pk}.example.org"
    KnownHost.objects.create(host=host, key="ssh-ed25519 AAAA", first_user=user)
    client = Client()
    client.force_login(user)
    browser = client.session.session_key or ""
    SignIn.objects.create(
        user=user, provider="campus", browser=browser, sealed=seal("refresh", "refresh-token"),
        due=timezone.now(),
    )  # fmt: skip
    Idempotency.objects.create(
        user=user, key=f"once-{user.pk}", request="0" * 64, status=201, body={"secret": "bdy_once"}
    )


def _letters_and_log(user: User, by: User) -> None:
    wish = user.limit_requests.get()
    for to in (user, by):
        key = f"limit-request-{wish.pk}-asked-{to.pk}"
        words = f"{user.username}: A course of hers."
        Letter.objects.create(key=key, to=to, subject=words, text=words, html=words)
    kind = ContentType.objects.get_for_model(User)
    about = {"content_type": kind, "object_id": user.pk, "object_repr": user.username}
    AdminEntry.objects.create(user=by, action_flag=CHANGE, **about)
    AdminEntry.objects.create(user=user, action_flag=CHANGE, **about)
    AccessAttempt.objects.create(
        username=user.username, ip_address="192.0.2.1", failures_since_start=1
    )


def _private(user: User) -> None:
    """Make a project from a private repository that is fetched with their key; it has stopped
    since.
    """
    project = lifecycle.launch(user, "eve/placeholder")
    where = "git@git.example.org:eve/her-thesis.git"
    Project.objects.filter(pk=project.pk).update(
        repository=where, url=where, path="eve/her-thesis.md"
    )
    build = Build.objects.create(
        owner=user, url=where, commit="c0ffee", image=f"image-{user.pk}", state=BuildState.BUILDING
    )
    Preview.objects.create(owner=user, key=f"{user.pk}", url=where, html="Her thesis.")
    append(build, LogLines("building", "secret-of-the-log\nbye", "1"))
    Build.objects.filter(pk=build.pk).update(state=BuildState.BUILT)
    Session.objects.filter(project=project).update(build=build)
    lifecycle.stop(Project.objects.get(pk=project.pk), user)
    tickets.issue_ticket(user, project, "some browser", "entrant")
