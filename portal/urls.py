"""The URLs of the portal's pages, admin and API."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from portal.health import checks
from portal.health.metrics import views
from portal.pages import (
    account,
    actions,
    files,
    home,
    launch,
    links,
    project,
    sign_in,
    tokens,
)
from portal.run import examples
from sessions.api import build
from sessions.api.errors import not_found

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("sign-in/", sign_in.SignInView.as_view(), name="sign-in"),
    path("sign-in/password/", sign_in.ChoosePasswordView.as_view(), name="choose-password"),
    path("sign-out/", sign_in.SignOutView.as_view(), name="sign-out"),
    path("oidc/<slug:slug>/sign-in/", sign_in.sign_in, name="oidc-sign-in"),
    path("oidc/<slug:slug>/callback/", sign_in.callback, name="oidc-callback"),
    path("oidc/<slug:slug>/signed-out/", sign_in.signed_out, name="oidc-signed-out"),
    path(
        "oidc/<slug:slug>/back-channel-logout/",
        sign_in.back_channel_logout,
        name="oidc-back-channel-logout",
    ),
    path(
        "oidc/<slug:slug>/front-channel-logout/",
        sign_in.front_channel_logout,
        name="oidc-front-channel-logout",
    ),
    path("account/", account.account, name="account"),
    path("account/tokens/", tokens.make, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("account/tokens/revoke/", tokens.revoke_all, name="revoke-tokens"),
    path("account/sign-out-everywhere/", account.sign_out_everywhere, name="sign-out-everywhere"),
    path("account/download/", account.download, name="download"),
    path("account/ssh-key/make/", account.make_key, name="make-key"),
    path("account/ssh-key/replace/", account.replace_key, name="replace-key"),
    path("account/ask/", account.request_limits, name="ask"),
    path("account/requests/<int:pk>/take-back/", account.withdraw, name="take-back"),
    path("account/requests/<int:pk>/seen/", account.dismiss_answer, name="seen"),
    path("understand/", launch.understand, name="understand"),
    path("launch/", launch.launch, name="launch"),
    re_path(r"^v2(?:/[\s\S]*)?$", links.launch_link, name="launch-link"),
    re_path(r"^repo/([^/]+)/([^/]+)(?:/(.*))?$", links.repository_link, name="repository-link"),
    path("badge.svg", links.badge, name="badge"),
    path("badge_logo.svg", links.badge),
    path("assets/images/badge.svg", links.badge),
    re_path(r"^build(?:/[\s\S]*)?$", build.build, name="build"),
    path("versions", build.versions, name="versions"),
    path("projects/", home.project_list, name="projects"),
    path("projects/<slug:name>/", project.project, name="project"),
    path("projects/<slug:name>/status/", project.status, name="status"),
    path("projects/<slug:name>/log.txt", project.log, name="log"),
    path("projects/<slug:name>/preview/", project.preview, name="preview"),
    path("projects/<slug:name>/files/", files.files, name="files"),
    path("projects/<slug:name>/files/delete/", files.delete_file, name="delete-file"),
    path("projects/<slug:name>/open/", actions.open_notebook, name="open"),
    re_path(
        rf"^projects/(?P<name>[-\w]+)/(?P<verb>{'|'.join(actions.ACTIONS)})/$",
        actions.perform,
        name="act",
    ),
    path("going/", home.expiring, name="going"),
    path("going/keep/", home.keep_all, name="keep-all"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("sessions.api.urls")),
    path("api/repoproviders", build.repo_providers, name="repoproviders"),
    path("api/<path:rest>", not_found),
    path("api/", not_found),
    path("health", checks.health, name="health"),
    path("metrics", views.metrics, name="metrics"),
    path("examples/<slug:name>.git/<path:path>", examples.serve, name="example"),
]

handler400 = "portal.pages.responses.bad_request"
handler500 = "portal.pages.responses.server_error"
