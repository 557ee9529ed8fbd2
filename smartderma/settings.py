"""One settings file, driven by the environment; the defaults are for development and need no server.

Every variable is described in docs/SETTINGS.md. Production = DEBUG off: smartderma/checks.py refuses unsafe values.
"""

from pathlib import Path

import environ
from csp.constants import NONCE, NONE, SELF
from whitenoise.compress import Compressor

from smartderma import logs

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.FileAwareEnv()
env.read_env(BASE_DIR / ".env")

# --- what kind of installation -------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=True)
DEVELOPMENT_KEY = "development-only-key-never-use-in-production"
SECRET_KEY = env.str("SECRET_KEY", default="") or DEVELOPMENT_KEY  # production: see smartderma/checks.py
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_URL = env.str("SITE_URL", default="http://localhost:8000")
DEMO_ACCOUNTS = env.bool("DEMO_ACCOUNTS", default=False)
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

INSTALLED_APPS = [
    "accounts",
    "diagnosis",
    "reports",
    "finder",
    # Without autodiscovery: django-leaflet's admin module wants GDAL, which we do not use. See smartderma/apps.py.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "smartderma.apps.StaticConfig",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "auditlog",
    "csp",
    "django_filters",
    "django_htmx",
    "django_prometheus",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "heroicons",
    "leaflet",
    "rest_framework",
    "smartderma.apps.SmartdermaConfig",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "smartderma.api.ProblemMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "smartderma.middleware.BodyLimitMiddleware",  # before anything that reads the body
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "smartderma.middleware.QuietRequestMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
    "accounts.language.LanguageMiddleware",
    "accounts.middleware.StaffGuardMiddleware",
    "smartderma.middleware.PrivateCacheMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "smartderma.urls"
WSGI_APPLICATION = "smartderma.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["heroicons.templatetags.heroicons"],
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "smartderma.context.site",
            ],
        },
    }
]

# --- database, cache, queue ----------------------------------------------------------------------------------------
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # who restarts the database loses no request and no task
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # WAL lets workers write while the web reads; IMMEDIATE takes the write lock first, so no upgrade fails.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="") or "redis://127.0.0.1:6399/0"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
if not env.str("REDIS_URL", default=""):
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SERIALIZER = "json"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    # A broker that is down costs a request half a second, not six: the sweepers send again what was lost.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_IMPORTS = ("diagnosis.worker",)
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 300.0  # seconds in which a child must be ready: it loads the model first
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_DB_REUSE_MAX = 2**31  # else each task opens a connection of its own; see `renew_connections`
CELERY_BEAT_SCHEDULE = {
    "sweep-analyses": {
        "task": "diagnosis.tasks.sweep_analyses_task",
        "schedule": env.float("SWEEP_SECONDS", default=15.0),
    },
    "escalate-reviews": {
        "task": "diagnosis.tasks.escalate_reviews_task",
        "schedule": env.float("ESCALATE_SECONDS", default=60.0),
    },
    "sweep-operations": {"task": "diagnosis.tasks.sweep_operations_task", "schedule": 60.0},
    "sweep-partner-api": {"task": "diagnosis.tasks.sweep_partner_api_task", "schedule": 60.0},
    "expire-cases": {"task": "diagnosis.tasks.expire_cases_task", "schedule": 3600.0},
    "sweep-orphans": {"task": "diagnosis.tasks.sweep_orphans_task", "schedule": 6 * 3600.0},
    "send-reminders": {"task": "diagnosis.tasks.send_reminders_task", "schedule": 900.0},
    "sweep-notices": {"task": "diagnosis.tasks.sweep_notices_task", "schedule": 60.0},
    "sweep-exports": {"task": "accounts.tasks.sweep_exports_task", "schedule": 300.0},
    "sweep-reports": {"task": "reports.tasks.sweep_reports_task", "schedule": 300.0},
    "expire-uploads": {"task": "diagnosis.tasks.expire_uploads_task", "schedule": 900.0},
    "sweep-webhooks": {
        "task": "diagnosis.tasks.sweep_webhooks_task",
        "schedule": env.float("WEBHOOK_SWEEP_SECONDS", default=5.0),
    },
    "expire-webhook-log": {"task": "diagnosis.tasks.expire_webhook_log_task", "schedule": 3600.0},
}
# GPU workers run the same task on a queue of their own: set INFERENCE_QUEUE=inference-gpu for web and worker.
INFERENCE_QUEUE = env.str("INFERENCE_QUEUE", default="inference")
PARTNER_QUEUE = f"{INFERENCE_QUEUE}-partners"  # the same workers, who take from both queues in turn
CELERY_TASK_ROUTES = {  # all others: "default"
    "diagnosis.tasks.run_analysis_task": {"queue": INFERENCE_QUEUE},
    "diagnosis.tasks.run_partner_analysis_task": {"queue": PARTNER_QUEUE},
    "diagnosis.tasks.run_bulk_analysis_task": {"queue": "bulk"},
    "diagnosis.tasks.run_shadow_task": {"queue": "shadows"},  # what needs the model and nobody waits for
    "diagnosis.tasks.check_release_task": {"queue": "shadows"},
    # What takes minutes: sweeps, faces, mail and reports must not wait behind it.
    "diagnosis.tasks.run_batch_task": {"queue": "slow"},
    "diagnosis.tasks.build_training_export_task": {"queue": "slow"},
    "diagnosis.tasks.sweep_orphans_task": {"queue": "slow"},
    "accounts.tasks.build_export_task": {"queue": "slow"},
    "diagnosis.tasks.send_webhooks_task": {"queue": "webhooks"},  # a slow receiver must not hold up reports
}
INFERENCE_DEVICE = env.str("INFERENCE_DEVICE", default="auto")
ANALYSIS_SOFT_LIMIT_SECONDS = env.int("ANALYSIS_SOFT_LIMIT_SECONDS", default=60)
ANALYSIS_HARD_LIMIT_SECONDS = env.int("ANALYSIS_HARD_LIMIT_SECONDS", default=75)
ANALYSIS_LEASE_SECONDS = env.int("ANALYSIS_LEASE_SECONDS", default=90)
# How many waiting analyses a worker takes at once (0: by its device), how long it waits for more when fewer are there.
ANALYSIS_BATCH_SIZE = env.int("ANALYSIS_BATCH_SIZE", default=0)
ANALYSIS_BATCH_WAIT_SECONDS = env.float("ANALYSIS_BATCH_WAIT_SECONDS", default=0.01)
ANALYSIS_MAX_ATTEMPTS = env.int("ANALYSIS_MAX_ATTEMPTS", default=3)

