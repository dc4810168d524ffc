"""Decide what a hub's people become here, and make them, each in a transaction of their own.

A person who signs in is found by the provider's subject alone, never by name: a name could be
somebody else's. So the subject of each person has to be given, or their account here waits until
staff join it with the one that they get at their first sign-in. Planning again after a part was
done finds that part done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portal import roles
from portal.accounts.oidc.people import RESERVED_USERNAMES, is_taken, safe_username
from portal.models import User
from quotas.changes import get_own_limits, set_own_limits
from sessions.lifecycle import files
from sessions.names import owner_slug

from .source import Claim, HubUser

Figures = Mapping[str, Any]
NEW, CHANGED, SAME, CONFLICT = "create", "update", "unchanged", "conflict"


@dataclass(frozen=True)
class ImportOptions:
    """Settings of an import: what the operator says about a hub's people.

    ``issuer`` is the identity provider's, ``subjects`` the people's subjects there by hub name.
    ``usernames`` are names here by hub name, where they are to differ; a name in it may be that of
    an account which exists. ``limits`` are figures by ``people`` and ``groups``. ``admins_as`` is
    the role of the hub's administrators, "" for none.
    """

    issuer: str = ""
    subjects: Mapping[str, str] = field(default_factory=dict)
    usernames: Mapping[str, str] = field(default_factory=dict)
    people_limits: Mapping[str, Figures] = field(default_factory=dict)
    group_limits: Mapping[str, Figures] = field(default_factory=dict)
    admins_as: str = ""


@dataclass
class Step:
    """Changes for one person; ``notes`` are what the operator has to know or do."""

    person: HubUser
    username: str
    action: str = NEW
    subject: str = ""
    groups: list[str] = field(default_factory=list)
    limits: Figures = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    account: User | None = None

    @property
    def volume(self) -> str:
        """Return the name that the person's volume has here, or is going to have."""
        return (self.account.volume if self.account else "") or owner_slug(self.username)


def plan(people: Iterable[HubUser], claims: Iterable[Claim], wanted: ImportOptions) -> list[Step]:
    """Return a step for each of the hub's people; nothing is changed."""
    by_user: dict[str, list[Claim]] = {}
    for claim in claims:
        by_user.setdefault(claim.user, []).append(claim)
    steps: list[Step] = []
    names: set[str] = set()
    for person in people:
        step = _step(person, by_user.get(person.name, []), wanted)
        if step.action != CONFLICT and step.username in names:
            step.action = CONFLICT
            step.notes.append(_("another person of the hub gets this name; choose one"))
        names.add(step.username)
        steps.append(step)
    return steps


def _step(person: HubUser, claims: list[Claim], wanted: ImportOptions) -> Step:
    subject = wanted.subjects.get(person.name, "") if wanted.issuer else ""
    chosen = wanted.usernames.get(person.name, "")
    step = Step(person, chosen or safe_username(person.name), subject=subject)
    step.account = _account(step, wanted)
    if step.account:
        step.username = step.account.username
    elif why := _refusal(step, is_chosen=bool(chosen)):
        step.action = CONFLICT
        step.notes.append(why)
    step.groups = sorted(_groups(person, wanted, step.notes))
    step.limits = wanted.people_limits.get(person.name, {})
    step.claims = claims
    step.notes += _notes(step, wanted)
    if step.account:
        step.action = CHANGED if _differs(step, wanted) else SAME
    return step


def _account(step: Step, wanted: ImportOptions) -> User | None:
    """Return the account that the person has already: by subject, by choice, or by a former run.

    An account from a former run has no subject yet, no password, and nobody has ever used it.
    """
    if step.subject:
        known = User.objects.filter(issuer=wanted.issuer, subject=step.subject).first()
        if known:
            return known
    found = User.objects.filter(username=step.username, subject="").first()
    is_chosen = step.person.name in wanted.usernames
    is_unused = found and not (found.has_usable_password() or found.last_login)
    return found if is_chosen or is_unused else None


def _refusal(step: Step, *, is_chosen: bool) -> str:
    """Return why there can be no new account with this name, and what to do; "" if there can."""
    if not step.username:
        return _("no name can be made of it; choose one in the mapping file")
    if step.username in RESERVED_USERNAMES and not is_chosen:
        return _("the name is reserved; choose another in the mapping file")
    if User.objects.filter(username=step.username).exists():
        return _(
            "an account has this name; if it is the same person, give its subject or name it in "
            "the mapping file, otherwise choose another name there"
        )
    if is_taken(step.username):
        return _("somebody had this name or one like it; choose another in the mapping file")
    return ""


