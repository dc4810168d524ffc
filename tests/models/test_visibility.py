"""Who finds which project and which build: by the querysets alone, through which all are found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.utils import timezone

from portal.models import User
from sessions.models import Build, Project
from tests.past_sessions import ran

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

PRIVATE = "git@git.example.org:ada/thesis.git"
PUBLIC = "https://git.example.org/ada/thesis.git"
SEE, ACT = "view_project", "act_on_project"
LOOK, CANCEL = "view_build", "cancel_build"

OUTSIDE: dict[str, dict[str, Any]] = {
    "disabled": {"is_active": False},
    "vouched for no longer": {"vouched_until": timezone.now() - timedelta(seconds=1)},
}
"""People who may not enter, whatever other permissions they have."""


def project(owner: User, name: str, url: str = PUBLIC, **more: Any) -> Project:
    return Project.objects.create(
        owner=owner, name=name, provider="git", repository=url, url=url, **more
    )


def with_rights(name: str, *rights: str, is_staff: bool = True) -> User:
    user = User.objects.create_user(name, is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return user


@pytest.fixture
def hers(ada) -> Project:
    return project(ada, "ada-1", warned=timezone.now(), goes=timezone.now())


@pytest.fixture
def his(bob) -> Project:
    return project(bob, "bob-1")


@pytest.fixture
def deleted(ada) -> Project:
    return project(ada, "ada-deleted", removed=timezone.now(), goes=timezone.now())


@pytest.fixture
def strangers(ada, hers) -> list[User]:
    """Users who may not see ada's project, because no permission of theirs is enough."""
    return [
        User.objects.create_user("nobody"),
        with_rights("staff without a right"),
        with_rights("staff who act", ACT, LOOK, CANCEL),
        with_rights("no staff", SEE, ACT, LOOK, CANCEL, is_staff=False),
    ]


def seen_by(user: User | AnonymousUser) -> set[str]:
    """Return the projects that the user finds, and assert that all ways of finding one agree."""
    found = set(Project.objects.visible_to(user).values_list("name", flat=True))
    named = {
        name
        for name in ("ada-1", "bob-1", "ada-deleted")
        if Project.objects.get_visible(name, user)
    }
    assert named == found
    return found


def test_people_see_their_own_projects_except_deleted_ones(ada, bob, hers, his, deleted):
    assert seen_by(ada) == {"ada-1"}
    assert seen_by(bob) == {"bob-1"}
    assert seen_by(AnonymousUser()) == set()


def test_staff_with_the_view_permission_see_every_existing_project(hers, his, deleted, vera, root):
    for user in (vera, root, with_rights("looks", SEE)):
        assert seen_by(user) == {"ada-1", "bob-1"}


def test_no_other_permission_shows_any_project(hers, his, strangers):
    for user in strangers:
        assert seen_by(user) == set(), user


@pytest.mark.parametrize("why", OUTSIDE)
def test_people_who_may_not_sign_in_see_no_projects_of_their_own(ada, vera, root, hers, why):
    for person in (ada, vera, root):
        User.objects.filter(pk=person.pk).update(**OUTSIDE[why])
        user = User.objects.get(pk=person.pk)
        assert seen_by(user) == set()
        assert Project.objects.own(user) == Project.objects.expiring_of(user) == []


def test_the_list_of_own_projects_contains_only_ones_own(ada, bob, vera, hers, his, deleted):
    assert [each.name for each in Project.objects.own(ada)] == ["ada-1"]
    assert [each.name for each in Project.objects.own(bob)] == ["bob-1"]
    assert Project.objects.own(vera) == []
    assert [each.name for each in Project.objects.expiring_of(ada)] == ["ada-1"]
    assert Project.objects.expiring_of(bob) == Project.objects.expiring_of(vera) == []


def test_owners_are_told_of_projects_that_the_portal_deleted(ada, bob, deleted):
    project(ada, "by-herself", removed=timezone.now())
    before = timezone.now() - timedelta(days=1)
    assert [each.name for each in Project.objects.deleted_of(ada, before)] == ["ada-deleted"]
    assert Project.objects.deleted_of(ada, timezone.now()) == []
    assert Project.objects.deleted_of(bob, before) == []


def test_only_permitted_staff_may_list_other_owners(ada, bob, vera, hers, his, strangers):
    def names(owner: str, asks: User) -> set[str]:
        return set(Project.objects.owned_by(owner, asks).values_list("name", flat=True))

    assert names("", ada) == names("ada", ada) == {"ada-1"}
    assert names("", vera) == set()
    assert names("all", vera) == {"ada-1", "bob-1"}
    assert names("bob", vera) == {"bob-1"}
    for user in (ada, *strangers):
        for owner in ("bob", "all", "nobody-of-this-name"):
            with pytest.raises(User.DoesNotExist):
                Project.objects.owned_by(owner, user)
    with pytest.raises(User.DoesNotExist):
        Project.objects.owned_by("nobody-of-this-name", vera)


