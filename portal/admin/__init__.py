"""The admin of people, groups, announcements and letters, and of what staff have changed.

That of limits, grants and requests is `quotas.admin`, that of notebooks `sessions.admin`.
"""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django_q import admin as queue

from portal.admin import audit, erasures, groups, installation, mail, people

__all__ = ["audit", "erasures", "groups", "installation", "mail", "people"]

# Who writes into the task queue has the worker run any code: not even staff do.
admin.site.unregister([queue.Failure, queue.OrmQ, queue.Schedule, queue.Success])

admin.site.site_header = "Bindery"
admin.site.site_title = "Bindery"
admin.site.index_title = _("Administration")
