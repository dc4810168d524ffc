"""The only settings module: everything that an operator can set comes from the environment.

``docs/configure.md`` explains each variable. A value that cannot be used is reported by
`portal.checks` and replaced by its default, so that the process lives to report it.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from portal import VERSION
from portal.accounts.oidc.claims import read_policy
from portal.accounts.oidc.provider import is_oidc_configured, read_providers
from portal.lib.datafolder import default_folder, load_secret
from portal.lib.env import Environment
from portal.lib.logs.formats import FORMS, LEVELS, logging_config
from portal.mail.transport import mail_settings, operator_addresses

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = Environment()

# --- Addresses and places --------------------------------------------------------------------
PORTAL_HOST = ENVIRONMENT.text("PORTAL_HOST", "127.0.0.1")
PORTAL_PORT = ENVIRONMENT.number("PORTAL_PORT", 8000, low=1, high=65535)
PORTAL_URL = ENVIRONMENT.text("PORTAL_URL", f"http://localhost:{PORTAL_PORT}").rstrip("/")
_address = urlsplit(PORTAL_URL)
if _address.scheme not in {"http", "https"} or not _address.hostname:
    ENVIRONMENT.add_problem(
        "portal.E006", "PORTAL_URL", f"is “{PORTAL_URL}”", "Use http(s)://host."
    )
    PORTAL_URL = f"http://localhost:{PORTAL_PORT}"
    _address = urlsplit(PORTAL_URL)
_host = f"[{_address.hostname}]" if ":" in str(_address.hostname) else str(_address.hostname)
_port = f":{_address.port}" if _address.port else ""
PORTAL_GATEWAY_DOMAIN = ENVIRONMENT.text("PORTAL_GATEWAY_DOMAIN", f"localhost{_port}").lower()
GATEWAY_SCHEME = _address.scheme
PORTAL_DATA = Path(ENVIRONMENT.text("PORTAL_DATA") or default_folder(BASE_DIR)).resolve()
PORTAL_BACKEND = ENVIRONMENT.choice("PORTAL_BACKEND", "local", frozenset({"local", "kubernetes"}))
PORTAL_ADMIN_PASSWORD = ENVIRONMENT.text("PORTAL_ADMIN_PASSWORD")

# Whether following a launch link launches, or shows a button (portal/pages/links.py).
PORTAL_LAUNCH_LINKS = ENVIRONMENT.choice("PORTAL_LAUNCH_LINKS", "ask", frozenset({"ask", "start"}))

# --- What may be reached ---------------------------------------------------------------------
# The portal serves the bundled examples itself, so its own address counts as a trusted one.
PORTAL_OWN_ADDRESS = f"{_host}:{_address.port or (443 if GATEWAY_SCHEME == 'https' else 80)}"
PORTAL_TRUSTED_GIT_HOSTS = [*ENVIRONMENT.words("PORTAL_TRUSTED_GIT_HOSTS"), PORTAL_OWN_ADDRESS]
PORTAL_TRUSTED_HOSTS = ENVIRONMENT.words("PORTAL_TRUSTED_HOSTS")
# Addresses that stand in for hosts of archives: zenodo.org=https://mirror.example.org/zenodo
PORTAL_ARCHIVE_HOSTS = {
    _host_name.lower(): _stand_in
    for _host_name, _, _stand_in in (
        _pair.partition("=") for _pair in ENVIRONMENT.words("PORTAL_ARCHIVE_HOSTS")
    )
}
# Ports of notebook servers on a cluster: trusting a host does not extend to these.
PORTAL_NAMED_PORTS = [8888] if PORTAL_BACKEND == "kubernetes" else []

# --- Bounds of builds and notebooks ----------------------------------------------------------
PORTAL_REPOSITORY_LIMIT_MB = ENVIRONMENT.number("PORTAL_REPOSITORY_LIMIT_MB", 2048, low=1)
PORTAL_BUILD_TIMEOUT = ENVIRONMENT.number("PORTAL_BUILD_TIMEOUT", 1800, low=1)
PORTAL_BUILD_DISK_MB = ENVIRONMENT.number("PORTAL_BUILD_DISK_MB", 10240, low=1)
PORTAL_BUILD_MEMORY_GB = ENVIRONMENT.decimal("PORTAL_BUILD_MEMORY_GB", 4.0)
PORTAL_LOG_LIMIT_MB = ENVIRONMENT.number("PORTAL_LOG_LIMIT_MB", 10, low=1)
PORTAL_BUILD_SILENCE = ENVIRONMENT.number("PORTAL_BUILD_SILENCE", 1200, low=60)
PORTAL_PREPARE_TIMEOUT = ENVIRONMENT.number("PORTAL_PREPARE_TIMEOUT", 600, low=60)
PORTAL_SPAWN_TIMEOUT = ENVIRONMENT.number("PORTAL_SPAWN_TIMEOUT", 600, low=10)
PORTAL_QUEUE_TIMEOUT = ENVIRONMENT.number("PORTAL_QUEUE_TIMEOUT", 86400, low=60)
PORTAL_STOP_TIMEOUT = ENVIRONMENT.number("PORTAL_STOP_TIMEOUT", 120, low=10)
PORTAL_ACTIVITY_SECONDS = ENVIRONMENT.number("PORTAL_ACTIVITY_SECONDS", 300, low=10, high=86400)
PORTAL_UNATTENDED_COUNTS = ENVIRONMENT.flag("PORTAL_UNATTENDED_COUNTS", default=False)
PORTAL_STOP_IDLE_HOURS = ENVIRONMENT.number("PORTAL_STOP_IDLE_HOURS", 0, high=8760)
PORTAL_SANDBOX_PROCESSES = ENVIRONMENT.number("PORTAL_SANDBOX_PROCESSES", 512, low=64)
PORTAL_FORK_SECONDS = 5.0  # seconds to wait for a keeper's fork, which takes 0.01 s
PORTAL_SANDBOX_UID_BASE = ENVIRONMENT.number("PORTAL_SANDBOX_UID_BASE", 200000, low=1000)

# --- What is kept, and for how long (sessions/retention); 0 is no limit ------------------------
PORTAL_KEEP_LOG_DAYS = ENVIRONMENT.number("PORTAL_KEEP_LOG_DAYS", 90, high=36500)
PORTAL_KEEP_LOGS_GB = ENVIRONMENT.number("PORTAL_KEEP_LOGS_GB", 20)
PORTAL_KEEP_EVENT_DAYS = ENVIRONMENT.number("PORTAL_KEEP_EVENT_DAYS", 180, high=36500)
PORTAL_KEEP_SESSION_DAYS = ENVIRONMENT.number("PORTAL_KEEP_SESSION_DAYS", 730, high=36500)
PORTAL_KEEP_IMAGE_DAYS = ENVIRONMENT.number("PORTAL_KEEP_IMAGE_DAYS", 30, high=36500)
PORTAL_KEEP_IMAGES_GB = ENVIRONMENT.number("PORTAL_KEEP_IMAGES_GB", 0)
# How long people can undo a deletion: their own, and the portal's for lack of use.
PORTAL_UNDO_DAYS = ENVIRONMENT.number("PORTAL_UNDO_DAYS", 7, high=36500)
PORTAL_UNDO_UNUSED_DAYS = ENVIRONMENT.number("PORTAL_UNDO_UNUSED_DAYS", 14, high=36500)
# None means a share of the disk, see sessions/capacity.py.
PORTAL_MIN_FREE_GB = (
    ENVIRONMENT.number("PORTAL_MIN_FREE_GB", 5) if ENVIRONMENT.text("PORTAL_MIN_FREE_GB") else None
)

# --- What a notebook gets --------------------------------------------------------------------
PORTAL_CPU_REQUEST = ENVIRONMENT.decimal("PORTAL_CPU_REQUEST", 1.0)
PORTAL_CPU_LIMIT = ENVIRONMENT.decimal("PORTAL_CPU_LIMIT", 8.0)
PORTAL_MEMORY_REQUEST_GB = ENVIRONMENT.decimal("PORTAL_MEMORY_REQUEST_GB", 1.0)
PORTAL_MEMORY_LIMIT_GB = ENVIRONMENT.decimal("PORTAL_MEMORY_LIMIT_GB", 16.0)

# --- Kubernetes, where it is the back end (docs/kubernetes.md) -------------------------------
PORTAL_NAMESPACE = ENVIRONMENT.text("PORTAL_NAMESPACE")
PORTAL_REGISTRY = ENVIRONMENT.text("PORTAL_REGISTRY")
PORTAL_REGISTRY_PLAIN_HTTP = ENVIRONMENT.flag("PORTAL_REGISTRY_PLAIN_HTTP", default=False)
PORTAL_REGISTRY_AUTH = ENVIRONMENT.text("PORTAL_REGISTRY_AUTH")
PORTAL_PUSH_SECRET = ENVIRONMENT.text("PORTAL_PUSH_SECRET")
PORTAL_PULL_SECRET = ENVIRONMENT.text("PORTAL_PULL_SECRET")
PORTAL_BASE_SECRET = ENVIRONMENT.text("PORTAL_BASE_SECRET")
PORTAL_BUILDER_IMAGE = ENVIRONMENT.text("PORTAL_BUILDER_IMAGE")
PORTAL_BUILD_BASE_IMAGE = ENVIRONMENT.text("PORTAL_BUILD_BASE_IMAGE")
PORTAL_PYTHON_IMAGE = ENVIRONMENT.text("PORTAL_PYTHON_IMAGE")
PORTAL_BUILD_CPU = ENVIRONMENT.decimal("PORTAL_BUILD_CPU", 2.0)
PORTAL_STORAGE_CLASS = ENVIRONMENT.text("PORTAL_STORAGE_CLASS")
PORTAL_VOLUME_GB = ENVIRONMENT.decimal("PORTAL_VOLUME_GB", 10.0)
PORTAL_VOLUME_ACCESS = ENVIRONMENT.choice(
    "PORTAL_VOLUME_ACCESS", "ReadWriteMany", frozenset({"ReadWriteMany", "ReadWriteOnce"})
)
PORTAL_KEEP_HOMES = ENVIRONMENT.flag("PORTAL_KEEP_HOMES", default=True)
PORTAL_GPU_RESOURCE = ENVIRONMENT.text("PORTAL_GPU_RESOURCE", "nvidia.com/gpu")
PORTAL_MACHINES = ENVIRONMENT.words("PORTAL_MACHINES")
PORTAL_NOTEBOOK_DISK_GB = ENVIRONMENT.decimal("PORTAL_NOTEBOOK_DISK_GB", 10.0)
PORTAL_POD_TEMPLATE = ENVIRONMENT.text("PORTAL_POD_TEMPLATE")
PORTAL_SECCOMP_PROFILE = ENVIRONMENT.text("PORTAL_SECCOMP_PROFILE")
PORTAL_CA_CONFIGMAP = ENVIRONMENT.text("PORTAL_CA_CONFIGMAP")
PORTAL_SITE_VARIABLES = ENVIRONMENT.text("PORTAL_SITE_VARIABLES").split()  # values have commas

# --- Django ----------------------------------------------------------------------------------
SECRET_KEY = ENVIRONMENT.text("PORTAL_SECRET_KEY") or load_secret(PORTAL_DATA, "secret-key")
SECRET_KEY_FALLBACKS = ENVIRONMENT.words("PORTAL_SECRET_KEY_FALLBACKS")
DEBUG = ENVIRONMENT.flag("PORTAL_DEBUG", default=False)
ALLOWED_HOSTS = sorted({_host, "localhost", "127.0.0.1", "[::1]"})
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "portal.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "sessions.apps.SessionsConfig",
    "quotas",
    "keys",
    "portal.apps.PortalAdminConfig",  # in place of django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "auditlog",
    "axes",
    "django_q",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
]

MIDDLEWARE = [
    "portal.health.metrics.views.MetricsTokenAuth",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.server.bodies.BodyLimit",
    "portal.server.bodies.RequestGuard",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.accounts.middleware.SessionRekey",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.lib.logs.requests.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.pages.responses.Throttle",
    "portal.pages.responses.WrongMethod",
    "axes.middleware.AxesMiddleware",
    "portal.accounts.middleware.AuditMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.pages.responses.site",
            ],
        },
    },
]


# Requests are answered in long-lived threads (portal/handler.py).
IN_WEB = "portal.asgi" in sys.modules
IN_WORKER = "qcluster" in sys.argv
# Seconds to connect; milliseconds until a machine that does not answer counts as gone.
POSTGRESQL_PATIENCE = {"connect_timeout": 5, "tcp_user_timeout": 20_000, "keepalives_idle": 20}
# Seconds for a statement (portal/lib/postgresql). Migrations, backups and the wait for watch's lock
# may take any time; watch itself is restarted if it gives no sign of life.
DATABASE_SECONDS = 60.0 if IN_WEB else 50.0 if IN_WORKER else None


def _database() -> dict[str, Any]:
    url = ENVIRONMENT.text("DATABASE_URL")
    if url:
        # Worker processes are forked: a connection pool would not survive that. A persistent
        # connection does, and makes the queue several times as fast.
        config = {**environ.Env.db_url_config(url), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
        if "postgresql" in config["ENGINE"]:
            config["ENGINE"] = "portal.lib.postgresql"
            config["OPTIONS"] = {**POSTGRESQL_PATIENCE, **config.get("OPTIONS", {})}
        return config
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "CONN_MAX_AGE": 60 if IN_WEB else 0,  # the worker's processes are forked
        "NAME": PORTAL_DATA / "db.sqlite3",
        "TEST": {"NAME": PORTAL_DATA / "test.sqlite3"},  # a file, as in production
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


DATABASES = {"default": _database()}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # REST framework looks for PostgreSQL fields and would load the driver: a tenth of web.
    sys.modules.setdefault("django.contrib.postgres", None)  # type: ignore[arg-type]
REDIS_URL = ENVIRONMENT.text("REDIS_URL")
# Ports of this machine that people's git, builds and notebooks never reach, whatever is trusted.
_servers = (DATABASES["default"].get("PORT"), REDIS_URL and (urlsplit(REDIS_URL).port or 6379))
PORTAL_CLOSED_PORTS = sorted({PORTAL_PORT, *(int(port) for port in _servers if port)})

CACHES = {
    "default": (
        {"BACKEND": "portal.lib.cache.FailSafeCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}


def redis_patience() -> dict[str, Any]:
    """Return how long the channel layer waits, which nobody else does (sessions/progress).

    The cache has its own limits (portal/lib/cache.py).
    """
    # The library is not loaded without Redis.
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    return {
        "socket_timeout": 1.0,
        "socket_connect_timeout": 1.0,
        "retry": Retry(NoBackoff(), 1),
    }


# Without Redis there is no channel layer: readers of a log then look in the database.
CHANNEL_LAYERS: dict[str, Any] = (
    {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": REDIS_URL, **redis_patience()}]},
        }
    }
    if REDIS_URL
    else {}
)

# Tasks are nudges: every minute `sessions.watch.reconcile` repeats what a lost task should have
# done, so the queue itself never delivers a failed task again.
Q_CLUSTER = {
    "name": "bindery",
    "orm": "default",
    "workers": ENVIRONMENT.number("PORTAL_WORKERS", 4, low=1, high=64),
    "timeout": 55,
    "retry": 240,
    "queue_limit": 4,
    "max_attempts": 1,
    "ack_failures": True,
    # On one machine, the worker is woken (sessions/lifecycle/queue.py).
    **(
        {"broker_class": "sessions.lifecycle.queue.Broker", "poll": 0}
        if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
        else {"poll": 0.1}
    ),
    "save_limit": 100,
    "catch_up": False,
    "label": "Tasks",
}

# --- Signing in ------------------------------------------------------------------------------
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Sign-in attempts (portal/accounts/login_throttle.py) ------------------------------------
AXES_FAILURE_LIMIT = ENVIRONMENT.number("PORTAL_SIGN_IN_ATTEMPTS", 5, low=1)
AXES_COOLOFF_TIME = timedelta(seconds=ENVIRONMENT.number("PORTAL_SIGN_IN_PAUSE", 900, low=1))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]
AXES_HANDLER = "portal.accounts.login_throttle.FailureCounter"
AXES_CLIENT_IP_CALLABLE = "portal.accounts.login_throttle.client_address"
AXES_CLIENT_STR_CALLABLE = "portal.accounts.login_throttle.describe_client"
AXES_LOCKOUT_CALLABLE = "portal.accounts.login_throttle.lockout_response"
AXES_RESET_ON_SUCCESS = True
# Further attempts during a lockout neither extend it nor fill a table.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["csrfmiddlewaretoken", "next", "code", "state"]
# Forwarded headers are trusted from these addresses only (portal/asgi.py).
PORTAL_TRUSTED_PROXIES = ENVIRONMENT.words("PORTAL_TRUSTED_PROXIES")
# Pages of these origins may use notebooks with API tokens (sessions/gateway/request.py).
PORTAL_CORS_ORIGINS = ENVIRONMENT.words("PORTAL_CORS_ORIGINS")
# The secret of an nginx that proxies notebooks' content itself (sessions/gateway/app.py).
PORTAL_NGINX_SECRET = ENVIRONMENT.text("PORTAL_NGINX_SECRET")
if PORTAL_NGINX_SECRET and not re.fullmatch(r"[!-~]{32,}", PORTAL_NGINX_SECRET):
    _hint = "Use the output of: openssl rand -hex 32"
    ENVIRONMENT.add_problem("portal.E010", "PORTAL_NGINX_SECRET", "is too easy to guess", _hint)
    PORTAL_NGINX_SECRET = ""

# --- Identity providers (docs/sign-in.md) ----------------------------------------------------
OIDC_PROVIDERS = read_providers(ENVIRONMENT)
OIDC_POLICY = read_policy(ENVIRONMENT)
OIDC_TIMEOUT = 10
OIDC_REFRESH_SECONDS = ENVIRONMENT.number("OIDC_REFRESH_SECONDS", 900, low=1)
OIDC_VOUCH_DAYS = ENVIRONMENT.number("OIDC_VOUCH_DAYS", 30, low=1, high=3650)
OIDC_SESSION_HOURS = ENVIRONMENT.number("OIDC_SESSION_HOURS", 12, low=1, high=8760)
# A misconfigured provider does not turn password sign-in on.
PORTAL_PASSWORD_SIGN_IN = ENVIRONMENT.flag(
    "PORTAL_PASSWORD_SIGN_IN", default=not is_oidc_configured(ENVIRONMENT)
)
AUTHENTICATION_BACKENDS = [
    "portal.accounts.login_throttle.LoginThrottle",  # first: a lockout shuts all others
    "portal.accounts.oidc.backends.Password",
    "portal.accounts.oidc.backends.ByProvider",
    "portal.oidc.backends.Password",  # for sessions that store these paths
    "portal.oidc.backends.ByProvider",
]

# --- How soon open connections end with a permission: seconds, constants that tests shorten ----
PORTAL_LIVE_RECHECK = 5.0  # followers of logs and events (sessions/progress/broadcast.py)
PORTAL_GATEWAY_RECHECK = 2.0  # connections to notebooks (sessions/gateway)

# --- Keys and tokens -------------------------------------------------------------------------
PORTAL_ENCRYPTION_KEYS = ENVIRONMENT.words("PORTAL_ENCRYPTION_KEYS") or [
    load_secret(PORTAL_DATA, "encryption-key")
]
PORTAL_TOKEN_DAYS = ENVIRONMENT.number("PORTAL_TOKEN_DAYS", 365, low=1, high=3650)
PORTAL_KNOWN_HOSTS = ENVIRONMENT.text("PORTAL_KNOWN_HOSTS")

# --- Safety ----------------------------------------------------------------------------------
_https = GATEWAY_SCHEME == "https"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# Cookies ignore ports, so portals on one host must not share a name; over https the prefix
# keeps sibling hosts from planting one.
SESSION_COOKIE_NAME = "__Host-bindery" if _https else f"bindery-{_address.port or 80}"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
CSRF_USE_SESSIONS = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# How long browsers that came by https once use nothing else; 0 turns it off.
PORTAL_HSTS_SECONDS = ENVIRONMENT.number("PORTAL_HSTS_SECONDS", 31_536_000, high=63_072_000)
if _https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = PORTAL_HSTS_SECONDS
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# --- Letters ---------------------------------------------------------------------------------
# Without a mail server no letters are written; pages say what letters would have said.
PORTAL_EMAIL_URL = ENVIRONMENT.text("PORTAL_EMAIL_URL")
DEFAULT_FROM_EMAIL = ENVIRONMENT.text("PORTAL_EMAIL_FROM", f"Bindery <bindery@{_host}>")
EMAIL_TIMEOUT = 10
PORTAL_LETTERS_A_MINUTE = ENVIRONMENT.number("PORTAL_LETTERS_A_MINUTE", 60, low=1)
# Who gets mail when a part of the portal is unwell (portal/health/operator_alerts.py).
PORTAL_OPERATORS_MAIL = operator_addresses(ENVIRONMENT, ENVIRONMENT.words("PORTAL_OPERATORS_MAIL"))
_mail = mail_settings(ENVIRONMENT, PORTAL_EMAIL_URL, DEFAULT_FROM_EMAIL)
EMAIL_BACKEND = _mail.get("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_HOST = _mail.get("EMAIL_HOST", "localhost")
EMAIL_PORT = _mail.get("EMAIL_PORT", 25)
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD", "")
EMAIL_FILE_PATH = _mail.get("EMAIL_FILE_PATH") or None
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)

# --- Words and times -------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
FORMAT_MODULE_PATH = "portal.formats"
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = ENVIRONMENT.text("PORTAL_TIME_ZONE", "UTC")
USE_TZ = True

# --- Files of the pages ----------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = PORTAL_DATA / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or "PYTEST_VERSION" in os.environ
        else "portal.run.static_files.StaticStorage"
    },
}

# --- The API (docs/api.md) -------------------------------------------------------------------
# Calls per minute; 0 is no limit.
PORTAL_API_RATE = ENVIRONMENT.number("PORTAL_API_RATE", 3000)
PORTAL_API_CHANGE_RATE = ENVIRONMENT.number("PORTAL_API_CHANGE_RATE", 300)
PORTAL_API_STRANGER_RATE = ENVIRONMENT.number("PORTAL_API_STRANGER_RATE", 300)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "keys.authentication.TokenAuthentication",
        "keys.authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "keys.authentication.HasScope",
    ],
    "DEFAULT_PARSER_CLASSES": [
        "sessions.api.parsing.BoundedJSONParser",
        "rest_framework.parsers.FormParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "sessions.api.errors.api_exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,  # clients use `Accept`
    "DEFAULT_SCHEMA_CLASS": "sessions.api.openapi.ApiSchema",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bindery",
    "DESCRIPTION": (
        "Turns Git repositories into running notebooks. Errors are always `{code, detail}`; "
        "anything that is not yours is 404."
    ),
    "VERSION": VERSION,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVERS": [{"url": PORTAL_URL}],
    "PARSER_WHITELIST": ["sessions.api.parsing.BoundedJSONParser"],
    "ENUM_NAME_OVERRIDES": {
        "ProjectState": "sessions.states.ProjectState",
        "Phase": "sessions.states.Phase",
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "sessions.api.openapi.add_common_responses",
    ],
}

# --- Monitoring (docs/monitor.md) ------------------------------------------------------------
PORTAL_METRICS_TOKEN = ENVIRONMENT.text("PORTAL_METRICS_TOKEN")
PORTAL_LOG_REQUESTS = ENVIRONMENT.flag("PORTAL_LOG_REQUESTS", default=False)
PORTAL_LOG_FORMAT = ENVIRONMENT.choice("PORTAL_LOG_FORMAT", "line", FORMS)
LOGGING = logging_config(
    PORTAL_LOG_FORMAT,
    ENVIRONMENT.choice("PORTAL_LOG_LEVEL", "INFO", LEVELS),
    secrets=[
        SECRET_KEY,
        *SECRET_KEY_FALLBACKS,
        *PORTAL_ENCRYPTION_KEYS,
        PORTAL_ADMIN_PASSWORD,
        PORTAL_METRICS_TOKEN,
        PORTAL_NGINX_SECRET,
        EMAIL_HOST_PASSWORD,
        str(DATABASES["default"].get("PASSWORD", "")),
    ],
)
