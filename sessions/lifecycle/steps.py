"""Do the worker's part with the back end, one short step at a time; `builds` has the first step.

Each step takes a row's number, looks at the present state, and does what is left to do. Run twice,
or twice at the same time, or after the person changed their mind, it changes nothing more.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from quotas.limits import limits_of
from quotas.profiles import Profile
from quotas.resources import Placement
from quotas.resourcesfile import ResourcesRefused
from sessions.backends import BuildSpec, ContentSpec, ServerSpec, get_backend
from sessions.errors import BinderyError, UserError
from sessions.jupyter import commit_email
from sessions.lifecycle import files, observations, safe_mode, sshkey
from sessions.lifecycle.ending import handle_failures
from sessions.models import Build, Project, Session
from sessions.names import owner_slug
from sessions.states import BuildState, SessionState


def start_build(build_id: int) -> None:
    """Have the back end start the build, unless it runs already."""
    build = Build.objects.active().filter(pk=build_id).select_related("owner").first()
    if build is None:
        return
    why = "someone is waiting for it"
    now = timezone.now()
    Build.objects.advance(
        build.pk, BuildState.BUILDING, by="worker", why=why, started=now, attempts=1
    )
    try:
        get_backend().ensure_build(
            BuildSpec(
                id=build.pk,
                url=build.url,
                commit=build.commit,
                ref=build.ref,
                image=build.image,
                no_cache=build.fresh,
                archive=build.archive,
                identity=sshkey.identity_for(build.owner) if build.owner else None,
            )
        )
    except BinderyError as error:
        observations.handle_refused_build(build, error)


def cancel_unwanted_build(build_id: int) -> None:
    """Cancel a build that nobody waits for any more."""
    with transaction.atomic():
        build = Build.objects.active().select_for_update(no_key=True).filter(pk=build_id).first()
        if build is None or build.is_wanted():
            return
        Build.objects.advance(
            build_id,
            BuildState.CANCELLED,
            by="worker",
            why="nobody is waiting for it any more",
            finished=timezone.now(),
        )
        observations.requeue_launches(build)
    get_backend().cancel_build(build_id)


def cancel_build(build_id: int) -> None:
    """Have the back end end a build that staff have cancelled."""
    if Build.objects.filter(pk=build_id, state=BuildState.CANCELLED).exists():
        get_backend().cancel_build(build_id)


def spawn(session_id: int) -> None:
    """Have the back end start the notebook, unless it runs already."""
    rows = Session.objects.select_related("project__owner", "build")
    session = rows.filter(pk=session_id, state=SessionState.SPAWNING).first()
    if session is None or session.build is None:
        return
    project = session.project
    with handle_failures(session):
        identity = sshkey.identity_for(project.owner)
        volume = files.store_volume(project)
        get_backend().ensure_server(
            ServerSpec(
                id=session.pk,
                name=project.name,
                owner=owner_slug(project.owner.username),
                volume=volume,
                former_names=files.former_labels(project.owner),
                owner_id=project.owner_id,
                image=session.build.image,
                digest=session.build.digest,
                commit=session.build.commit,
                url=project.url,
                token=session.server_token,
                resources=session.resources,
                volume_gb=limits_of(project.owner).volume_gb,
                identity=identity,
                author=project.owner.get_full_name() or project.owner.username,
                email=commit_email(
                    project.owner.email, project.owner.username, settings.PORTAL_URL
                ),
                safe_mode=session.safe_mode,
                keeps_start=safe_mode.tries_kernel(session),
                content=_content_spec(project),
                placement=_placement(session),
            )
        )
        # The key may have been replaced in the meantime.
        sshkey.renew(project.owner_id, current=identity)


def _placement(session: Session) -> Placement:
    """Return where the notebook runs. Raises `UserError` if its type of GPU is gone meanwhile."""
    try:
        profile = Profile.objects.choose(session.project.owner, session.resources)
    except ResourcesRefused as refusal:
        raise UserError(refusal.code, refusal.message) from None
    return profile.placement() if profile else Placement()


def _content_spec(project: Project) -> ContentSpec | None:
    """Return the content that the notebook gets; None if it has none, or none at this start."""
    if not (source := project.content_source) or not project.content_commit:
        return None
    named = (source.url, project.content_commit, source.ref, source.folder)
    return ContentSpec(*named, unless_puller=project.is_content_optional)


def remove_server(session_id: int) -> None:
    """Have the back end stop the notebook.

    `observations.handle_server_gone` follows when it is gone.
    """
    backend = get_backend()
    backend.remove_server(session_id)
    stopping = Session.objects.filter(pk=session_id, state=SessionState.STOPPING)
    session = stopping.select_related("project").first()
    if session and session_id not in {report.id for report in backend.servers()}:
        observations.handle_server_gone(session, "", "")  # stopped before its server existed


def remove_project(project_id: int) -> None:
    """Have the back end drop what it keeps of a stopped project that nobody can restore.

    `sessions.watch.reconcile` repeats this until all of it is gone.
    """
    rows = Project.objects.filter(pk=project_id)
    project = rows.first()
    if project is None or project.removed is None or project.is_restorable:
        return
    if Session.objects.live().filter(project=project).exists():
        return
    if get_backend().remove_project(project.name, project.files_volume):
        rows.mark_removed()
