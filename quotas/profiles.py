"""Profiles: on which machines of a cluster a notebook runs, and with which GPUs and runtime.

Staff keep them in the admin. The first one that suits a notebook and its owner applies; without
one, the site's settings do. On one machine there is nothing to choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.models import User
from quotas.resources import Placement, Resources
from quotas.resourcesfile import ResourcesRefused

UNKNOWN_GPU_TYPE = "resources.gputype"

_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_LABEL = re.compile(rf"([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_PART}")
_VALUE = re.compile(rf"({_PART})?")
_OBJECT = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_TOLERATION = {"key", "operator", "value", "effect", "tolerationSeconds"}
_OPERATORS, _EFFECTS = {"Exists", "Equal"}, {"NoSchedule", "PreferNoSchedule", "NoExecute"}


def _names(what: Any) -> RegexValidator:
    return RegexValidator(rf"^{_OBJECT}$", what)


def validate_selector(found: Any) -> None:
    """Refuse what is no mapping of labels to values, as Kubernetes writes them."""
    if not isinstance(found, dict):
        raise ValidationError(_('Write labels and their values, such as {"pool": "gpu"}.'))
    for key, value in found.items():
        if not _LABEL.fullmatch(key):
            raise ValidationError(_("“%(key)s” is not the name of a label.") % {"key": key})
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            message = _('The value of %(key)s must be that of a label, in quotes: "true".')
            raise ValidationError(message % {"key": key})


def validate_tolerations(found: Any) -> None:
    """Refuse what is no list of tolerations, as Kubernetes writes them."""
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        example = '[{"key": "nvidia.com/gpu", "operator": "Exists"}]'
        raise ValidationError(_("Write a list, such as %(example)s.") % {"example": example})
    for each in found:
        if unknown := sorted(each.keys() - _TOLERATION):
            message = _("A toleration has no “%(key)s”. It can have: %(known)s.")
            known = ", ".join(sorted(_TOLERATION))
            raise ValidationError(message % {"key": unknown[0], "known": known})
        if each.get("operator", "Equal") not in _OPERATORS:
            raise ValidationError(_("The operator of a toleration is Exists or Equal."))
        if each.get("operator") == "Exists" and "value" in each:
            raise ValidationError(_("A toleration with the operator Exists has no value."))
        if each.get("effect", "NoSchedule") not in _EFFECTS:
            message = _("The effect of a toleration is one of %(known)s.")
            raise ValidationError(message % {"known": ", ".join(sorted(_EFFECTS))})


def validate_secrets(text: str) -> None:
    """Refuse what is no list of names of Secrets, separated by spaces."""
    for word in text.split():
        if not re.fullmatch(_OBJECT, word):
            raise ValidationError(_("“%(word)s” is not the name of a Secret.") % {"word": word})


class ProfileQuerySet(models.QuerySet["Profile"]):
    """Profiles, with filters by whom they are for."""

    def available_to(self, user: User) -> list[Profile]:
        """Return the profiles that this person's notebooks may have, the first ones first."""
        if settings.PORTAL_BACKEND == "local":
            return []
        of_groups = models.Q(groups=None) | models.Q(groups__in=user.groups.all())
        return list(self.filter(of_groups).distinct().order_by("position", "pk"))

    def choose(self, user: User, wanted: Resources, line: int = 0) -> Profile | None:
        """Return the profile of a notebook with these resources; None if none applies.

        Raises `ResourcesRefused` if there is none with the type of GPUs that ``line`` asks for.
        """
        available = self.available_to(user)
        found = _first(available, wanted)
        if found is None and wanted.gpu_type:
            raise ResourcesRefused(
                UNKNOWN_GPU_TYPE, _unknown_type(wanted.gpu_type, available, line), line
            )
        return found


