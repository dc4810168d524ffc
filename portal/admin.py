"""The admin of people. That of projects, builds and sessions is `sessions.admin`."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.utils.translation import gettext_lazy as _
from django_q import admin as queue

from portal.models import User

# Who writes into the task queue has the worker run any code: not even staff do.
admin.site.unregister([queue.Failure, queue.OrmQ, queue.Schedule, queue.Success])

admin.site.site_header = "Bindery"
admin.site.site_title = "Bindery"
admin.site.index_title = _("Administration")


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    """Django's, with where the person comes from."""

    list_display = ["username", "email", "is_active", "is_staff", "last_login"]
    ordering = ["-last_login", "username"]
    readonly_fields = ["issuer", "subject"]
    fieldsets = [
        *(UserAdmin.fieldsets or ()),
        (_("Identity provider"), {"fields": ["issuer", "subject"]}),
    ]
