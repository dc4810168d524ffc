"""All addresses of the portal."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from portal import examples, health
from portal.metrics import door
from portal.pages import (
    account,
    choosing,
    going,
    home,
    launch,
    leaving,
    more,
    oidc,
    project,
    signing,
    sshkey,
    tokens,
    verbs,
)

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("sign-in/", signing.SignIn.as_view(), name="sign-in"),
    path("sign-in/password/", choosing.ChoosePassword.as_view(), name="choose-password"),
    path("sign-out/", signing.SignOut.as_view(), name="sign-out"),
    path("oidc/<slug:slug>/sign-in/", oidc.sign_in, name="oidc-sign-in"),
    path("oidc/<slug:slug>/callback/", oidc.callback, name="oidc-callback"),
    path("oidc/<slug:slug>/signed-out/", oidc.signed_out, name="oidc-signed-out"),
    path("account/", account.account, name="account"),
    path("account/tokens/", tokens.make, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", tokens.revoke, name="revoke-token"),
    path("account/tokens/revoke/", tokens.revoke_all, name="revoke-tokens"),
    path("account/sign-out-everywhere/", leaving.sign_out_everywhere, name="sign-out-everywhere"),
    path("account/download/", leaving.download, name="download"),
    path("account/ssh-key/make/", sshkey.make, name="make-key"),
    path("account/ssh-key/replace/", sshkey.replace, name="replace-key"),
    path("account/ask/", more.ask, name="ask"),
    path("account/requests/<int:pk>/take-back/", more.take_back, name="take-back"),
    path("account/requests/<int:pk>/seen/", more.seen, name="seen"),
    path("understand/", launch.understand, name="understand"),
    path("launch/", launch.launch, name="launch"),
    path("projects/", home.shelf, name="projects"),
    path("projects/<slug:name>/", project.project, name="project"),
    path("projects/<slug:name>/status/", project.status, name="status"),
    path("projects/<slug:name>/log.txt", project.log, name="log"),
    path("projects/<slug:name>/open/", verbs.open_notebook, name="open"),
    re_path(
        rf"^projects/(?P<name>[-\w]+)/(?P<verb>{'|'.join(verbs.VERBS)})/$", verbs.act, name="act"
    ),
    path("going/", going.going, name="going"),
    path("going/keep/", going.keep_all, name="keep-all"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("sessions.api.urls")),
    path("health", health.health, name="health"),
    path("metrics", door.metrics, name="metrics"),
    path("examples/<slug:name>.git/<path:path>", examples.serve, name="example"),
]

handler400 = "portal.pages.errors.bad_request"
handler500 = "portal.pages.errors.server_error"
