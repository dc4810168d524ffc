"""Define the staff roles, which are Django groups, and decide who may change whom.

Migrations create the groups (``…_roles…`` in `portal/migrations`): a role that changes here needs
another migration.
"""

from __future__ import annotations

from auditlog.context import disable_auditlog
from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from portal.models import User

_VIEWER = (
    "portal.view_user",
    "portal.view_announcement",
    "portal.view_letter",
    "portal.view_erasure",
    "portal.view_installation",
    "quotas.view_limitset",
    "quotas.view_grant",
    "quotas.view_limitrequest",
    "quotas.view_supportbounds",
    "quotas.view_profile",
    "notebook_sessions.view_project",
    "notebook_sessions.view_session",
    "notebook_sessions.view_build",
    "notebook_sessions.view_repositoryrule",
    "notebook_sessions.view_removal",
    "notebook_sessions.view_setaside",
    "keys.view_token",
    "keys.view_knownhost",
    "auditlog.view_logentry",
    "auth.view_group",
)
_SUPPORT = (
    *_VIEWER,
    "notebook_sessions.act_on_project",
    "notebook_sessions.cancel_build",
    "portal.sign_out_user",
    "quotas.add_grant",
    "quotas.answer_limitrequest",
)
_OPERATOR = (
    *_SUPPORT,
    "quotas.exceed_bounds",
    "quotas.add_limitset",
    "quotas.change_limitset",
    "quotas.delete_limitset",
    "quotas.change_grant",
    "quotas.delete_grant",
    "quotas.add_supportbounds",
    "quotas.change_supportbounds",
    "quotas.delete_supportbounds",
    "quotas.add_profile",
    "quotas.change_profile",
    "quotas.delete_profile",
    "portal.add_announcement",
    "portal.change_announcement",
    "portal.delete_announcement",
    "portal.retry_letter",
    "portal.change_installation",
    "notebook_sessions.add_repositoryrule",
    "notebook_sessions.change_repositoryrule",
    "notebook_sessions.delete_repositoryrule",
    "notebook_sessions.act_on_setaside",
    "portal.add_user",
    "portal.change_user",
    "portal.disable_user",
    "portal.erase_user",
    "portal.confirm_removal",
    "keys.delete_token",
    "keys.delete_knownhost",
    "auth.add_group",
    "auth.change_group",
)

ROLES: dict[str, tuple[str, ...]] = {
    "viewer": _VIEWER,
    "support": _SUPPORT,
    "operator": _OPERATOR,
}
TITLES = {"viewer": _("viewer"), "support": _("support"), "operator": _("operator")}


@disable_auditlog()  # type: ignore[untyped-decorator]
def ensure_group(role: str) -> Group:
    """Return the role's group, created if it is missing, with exactly the role's permissions.

    The change is not audited: it comes from the code, not from a person. Raises `LookupError` if
    not all of the permissions exist yet.
    """
    group, _made = Group.objects.get_or_create(name=role)
    wanted = ROLES[role]
    found = Permission.objects.filter(_any_of(wanted))
    if len(found) != len(wanted):
        raise LookupError(f"some permissions of the role {role} do not exist yet")
    group.permissions.set(found)
    return group


def assign_role(user: User, role: str) -> None:
    """Add the person to the role, and let them into the admin."""
    user.groups.add(ensure_group(role))
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])


def changeable_by(by: User, people: QuerySet[User]) -> QuerySet[User]:
    """Filter ``people`` to those whom ``by`` may change.

    Nobody may change a person with more permissions than they have themselves: whoever changes a
    password could act as that person.
    """
    if by.is_superuser:
        return people
    lacking = _lacking_permissions(by)
    own = Exists(User.user_permissions.through.objects.filter(
        user=OuterRef("pk"), permission__in=lacking))  # fmt: skip
    by_group = Exists(User.groups.through.objects.filter(
        user=OuterRef("pk"), group__permissions__in=lacking))  # fmt: skip
    return people.filter(~own, ~by_group, is_superuser=False)


def may_change(by: User, person: User) -> bool:
    """Return whether ``by`` may change this person, judging only by the permissions of the two."""
    return changeable_by(by, User.objects.filter(pk=person.pk)).exists()


def may_change_group(by: User, group: Group) -> bool:
    """Return whether ``by`` may rename, change and delete this group.

    Not if the group has permissions that ``by`` lacks: they would choose the limits of its members
    and the name that claims refer to.
    """
    return may_assign_groups(by, Group.objects.filter(pk=group.pk))


def may_assign_groups(by: User, groups: QuerySet[Group]) -> bool:
    """Return whether ``by`` may add people to these groups.

    They must have all the permissions that the groups give.
    """
    return by.is_superuser or not groups.filter(permissions__in=_lacking_permissions(by)).exists()


def _lacking_permissions(by: User) -> QuerySet[Permission]:
    held = Permission.objects.filter(Q(user=by) | Q(group__user=by))
    return Permission.objects.exclude(pk__in=held.values("pk"))


def _any_of(names: tuple[str, ...]) -> Q:
    wanted = Q()
    for label, _dot, codename in (name.partition(".") for name in names):
        wanted |= Q(content_type__app_label=label, codename=codename)
    return wanted