class Profile(models.Model):
    """Where notebooks run that ask for certain resources, or whose owners are in certain groups.

    An empty field leaves the matter to the site's settings and its pod template.
    """

    class Use(models.TextChoices):
        """The notebooks that it is for."""

        ANY = "any", _("any notebook")
        GPU = "gpu", _("notebooks with GPUs")
        NO_GPU = "no-gpu", _("notebooks without GPUs")

    class Pull(models.TextChoices):
        """When a node pulls a notebook's image."""

        ALWAYS = "Always", _("at each start")
        MISSING = "IfNotPresent", _("if it does not have it")
        NEVER = "Never", _("never")

    title = models.CharField(
        _("title"), max_length=100, unique=True,
        help_text=_("Shown to people as “Runs on …”, such as: GPU nodes (A100)."),
    )  # fmt: skip
    position = models.PositiveSmallIntegerField(
        _("order"), default=10, help_text=_("The first profile that suits a notebook applies.")
    )
    groups = models.ManyToManyField(
        Group, blank=True, related_name="+", verbose_name=_("groups"),
        help_text=_("For members of these groups; for everybody if there is none."),
    )  # fmt: skip
    use = models.CharField(_("for"), max_length=8, choices=Use.choices, default=Use.ANY)
    min_cpu = models.FloatField(
        _("from CPUs"), default=0, validators=[MinValueValidator(0)],
        help_text=_("For notebooks that are guaranteed at least as many."),
    )  # fmt: skip
    min_memory_gb = models.FloatField(
        _("from GB of memory"), default=0, validators=[MinValueValidator(0)],
        help_text=_("For notebooks that are guaranteed at least as much."),
    )  # fmt: skip
    gpu_type = models.CharField(
        _("type of GPU"), max_length=63, blank=True,
        validators=[RegexValidator(r"^[a-z0-9][-a-z0-9_.]*$", _("Use a–z, 0–9, and - _ . only."))],
        help_text=_("What people write in .resources as gputype=…, such as a100 or mig-1g.5gb."),
    )  # fmt: skip
    gpu_resource = models.CharField(
        _("GPU resource"), max_length=253, blank=True,
        validators=[RegexValidator(rf"^{_OBJECT}/{_PART}$", _("Write it as nvidia.com/gpu."))],
        help_text=_("Its name in the cluster, such as nvidia.com/gpu or nvidia.com/mig-1g.5gb."),
    )  # fmt: skip
    node_selector = models.JSONField(
        _("node selector"), default=dict, blank=True, validators=[validate_selector],
        help_text=_('Labels that a node must have, as {"pool": "gpu"}.'),
    )  # fmt: skip
    tolerations = models.JSONField(
        _("tolerations"), default=list, blank=True, validators=[validate_tolerations],
        help_text=_('Taints that are no obstacle: [{"key": "nvidia.com/gpu", "operator": '
                    '"Exists"}].'),
    )  # fmt: skip
    priority_class = models.CharField(
        _("priority class"), max_length=253, blank=True,
        validators=[_names(_("This is not the name of a priority class."))],
    )  # fmt: skip
    runtime_class = models.CharField(
        _("runtime class"), max_length=253, blank=True,
        validators=[_names(_("This is not the name of a runtime class."))],
        help_text=_("A sandboxed runtime such as gvisor or kata, if the cluster has it."),
    )  # fmt: skip
    own_users = models.BooleanField(
        _("user namespace"), default=False,
        help_text=_("hostUsers: false, where the cluster supports it (Kubernetes 1.33)."),
    )  # fmt: skip
    pull_policy = models.CharField(
        _("pull the image"), max_length=16, choices=Pull.choices, blank=True
    )
    pull_secrets = models.CharField(
        _("pull secrets"), max_length=500, blank=True, validators=[validate_secrets],
        help_text=_("Names of more Secrets to pull images with, separated by spaces."),
    )  # fmt: skip

    objects = ProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("notebook profile")
        verbose_name_plural = _("notebook profiles")

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        """Refuse a type of GPU for notebooks without any."""
        if self.gpu_type and self.use == self.Use.NO_GPU:
            message = _("A profile with a type of GPU is not for notebooks without GPUs.")
            raise ValidationError({"use": message})

    def suits(self, wanted: Resources) -> bool:
        """Return whether it is for notebooks with these resources.

        Without a type, a notebook with GPUs may get those of any type.
        """
        if wanted.gpu_type:
            return self.gpu_type == wanted.gpu_type
        if self.use == self.Use.GPU or self.gpu_type:
            suits_gpus = wanted.gpu > 0
        else:
            suits_gpus = self.use == self.Use.ANY or not wanted.gpu
        enough = (
            wanted.cpu_request >= self.min_cpu and wanted.memory_request_gb >= self.min_memory_gb
        )
        return suits_gpus and enough

    def placement(self) -> Placement:
        """Return its part of a notebook's pod."""
        return Placement(
            gpu_resource=self.gpu_resource,
            node_selector=self.node_selector,
            tolerations=tuple(self.tolerations),
            priority_class=self.priority_class,
            runtime_class=self.runtime_class,
            own_users=self.own_users,
            pull_policy=self.pull_policy,
            pull_secrets=tuple(self.pull_secrets.split()),
        )


def _first(profiles: Iterable[Profile], wanted: Resources) -> Profile | None:
    return next((each for each in profiles if each.suits(wanted)), None)


def with_title(wanted: Resources, profiles: Iterable[Profile]) -> Resources:
    """Return the resources with the title of the first profile that suits them."""
    found = _first(profiles, wanted)
    return replace(wanted, runs_on=found.title if found else "")


def gpu_types(profiles: Iterable[Profile]) -> list[str]:
    """Return the types of GPUs that these profiles have, the first ones first."""
    return list(dict.fromkeys(each.gpu_type for each in profiles if each.gpu_type))


def _unknown_type(name: str, available: Iterable[Profile], line: int) -> str:
    """Say that nobody has this type of GPU to give, and which ones there are."""
    types = gpu_types(available)
    if types:
        template = gettext(
            "Line %(line)d of .resources asks for GPUs of the type “%(name)s”, which this portal "
            "does not have for you. The types are: %(types)s."
        )
    else:
        template = gettext(
            "Line %(line)d of .resources asks for GPUs of the type “%(name)s”, but this portal has "
            "no types of GPUs. Remove the line."
        )
    return template % {"line": line, "name": name, "types": ", ".join(types)}