# --- the model -----------------------------------------------------------------------------------------------------
# Serves until operators activate another (diagnosis/active_release.py); RELEASE_OVERRIDE stands above both.
MODEL_RELEASE = env.str("SMARTDERMA_RELEASE", default="r6")
RELEASE_OVERRIDE = env.str("RELEASE_OVERRIDE", default="")
TRAINING_EXPORT_KEY = env.str("TRAINING_EXPORT_KEY", default="") or SECRET_KEY
ACCEPT_NON_COMMERCIAL_RELEASE = env.bool("ACCEPT_NON_COMMERCIAL_RELEASE", default=DEBUG)
REVIEW_DEADLINE_HOURS = {
    "emergency": env.int("REVIEW_HOURS_EMERGENCY", default=24),
    "urgent": env.int("REVIEW_HOURS_URGENT", default=24),
    "soon": env.int("REVIEW_HOURS_SOON", default=72),
    "routine": env.int("REVIEW_HOURS_ROUTINE", default=168),
    "self_care": env.int("REVIEW_HOURS_SELF_CARE", default=168),
    "flagged": env.int("REVIEW_HOURS_FLAGGED", default=72),
}
# The model's result stays closed to a dermatologist until a first opinion is stored; changing it then asks why.
BLIND_FIRST_READ = env.bool("BLIND_FIRST_READ", default=False)
SECOND_READ_TIERS = env.list("SECOND_READ_TIERS", default=[])
REVIEW_LEASE_SECONDS = env.int("REVIEW_LEASE_SECONDS", default=900)
SIGN_REAUTH_SECONDS = env.int("SIGN_REAUTH_SECONDS", default=900)
ON_CALL_EMAILS = env.list("ON_CALL_EMAILS", default=[])

# --- files ---------------------------------------------------------------------------------------------------------
S3_BUCKET = env.str("S3_BUCKET", default="")
SIGNED_URL_SECONDS = env.int("SIGNED_URL_SECONDS", default=60)
# PEM text (or REPORT_SIGNING_CERTIFICATE_FILE ...). Empty in development: self-made, see reports/certificates.py.
REPORT_SIGNING_CERTIFICATE = env.str("REPORT_SIGNING_CERTIFICATE", default="", multiline=True)
REPORT_SIGNING_KEY = env.str("REPORT_SIGNING_KEY", default="", multiline=True)
REPORT_SIGNING_KEY_PASSWORD = env.str("REPORT_SIGNING_KEY_PASSWORD", default="")
REPORT_SIGNING_SELF_MADE = DEBUG and not REPORT_SIGNING_CERTIFICATE
PRIVATE_ROOT = VAR_DIR / "private"
if S3_BUCKET:
    private_storage: dict = {
        "BACKEND": "smartderma.storage_s3.PrivateS3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": env.str("S3_ENDPOINT_URL", default="") or None,
            "region_name": env.str("S3_REGION", default="") or None,
            "access_key": env.str("S3_ACCESS_KEY_ID", default="") or None,
            "secret_key": env.str("S3_SECRET_ACCESS_KEY", default="") or None,
            "object_parameters": {"ServerSideEncryption": env.str("S3_ENCRYPTION", default="AES256")},
        },
    }
