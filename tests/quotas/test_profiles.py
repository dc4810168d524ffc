"""Notebook profiles: which one applies, what staff may write, and what people are told."""

from __future__ import annotations

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError

from quotas.profiles import Profile
from quotas.resources import Resources
from quotas.resourcesfile import ResourcesRefused, parse
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cluster(settings):
    settings.PORTAL_BACKEND = "kubernetes"


def wanting(**more: Any) -> Resources:
    return Resources(**{"cpu_request": 1, "cpu_limit": 2, "memory_request_gb": 1,
                        "memory_limit_gb": 2, **more})  # fmt: skip


def chosen(user: Any, **more: Any) -> str:
    found = Profile.objects.choose(user, wanting(**more), line=2)
    return found.title if found else ""


def test_the_first_profile_that_suits_applies(ada):
    Profile.objects.create(title="rest", position=90)
    Profile.objects.create(title="V100", position=3, gpu_type="v100")
    Profile.objects.create(title="A100", position=2, gpu_type="a100")
    Profile.objects.create(title="large", position=1, min_memory_gb=32, use="no-gpu")
    assert chosen(ada) == "rest"
    assert chosen(ada, gpu=1) == "A100"
    assert chosen(ada, gpu=1, gpu_type="v100") == "V100"
    assert chosen(ada, memory_request_gb=32) == "large"
    assert chosen(ada, memory_request_gb=32, gpu=1) == "A100"


def test_a_profile_of_groups_is_for_their_members_only(ada, bob):
    physics, course = Group.objects.create(name="physics"), Group.objects.create(name="course")
    ada.groups.set([physics, course])
    Profile.objects.create(title="theirs", position=1).groups.set([physics, course])
    Profile.objects.create(title="everybody", position=2)
    assert (chosen(ada), chosen(bob)) == ("theirs", "everybody")
    assert len(Profile.objects.available_to(ada)) == 2


def test_a_type_that_does_not_exist_is_refused_with_those_that_do(ada, bob):
    Profile.objects.create(title="A100", gpu_type="a100")
    Profile.objects.create(title="MIG", gpu_type="mig-1g.5gb")
    secret = Profile.objects.create(title="H100", gpu_type="h100")
    secret.groups.set([Group.objects.create(name="physics")])
    bob.groups.set(Group.objects.all())
    assert chosen(bob, gpu=1, gpu_type="h100") == "H100"
    with pytest.raises(ResourcesRefused) as refusal:
        chosen(ada, gpu=1, gpu_type="h100")
    assert (refusal.value.code, refusal.value.line) == ("resources.gputype", 2)
    assert refusal.value.message == (
        "Line 2 of .resources asks for GPUs of the type “h100”, which this portal does not have "
        "for you. The types are: a100, mig-1g.5gb."
    )


def test_one_machine_has_no_profiles_and_says_so(ada, settings):
    Profile.objects.create(title="A100", gpu_type="a100")
    settings.PORTAL_BACKEND = "local"
    assert chosen(ada) == ""
    with pytest.raises(ResourcesRefused, match="has no types of GPUs"):
        chosen(ada, gpu=1, gpu_type="a100")


def test_the_file_names_a_type_beside_a_number():
    asked = parse(b'gpu=1\nGPUTYPE: "A100"\n')
    assert (asked.gpu, asked.gputype, asked.lines["gputype"]) == (1, "a100", 2)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("gputype=a100", "resources.gputype-alone", "no GPU is asked for"),
        ("gpu=0\ngputype=a100", "resources.gputype-alone", "Line 2"),
        ("gpu=1\ngputype=", "resources.value", "no value for gputype"),
        ("gpu=1\ngputype=two words", "resources.value", "“two words”, which is no name"),
        ("gpu=1\ngpu_type=a100", "resources.key", "Did you mean gputype?"),
        ("gpu=1\ngpu type=a100", "resources.key", "Did you mean gputype?"),
    ],
)
def test_a_type_that_cannot_be_followed_is_refused(text, code, words):
    with pytest.raises(ResourcesRefused) as refusal:
        parse(text.encode())
    assert refusal.value.code == code
    assert words in refusal.value.message


WRONG: dict[str, list[Any]] = {
    "node_selector": [["a"], {"a b": "x"}, {"pool": True}, {"pool": "a/b"}],
    "tolerations": [["x"], {"key": "x"}, [{"kee": "x"}], [{"operator": "Exists", "value": "x"}],
                    [{"key": "x", "operator": "In"}], [{"key": "x", "effect": "Never"}]],
    "gpu_resource": ["gpu", "nvidia.com/"],
    "gpu_type": ["A100", "a 100"],
    "runtime_class": ["g visor", "GVisor"],
    "pull_secrets": ["one, two"],
    "use": ["no-gpu"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(n, each) for n, all_ in WRONG.items() for each in all_]
)
def test_what_the_cluster_would_refuse_is_refused_in_words(name, value):
    wrong = Profile(**{"title": "one", "gpu_type": "a100", name: value})
    with pytest.raises(ValidationError) as refusal:
        wrong.full_clean()
    (sentence,) = refusal.value.message_dict[name]
    assert sentence.endswith(".")


WISH = {"title": "GPU nodes (A100)", "position": 1, "use": "gpu", "gpu_type": "a100", "min_cpu": 0,
        "min_memory_gb": 0, "node_selector": '{"pool": "gpu"}',
        "tolerations": '[{"key": "nvidia.com/gpu", "operator": "Exists"}]'}  # fmt: skip


def test_operators_make_profiles_and_the_audit_log_knows(stan, vera):
    address = "/admin/quotas/profile/add/"
    assert signed_in(vera).post(address, WISH).status_code == 403
    wrong = signed_in(stan).post(address, WISH | {"node_selector": '{"pool": 1}'})
    assert "must be that of a label" in wrong.content.decode()
    assert signed_in(stan).post(address, WISH).status_code == 302
    made = Profile.objects.get()
    assert made.node_selector == {"pool": "gpu"}
    entry = LogEntry.objects.get_for_object(made).latest()
    assert (entry.actor, entry.changes_dict["gpu_type"]) == (stan, ["None", "a100"])


def test_the_launch_form_says_where_notebooks_run(ada):
    Profile.objects.create(title="A100 nodes", position=1, gpu_type="a100")
    Profile.objects.create(title="the small nodes", position=2)
    page = " ".join(signed_in(ada).get("/").content.decode().split())
    assert "runs on the small nodes" in page
    assert "types of GPUs: a100" in page
