"""Models of a session and of the rights of browsers and programs to its notebook.

A `Session` is one run of a project; its rows stay as the record of use. An `Access` is one
browser's right to one notebook: the ticket it came with and the cookie it holds; or a program's.
`sessions.gateway.tickets` writes these rows and `sessions.gateway.authorize` reads them; deleting a
row takes the right away.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keys.sealing import seal, unseal
from quotas.resources import Resources
from sessions import disclosure
from sessions.models.build import Build
from sessions.models.project import Project
from sessions.models.record import AdvancingQuerySet
from sessions.states import SESSION_HOLDING, SESSION_LIVE, SESSION_TRANSITIONS, SessionState

SEAL_PURPOSE = "server-token"


class SessionQuerySet(AdvancingQuerySet["Session"]):
    """Queries on sessions, by state and age."""

    transitions = SESSION_TRANSITIONS
    stamp = "changed"

    def live(self) -> SessionQuerySet:
        """Return the sessions that have not ended."""
        return self.filter(state__in=SESSION_LIVE)

    def holding_resources(self) -> SessionQuerySet:
        """Return the sessions that hold their guaranteed resources: on their way, or running."""
        return self.filter(state__in=SESSION_HOLDING, build_only=False)

    def unchanged_for(self, age: timedelta) -> SessionQuerySet:
        """Return the sessions that have not changed their state for ``age``: a task may be lost.

        A change that lies in the future counts as older, too: the clock was set back.
        """
        now = timezone.now()
        return self.filter(models.Q(changed__lt=now - age) | models.Q(changed__gt=now + age))


def new_token() -> str:
    """Return a new random token for a notebook's server, encrypted."""
    return seal(secrets.token_urlsafe(32), SEAL_PURPOSE)


class Session(models.Model):
    """One run of a project. Memory is in GB (10⁹ bytes).

    - ``sealed_token`` is the token that the notebook's server accepts, encrypted; only the gateway
      ever sends it.
    - ``address`` is where the server answers, ``node`` the machine that it is on, ``server_uid``
      what tells it from another of the same name.
    - ``code`` and ``message`` say why it ended, what it waits for, or what is wrong with it while
      it runs; both are empty if it was told to end.
    - ``build_only`` says that it ends once its environment is built: no notebook follows.
    - ``safe_mode`` is why it runs in safe mode, for its owner alone; "" for an ordinary run.
    - ``asked`` is when its server last answered what it is doing, ``busy`` whether a kernel was
      computing then.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="sessions")
    build = models.ForeignKey(Build, models.PROTECT, null=True, related_name="sessions")
    state = models.CharField(
        _("state"), max_length=16, choices=SessionState.choices, default=SessionState.WAITING
    )
    force_build = models.BooleanField(_("rebuild"), default=False)
    build_only = models.BooleanField(_("build only"), default=False, db_default=False)
    safe_mode = models.TextField(default="", db_default="", blank=True, editable=False)
    cpu_request = models.FloatField(_("CPU guaranteed"))
    cpu_limit = models.FloatField(_("CPU limit"))
    memory_request_gb = models.FloatField(_("memory guaranteed"))
    memory_limit_gb = models.FloatField(_("memory limit"))
    gpu = models.PositiveSmallIntegerField(_("GPUs"), default=0)
    gpu_type = models.CharField(
        _("type of GPU"), max_length=63, blank=True, default="", db_default=""
    )
    runs_on = models.CharField(_("profile"), max_length=100, blank=True, default="", db_default="")
    sealed_token = models.TextField(default=new_token, editable=False)
    address = models.CharField(_("address"), max_length=255, blank=True)
    node = models.CharField(_("machine"), max_length=255, blank=True)
    server_uid = models.CharField(
        max_length=64, default="", db_default="", blank=True, editable=False
    )
    code = models.CharField(_("error code"), max_length=64, blank=True)
    message = models.TextField(_("error"), blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    busy = models.BooleanField(_("computing"), default=False, editable=False)
    asked = models.DateTimeField(_("last answer"), null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now)
    changed = models.DateTimeField(_("last change"), default=timezone.now)
    ready = models.DateTimeField(_("ready"), null=True, blank=True)
    ended = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=SessionState.values), name="session_state_is_known"
            ),
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(state__in=SESSION_LIVE),
                name="one_live_session_for_a_project",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "changed"],
                condition=models.Q(state__in=SESSION_LIVE),
                name="live_sessions",
            ),
            models.Index(fields=["-created"], name="sessions_by_begin"),
            models.Index(fields=["-ended"], name="sessions_by_end"),
            models.Index(Upper("node"), name="sessions_by_node"),
        ]

    def __str__(self) -> str:
        return f"{self.project_id}/{self.pk}"

    @property
    def public_message(self) -> str:
        """Return the message as staff may read it, whoever the project belongs to."""
        redacted = disclosure.redact(self.message, self.code)
        return redacted if self.project.is_confidential else self.message

    @property
    def server_token(self) -> str:
        """Return the notebook server's own token. Raises `keys.sealing.UnsealError`."""
        return unseal(self.sealed_token, SEAL_PURPOSE)

    @property
    def resources(self) -> Resources:
        """Return the resources that the session was launched with."""
        return Resources(
            cpu_request=self.cpu_request,
            cpu_limit=self.cpu_limit,
            memory_request_gb=self.memory_request_gb,
            memory_limit_gb=self.memory_limit_gb,
            gpu=self.gpu,
            gpu_type=self.gpu_type,
            runs_on=self.runs_on,
        )


class Access(models.Model):
    """The right of one browser, or of one program, to one notebook.

    ``ticket`` and ``cookie`` are SHA-256 digests of random secrets. A ticket is good once, within
    seconds, and is swapped for the cookie. ``browser`` is the key of the portal session that asked,
    so that its end ends this too.

    A program sends a secret as its token, and its row says for which ``session`` it is: it ends
    with that. ``cookie`` is then the secret's digest, and the row ends with the API ``token`` that
    asked for it, or with the browser that did.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    project = models.ForeignKey("notebook_sessions.Project", models.CASCADE, related_name="+")
    browser = models.CharField(max_length=64, db_index=True)
    ticket = models.CharField(max_length=64, unique=True)
    cookie = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001  not yet
    session = models.ForeignKey(Session, models.CASCADE, null=True, related_name="+")
    token = models.ForeignKey("keys.Token", models.CASCADE, null=True, related_name="+")
    created = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id} → {self.project_id}"