def _groups(person: HubUser, wanted: ImportOptions, notes: list[str]) -> Iterator[str]:
    """Yield the groups that the person joins: none that grants permissions by its name alone."""
    if person.admin and wanted.admins_as:
        yield wanted.admins_as
    elif person.admin:
        notes.append(_("an administrator of the hub, who gets no role here (--admins-as)"))
    granting = Group.objects.filter(name__in=person.groups, permissions__isnull=False)
    closed = set(granting.values_list("name", flat=True)) | (person.groups & roles.ROLES.keys())
    for name in sorted(person.groups):
        if name in closed or len(name) > 150:
            notes.append(_("group %(name)s is left out: it grants permissions here, or its name is "
                           "too long") % {"name": name})  # fmt: skip
        else:
            yield name


def _notes(step: Step, wanted: ImportOptions) -> Iterator[str]:
    if step.username and step.username != step.person.name:
        yield _("is called %(name)s here") % {"name": step.username}
    known = step.account and step.account.subject
    if wanted.issuer and not (step.subject or known):
        yield _("no subject is known: join the account in the admin after the first sign-in")
    if step.person.servers:
        yield _("named servers stay behind: %(names)s") % {
            "names": ", ".join(sorted(step.person.servers))
        }
    own = [claim for claim in step.claims if not claim.server]
    if len(own) > 1:
        yield _("has several claims: %(names)s; the first is moved") % {
            "names": ", ".join(claim.name for claim in own)
        }
    for claim in step.claims:
        if claim.server:
            yield _("claim %(name)s of a named server: copy its files by hand") % {
                "name": claim.name
            }


def _differs(step: Step, wanted: ImportOptions) -> bool:
    account = step.account
    assert account is not None  # noqa: S101  the caller has looked
    has = set(account.groups.values_list("name", flat=True))
    figures = get_own_limits(account)
    return bool(
        set(step.groups) - has
        or any(figures.get(name) != value for name, value in step.limits.items())
        or (step.subject and account.subject != step.subject)
        or not account.volume
        or (wanted.admins_as and step.person.admin and not account.is_staff)
    )


def apply(step: Step, wanted: ImportOptions, *, dry_run: bool) -> None:
    """Do what the step says, or nothing of it; a conflict then stands in its notes.

    A dry run does it, too, and takes it back, so that it finds every conflict.
    """
    if step.action not in {NEW, CHANGED}:
        return
    try:
        with transaction.atomic():
            step.account = _apply(step, wanted)
            transaction.set_rollback(dry_run)
    except ValidationError as error:
        step.action = CONFLICT
        step.notes.append(" ".join(error.messages))
    except IntegrityError:
        step.action = CONFLICT
        step.notes.append(_("somebody has just got this name or identity; run the command again"))


def _apply(step: Step, wanted: ImportOptions) -> User:
    account = step.account or User.objects.create_user(step.username)
    if step.subject and not account.subject:
        account.issuer, account.subject = wanted.issuer, step.subject
        account.save(update_fields=["issuer", "subject"])
    for name in step.groups:
        if name == wanted.admins_as:
            roles.assign_role(account, name)
        else:
            account.groups.add(Group.objects.get_or_create(name=name)[0])
    if step.limits:
        set_own_limits(account, step.limits)
    files.volume_of(account)
    return account


def apply_group_limits(wanted: ImportOptions, *, dry_run: bool) -> None:
    """Set the limits of groups, which are made if they do not exist. Raises `ValidationError`."""
    with transaction.atomic():
        for name, figures in wanted.group_limits.items():
            set_own_limits(Group.objects.get_or_create(name=name)[0], figures)
        transaction.set_rollback(dry_run)


_KEPT = {"accessModes", "resources", "storageClassName", "volumeMode"}


def claim_manifest(step: Step, labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the claim that takes over the person's volume; None if none is bound."""
    old = next((claim for claim in step.claims if not claim.server and claim.volume), None)
    if old is None or step.action == CONFLICT:
        return None
    kept = {key: value for key, value in old.spec.items() if key in _KEPT}
    about = {"name": f"{step.volume}-nfs-pvc", "labels": dict(labels)}
    spec = {**kept, "volumeName": old.volume}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": spec}
