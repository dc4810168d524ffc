"""Admin of the rules about which repositories may be launched, with a field to try an address."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from portal.lib.admin import CsvExportMixin
from sessions.admin import filters
from sessions.errors import UserError
from sessions.models import RepositoryRule
from sessions.models.rule import evaluate_rules, repository_location, validate_pattern
from sessions.providers import parse_repository

TRY_FIELD = "_try"


@admin.register(RepositoryRule)
class RepositoryRuleAdmin(CsvExportMixin, admin.ModelAdmin[RepositoryRule]):
    """The rules, and a page to edit one and try it."""

    list_display = ("pattern", "kind", "reason", "created")
    list_filter = (("kind", filters.ChoicesFilter),)
    search_fields = ("pattern", "reason")
    ordering = ("kind", "pattern")
    actions = ("export",)
    fields = ("kind", "pattern", "reason")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    change_form_template = "admin/notebook_sessions/rule.html"
    columns = (
        ("kind", lambda rule: rule.kind),
        ("pattern", lambda rule: rule.pattern),
        ("reason", lambda rule: rule.reason),
        ("created", lambda rule: rule.created),
    )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """Show the form.

        Trying an address stores nothing, and shows the typed rule and the decision.
        """
        context = {"test_address": request.POST.get("address", ""), **(extra_context or {})}
        if TRY_FIELD in request.POST:
            context["decision"] = self._try_address(request, object_id)
            request.method = "GET"
        return super().changeform_view(request, object_id, form_url, context)

    def get_object(self, request: HttpRequest, object_id: str, *args: Any) -> RepositoryRule | None:
        rule = super().get_object(request, object_id, *args)
        return _as_typed(request, rule) if rule and TRY_FIELD in request.POST else rule

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        if TRY_FIELD in request.POST:
            initial |= {name: request.POST.get(name, "") for name in self.fields}
        return initial

    def _try_address(self, request: HttpRequest, object_id: str | None) -> dict[str, Any]:
        """Judge the address by all rules, including this page's rule as typed."""
        stored = self.get_object(request, unquote(object_id)) if object_id else None
        typed = stored or _as_typed(request, RepositoryRule())
        try:
            repository = parse_repository(request.POST.get("address", ""))
            if typed.pattern:
                validate_pattern(typed.pattern)
        except UserError as error:
            return {"sentence": error.message}
        except forms.ValidationError as error:
            return {"sentence": " ".join(error.messages)}
        return _try_rules(typed, repository.url)


def _as_typed(request: HttpRequest, rule: RepositoryRule) -> RepositoryRule:
    for name in RepositoryRuleAdmin.fields:
        setattr(rule, name, request.POST.get(name, getattr(rule, name)))
    return rule


def _try_rules(typed: RepositoryRule, url: str) -> dict[str, Any]:
    others = RepositoryRule.objects.exclude(pk=typed.pk)
    rules = [typed, *others] if typed.pattern else others
    allowed, rule = evaluate_rules(rules, url)
    sentence = _sentence(allowed, rule, typed)
    return {"sentence": sentence, "allowed": allowed, "place": repository_location(url)}


def _sentence(allowed: bool, rule: RepositoryRule | None, typed: RepositoryRule) -> str:
    if rule is None and allowed:
        return _("Allowed: no rule matches it.")
    if rule is None:
        return _("Banned: only some repositories are allowed, and this is not one of them.")
    which = _("this rule") if rule is typed else _("the rule %(rule)s") % {"rule": rule}
    sentence = _("Allowed by %(which)s.") if allowed else _("Banned by %(which)s.")
    return sentence % {"which": which}