else:
    private_storage = {"BACKEND": "smartderma.storage.PrivateFileStorage", "OPTIONS": {"location": PRIVATE_ROOT}}
STORAGES = {
    "default": private_storage,
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "staticfiles"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
# Brotli at its best makes 1 MB a second: only what browsers fetch, and once. Pages name files with their hash only.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
MAX_PHOTO_BYTES = 20 * 1024 * 1024
MAX_PHOTOS = 5
MAX_PHOTOS_OF_A_CASE = 2 * MAX_PHOTOS  # with those that a dermatologist asked for later
MAX_CASES_PER_HOUR = env.int("MAX_CASES_PER_HOUR", default=20)
MAX_MESSAGES_PER_HOUR = env.int("MAX_MESSAGES_PER_HOUR", default=60)
MAX_MESSAGE_PHOTOS = 3
# Resumable uploads (diagnosis/services/uploads.py): how many may be open per person, and for how long they are kept.
MAX_OPEN_UPLOADS = env.int("MAX_OPEN_UPLOADS", default=20)
UPLOAD_HOURS = env.int("UPLOAD_HOURS", default=24)
FACE_WAIT_SECONDS = env.int("FACE_WAIT_SECONDS", default=20)
MAX_PART_BYTES = 8 * 1024 * 1024  # one PATCH of the partner API
MIN_PART_BYTES = 64 * 1024  # but for the last part of a file: each is an object in the storage
MAX_BATCH_BYTES = env.int("MAX_BATCH_MB", default=500) * 1024 * 1024
SANDBOX_RETENTION_DAYS = env.int("SANDBOX_RETENTION_DAYS", default=1)
# A body that is larger than its address needs is refused before anything reads it.
MAX_BODY_BYTES = 2 * 1024 * 1024
MAX_UPLOAD_BODY_BYTES = MAX_PHOTOS * MAX_PHOTO_BYTES + MAX_BODY_BYTES
PART_PATHS = ("/api/v1/images/",)
UPLOAD_PATHS = (
    "/cases/new/",
    "/account/language/",
    "/messages/",
    "/api/v1/analyses",
    "/photos/for/",
    "/account/licence/",
)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 20

# --- who may log in ------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PersonBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", default="optional" if DEBUG else "mandatory")
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Smart Derma] "
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_RATE_LIMITS = {"login_failed": env.str("LOGIN_FAILED_LIMIT", default="10/m/ip,5/300s/key")}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
# Dermatologists and operators; demo accounts, which exist in development only, need no second factor.
MFA_REQUIRED = env.bool("MFA_REQUIRED", default=True)
STAFF_SESSION_SECONDS = env.int("STAFF_SESSION_SECONDS", default=1800)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Smart Derma"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG  # http://localhost
CONSENT_VERSION = "2026-11"
RETENTION_DAYS_WITHOUT_STORAGE_CONSENT = env.int("RETENTION_DAYS_WITHOUT_STORAGE_CONSENT", default=30)
EXPORT_HOURS = env.int("EXPORT_HOURS", default=24)
EXPORT_LEASE_SECONDS = 900  # longer than the hard limit of accounts.tasks.build_export_task

# --- the browser's side of safety ----------------------------------------------------------------------------------
SESSION_COOKIE_AGE = env.int("SESSION_COOKIE_AGE", default=12 * 3600)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not DEBUG
SECURE_HSTS_SECONDS = 0 if DEBUG else 31536000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_REFERRER_POLICY = "same-origin"
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)  # else all visitors share the proxy's log-in limit
SECURE_REDIRECT_EXEMPT = [r"^health/"]
X_FRAME_OPTIONS = "DENY"
# Photos and PDFs may come from the bucket by a signed link; nothing else comes from outside.
FILE_ORIGINS = [env.str("S3_PUBLIC_ORIGIN", default="")] if env.str("S3_PUBLIC_ORIGIN", default="") else []
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:", *FILE_ORIGINS],
        "connect-src": [SELF],
        "font-src": [SELF],
        "worker-src": [SELF],
        "manifest-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF, *FILE_ORIGINS],  # a form's answer may lead to a file in the bucket
        "frame-ancestors": [NONE],
    }
}
PERMISSIONS_POLICY: dict = {
    "camera": "self",
    "geolocation": "self",
    "microphone": [],
    "payment": [],
    "usb": [],
}