def test_only_the_owner_and_permitted_staff_may_change_a_project(ada, bob, vera, sue, root, hers):
    both = with_rights("both", SEE, ACT)
    plain = with_rights("both and no staff", SEE, ACT, is_staff=False)
    one, other = with_rights("sees", SEE), with_rights("acts", ACT)
    may = [user for user in (ada, bob, vera, sue, root, both, plain, one, other)
           if hers.may_be_changed_by(user)]  # fmt: skip
    assert may == [ada, sue, root, both]


def test_only_the_owner_may_read_the_log_of_a_private_project(ada, bob, vera, root):
    private, public = project(ada, "private", PRIVATE), project(ada, "public")
    assert (private.is_private, public.is_private) == (True, False)
    for user, may in ((ada, True), (bob, False), (vera, False), (root, False)):
        assert private.shows_log_to(user) is may
        assert public.shows_log_to(user)


# --- Builds ---
def build(url: str = PUBLIC, owner: User | None = None, **more: Any) -> Build:
    number = Build.objects.count()
    return Build.objects.create(
        url=url, commit=f"c{number}", image=f"i{number}", owner=owner, **more
    )


def test_only_staff_with_the_view_permission_see_builds(ada, bob, vera, root, hers, strangers):
    made = build(owner=ada)
    for user in (vera, root, with_rights("looks", LOOK)):
        assert list(Build.objects.visible_to(user)) == [made]
    no_staff = with_rights("no staff at all", LOOK, is_staff=False)
    for user in (ada, bob, strangers[0], strangers[1], no_staff):
        assert not Build.objects.visible_to(user).exists(), user


@pytest.mark.parametrize("why", OUTSIDE)
def test_staff_who_may_not_sign_in_see_no_builds(vera, root, why):
    build()
    for user in (vera, root):
        User.objects.filter(pk=user.pk).update(**OUTSIDE[why])
        assert not Build.objects.visible_to(User.objects.get(pk=user.pk)).exists()


def test_only_staff_with_the_cancel_permission_may_cancel_a_build(ada, bob, vera, sue, root):
    made = build(owner=ada)
    plain = with_rights("no staff", LOOK, CANCEL, is_staff=False)
    without = with_rights("looks", LOOK)
    may = [user for user in (ada, bob, vera, sue, root, plain, without)
           if made.may_be_cancelled_by(user)]  # fmt: skip
    assert may == [sue, root]


def test_only_the_owner_may_read_the_log_of_a_private_build(ada, bob, root):
    mine, everybodys = build(PRIVATE, ada), build()
    assert [mine.shows_log_to(user) for user in (ada, bob, root)] == [True, False, False]
    assert all(everybodys.shows_log_to(user) for user in (ada, bob, root))


def test_a_project_uses_its_owners_private_builds_or_public_ones(ada, bob):
    mine, theirs = build(PRIVATE, ada), build(PRIVATE, bob)
    everybodys, once_private = build(PUBLIC), build(PUBLIC, bob)
    stray = build(PRIVATE)
    assert list(Build.objects.usable_by(project(ada, "a", PRIVATE))) == [mine]
    assert list(Build.objects.usable_by(project(bob, "b", PRIVATE))) == [theirs]
    assert list(Build.objects.usable_by(project(ada, "c"))) == [everybodys]
    assert stray.owner is None
    assert once_private.owner == bob


def test_dropped_and_unfinished_images_are_not_used(ada):
    mine = project(ada, "a")
    for state, dropped in (("failed", False), ("building", False), ("built", True)):
        Build.objects.create(
            url=PUBLIC, commit="c0ffee", image=f"{state}-{dropped}", state=state, dropped=dropped
        )
    assert Build.objects.newest_built(mine, "c0ffee") is None
    good = Build.objects.create(url=PUBLIC, commit="c0ffee", image="good", state="built")
    assert Build.objects.newest_built(mine, "c0ffee") == good
    assert Build.objects.newest_built(mine, "other") is None


@pytest.mark.parametrize(
    ("state", "is_used"),
    [("waiting", True), ("spawning", True), ("ready", True), ("stopping", True),
     ("stopped", False), ("failed", False)],
)  # fmt: skip
def test_an_image_is_in_use_until_its_notebook_ends(ada, state, is_used):
    made = build()
    ran(ada, timezone.now(), timezone.now(), build=made, state=state)
    assert Build.objects.unused().exists() is not is_used
