"""Decide which repositories may be launched here: some are banned, or only some are allowed.

Rules match the address that git fetches from, not what somebody typed (`sessions.git.patterns`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessions.errors import UserError
from sessions.git import patterns
from sessions.providers import Repository


class Launchable(Protocol):
    """A project, or the result of `sessions.providers.parse_repository`."""

    @property
    def repository(self) -> str:
        """Return the repository as it is stored and shown."""

    @property
    def url(self) -> str:
        """Return the address to clone from."""

    @property
    def content_source(self) -> Repository | None:
        """Return the repository of the content, None if there is none."""

    @property
    def is_content_optional(self) -> bool:
        """Return whether it can be left out."""


class RuleDecision(NamedTuple):
    """A decision and the rule that made it; None where no rule matches the repository."""

    allowed: bool
    rule: RepositoryRule | None


def repository_location(url: str) -> str:
    """Return ``host/path`` of what git clones, the same however it is written or fetched."""
    return str(patterns.location(url))


def validate_pattern(text: str) -> None:
    """Raise `ValidationError` for a pattern that could never match an address."""
    pattern = patterns.Pattern.parse(text)
    if re.search(r"\s", text):
        raise ValidationError(_("Remove the spaces from the pattern."))
    named = pattern.path or "*" in pattern.host
    is_host = re.search(r"[.*?:]|^localhost$", pattern.host) or pattern.port
    if not named or not is_host:
        raise ValidationError(_("Start with the host, such as github.com/somebody/*."))


class RepositoryRuleQuerySet(models.QuerySet["RepositoryRule"]):
    """Queries on rules for repositories."""

    def require_allowed(self, repository: Launchable) -> None:
        """Raise `UserError` with the reason if this repository may not be launched here.

        The same goes for its content, unless that can be left out.
        """
        rules = list(self.all())
        self._require(rules, repository.repository, repository.url)
        if (source := repository.content_source) and not repository.is_content_optional:
            self._require(rules, source.repository, source.url)

    def _require(self, rules: list[RepositoryRule], name: str, url: str) -> None:
        decision = evaluate_rules(rules, url)
        if decision.allowed:
            return
        if decision.rule:
            raise UserError("launch.repository-banned", _banned(name, decision.rule))
        raise UserError(
            "launch.repository-not-allowed",
            gettext("%(repository)s is not one of the repositories that may be launched here.")
            % {"repository": name},
        )


class RepositoryRule(models.Model):
    """A rule that bans or allows repositories.

    ``pattern`` matches a whole `repository_location`, whatever its case. A ban wins, and covers
    every reading of its pattern; where anything is allowed, everything else is banned.
    """

    class Kind(models.TextChoices):
        """The effect of a rule."""

        BAN = "ban", _("banned")
        ALLOW = "allow", _("allowed")

    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.BAN)
    pattern = models.CharField(
        _("pattern"),
        max_length=500,
        validators=[validate_pattern],
        help_text=_(
            "The whole address, such as github.com/somebody/*. A * stands for any characters,"
            " a ? for one; https:// and .git make no difference."
        ),
    )
    reason = models.CharField(
        _("reason"), max_length=500, blank=True, help_text=_("Shown to people who are refused.")
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = RepositoryRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("rule for repositories")
        verbose_name_plural = _("rules for repositories")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["ban", "allow"]), name="repository_rule_kind_is_known"
            )
        ]

    def __str__(self) -> str:
        return self.pattern

    @property
    def is_ban(self) -> bool:
        """Return whether the rule bans what it matches."""
        return self.kind == self.Kind.BAN

    def clean(self) -> None:
        """Refuse to allow more hosts than whoever writes the rule can know of."""
        host = patterns.Pattern.parse(self.pattern).host
        if not self.is_ban and host.endswith("*") and host != "*":
            sentence = _(
                "Write out the whole host: ending it with a * would allow strangers' hosts, too."
            )
            raise ValidationError({"pattern": sentence})

    def matches(self, url: str) -> bool:
        """Return whether the rule covers the place that git clones from, ``url``."""
        pattern, where = patterns.Pattern.parse(self.pattern), patterns.location(url)
        return pattern.bans(where) if self.is_ban else pattern.allows(where)


def evaluate_rules(rules: Iterable[RepositoryRule], url: str) -> RuleDecision:
    """Return whether what git clones from ``url`` may be launched under these rules."""
    rules = list(rules)
    matching = [rule for rule in rules if rule.matches(url)]
    ban = next((rule for rule in matching if rule.is_ban), None)
    if ban:
        return RuleDecision(allowed=False, rule=ban)
    allow = next(iter(matching), None)
    return RuleDecision(allow is not None or all(rule.is_ban for rule in rules), allow)


def _banned(repository: str, ban: RepositoryRule) -> str:
    sentence = gettext("%(repository)s may not be launched here.") % {"repository": repository}
    return f"{sentence} {ban.reason}".strip()