# --- API -----------------------------------------------------------------------------------------------------------
# What the plans of partners allow: requests of one key a minute, analyses of a partner a month and at one time.
DEFAULT_PLANS = {
    "trial": {"requests_per_minute": 60, "analyses_per_month": 200, "concurrent": 5},
    "standard": {"requests_per_minute": 300, "analyses_per_month": 10_000, "concurrent": 50},
    "large": {"requests_per_minute": 1200, "analyses_per_month": 200_000, "concurrent": 500},
}
PARTNER_PLANS = env.json("PARTNER_PLANS", default=DEFAULT_PLANS)
IDEMPOTENCY_HOURS = 24
# `Prefer: wait=N` holds a thread of the web server: at most this share of them, and not for longer than this.
WEB_THREADS = env.int("WEB_THREADS", default=24)
API_WAIT_SHARE = env.float("API_WAIT_SHARE", default=0.75)
API_WAIT_SECONDS = env.int("API_WAIT_SECONDS", default=20)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.PartnerKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "smartderma.api.problem_handler",
    "DEFAULT_PAGINATION_CLASS": "smartderma.api.CursorPages",
    "DEFAULT_THROTTLE_CLASSES": ["accounts.authentication.KeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["smartderma.parsing.StrictJSONParser"],
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # the format is asked for in Accept, never in the address
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Smart Derma partner API",
    "DESCRIPTION": "Send photos of a skin problem, get a differential, an urgency and a report.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "smartderma.schema.document_problems",
        "diagnosis.api.openapi.add_examples",
        "diagnosis.api.openapi.add_webhooks",
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "diagnosis.api.bodies.JOB_STATUSES",
        "Tier": "diagnosis.models.Tier",
        "Outcome": "diagnosis.models.Outcome",
        "BatchItemStatus": "diagnosis.api.batches.ITEM_STATUSES",
        "Standing": "diagnosis.api.bodies.STANDINGS",
        "WebhookEventType": "diagnosis.models.WebhookEvent",
        "WebhookDeliveryStatus": "diagnosis.models.WebhookDelivery.Status",
        "WebhookError": "diagnosis.models.WebhookAttempt.Error",
        "WebhookDisabledReason": "diagnosis.models.WebhookEndpoint.Disabled",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Tests and development only (smartderma.E011): receivers on this machine, without TLS.
WEBHOOKS_TO_PRIVATE_ADDRESSES = env.bool("WEBHOOKS_TO_PRIVATE_ADDRESSES", default=False)
WEBHOOK_LOG_DAYS = env.int("WEBHOOK_LOG_DAYS", default=30)

# --- language, time, mail ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
# Each language under its own name, so that whoever reads only that one finds it.
LANGUAGES = [("en", "English"), ("es", "Español"), ("hi", "हिन्दी"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "smartderma.formats"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = not DEBUG
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
NOTICE_LEASE_SECONDS = 120  # longer than the hard limit of diagnosis.tasks.send_notice_task
NOTICE_MAX_ATTEMPTS = 5
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Smart Derma <no-reply@localhost>")

# --- finder --------------------------------------------------------------------------------------------------------
GOOGLE_PLACES_API_KEY = env.str("GOOGLE_PLACES_API_KEY", default="")
GOOGLE_PLACES_URL = env.str("GOOGLE_PLACES_URL", default="https://places.googleapis.com")
OVERPASS_URL = env.str("OVERPASS_URL", default="")
NOMINATIM_URL = env.str("NOMINATIM_URL", default="")
FINDER_CONTACT = env.str("FINDER_CONTACT", default="")
# No map by default. A layer of your own server, or of a provider whose terms you accept: "https://host/{z}/{x}/{y}.png"
MAP_TILES_URL = env.str("MAP_TILES_URL", default="")
MAP_TILES_ATTRIBUTION = env.str("MAP_TILES_ATTRIBUTION", default="© OpenStreetMap contributors")
LEAFLET_CONFIG: dict = {
    "TILES": [("Map", MAP_TILES_URL, MAP_TILES_ATTRIBUTION)] if MAP_TILES_URL else [],
    "RESET_VIEW": False,
    "NO_GLOBALS": False,
}

# --- observability -------------------------------------------------------------------------------------------------
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_USER_ID_FIELD = "pk"
AUDITLOG_DISABLE_REMOTE_ADDR = True
PROMETHEUS_EXPORT_MIGRATIONS = False
LOGGING = logs.LOGGING
logs.configure_structlog()
