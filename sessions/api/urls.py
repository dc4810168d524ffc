"""URL patterns under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path, re_path

from keys import api
from quotas.api import LimitsView
from sessions.api import me, views
from sessions.api.endpoint import endpoint
from sessions.api.errors import not_found
from sessions.api.events import EventsView
from sessions.api.files import FilesView
from sessions.api.lists import KeysetPagination
from sessions.api.me import DownloadView, MeView
from sessions.api.openapi import SchemaView, docs

PROJECT = "projects/<slug:name>/"

urlpatterns = [
    path("me/", endpoint(MeView, quick=["GET"])),
    path("me/download/", endpoint(DownloadView)),
    path(
        "tokens/",
        endpoint(api.TokensView, pagination_class=KeysetPagination, has_secret_response=True),
    ),
    path("tokens/<int:pk>/", endpoint(api.TokenView)),
    path("ssh-key/", endpoint(me.SshKeyView, quick=["GET"])),
    path("ssh-key/rotate/", endpoint(me.RotateView)),
    re_path(r"^users/(?P<username>[\w.@+-]+)/limits/$", endpoint(LimitsView)),
    path("projects/", endpoint(views.ProjectsView, quick=["POST"])),
    path(PROJECT, endpoint(views.ProjectView, quick=["GET", "DELETE"])),
    path(f"{PROJECT}events/", endpoint(EventsView)),
    path(f"{PROJECT}files/", endpoint(FilesView)),
    *(
        path(f"{PROJECT}{action}/", endpoint(views.action_view(action), quick=["POST"]))
        for action in views.ActionView.actions
    ),
    path("schema/", endpoint(SchemaView), name="schema"),
    path("docs/", docs, name="api"),
    re_path("", not_found),
]
