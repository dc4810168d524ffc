"""Lookups on columns that are not shown: no address of the admin may answer them."""

from __future__ import annotations

from tests.attacks.wire import Request

KIND = "staff's questions"
QUESTIONS = {
    "portal/user": ("password__startswith=md5", "password__startswith=pbkdf2", "subject__startswith=a",
                    "keypair__private__startswith=a", "tokens__digest__startswith=a",
                    "projects__url__icontains=a", "user_permissions__codename=add_user"),
    "keys/token": ("digest__startswith=a", "user__password__startswith=a", "digest=a",
                   "user__email__icontains=a"),
    "notebook_sessions/session": ("server_token__startswith=a", "address__icontains=a",
                                  "project__owner__password__startswith=a", "token__startswith=a",
                                  "build__chunks__text__icontains=a"),
    "notebook_sessions/build": ("chunks__text__icontains=a", "logchunk__text__icontains=a",
                                "owner__password__startswith=a", "text__icontains=a",
                                "sessions__server_token__startswith=a", "message__icontains=a"),
    "notebook_sessions/project": ("owner__password__startswith=a", "current__server_token__startswith=a",
                                  "events__message__icontains=a", "current__build__chunks__text__icontains=a"),
    "auditlog/logentry": ("changes__icontains=password", "actor__password__startswith=a",
                          "additional_data__icontains=a", "changes_text__icontains=a"),
    "portal/letter": ("text__icontains=a", "body__icontains=a", "user__password__startswith=a"),
    "quotas/limitrequest": ("user__password__startswith=a", "answered_by__password__startswith=a"),
    "auth/group": ("user__password__startswith=a", "permissions__codename=add_user"),
    "keys/knownhost": ("first_user__password__startswith=a", "key__startswith=a"),
}  # fmt: skip
ANSWERS = frozenset({302, 400, 403, 404})
"""Django answers such a lookup with a redirect to ``?e=1``, or with 400."""
ATTEMPTS = (
    *(
        Request(KIND, f"ask /admin/{path}/ for {question}", f"/admin/{path}/?{question}", by="vera",
                answers=ANSWERS)
        for path, questions in QUESTIONS.items()
        for question in questions
    ),
    *(
        Request(KIND, f"sort /admin/portal/user/ by {order}", f"/admin/portal/user/?o={order}",
                by="vera", answers=frozenset({200, 302}), without=("pbkdf2", "md5$"))
        for order in ("password", "-password", "99", "1.99")
    ),
    Request(KIND, "have the admin complete names of others",
            "/admin/autocomplete/?term=a&app_label=portal&model_name=letter&field_name=user",
            by="mallory", answers=frozenset({302, 403, 404})),
    Request(KIND, "have the admin complete passwords",
            "/admin/autocomplete/?term=a&app_label=keys&model_name=token&field_name=digest",
            by="vera", answers=frozenset({302, 403, 404})),
    Request(KIND, "ask for a list as one may", "/admin/portal/user/?is_active__exact=1", by="vera",
            answers=frozenset({200}), having=("alice",), control=True),
)  # fmt: skip
