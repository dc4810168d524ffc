"""Register the admin of people, groups, announcements, letters, erasures and the audit log.

Limits, grants and requests are in `quotas.admin`, projects and sessions in `sessions.admin`.
"""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django_q import admin as queue

from portal.admin import audit, erasures, groups, mail, people

__all__ = ["audit", "erasures", "groups", "mail", "people"]

# Anyone who can write to the task queue can make the worker run any code, so not even staff may.
admin.site.unregister([queue.Failure, queue.OrmQ, queue.Schedule, queue.Success])

admin.site.site_header = "Bindery"
admin.site.site_title = "Bindery"
admin.site.index_title = _("Administration")
