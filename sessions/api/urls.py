"""Addresses under ``/api/v1/``."""

from __future__ import annotations

from django.urls import path, re_path

from quotas.api import LimitsView
from sessions.api import views

VERBS = "|".join(views.VerbView.verbs)

urlpatterns = [
    path("me/", views.MeView.as_view()),
    path("users/<str:username>/limits/", LimitsView.as_view()),
    path("projects/", views.ProjectsView.as_view()),
    path("projects/<slug:name>/", views.ProjectView.as_view()),
    path("projects/<slug:name>/events/", views.EventsView.as_view()),
    re_path(rf"^projects/(?P<name>[-\w]+)/(?P<verb>{VERBS})/$", views.VerbView.as_view()),
]
