"""System checks: an unsafe installation stops with a sentence instead of starting wrong."""

from __future__ import annotations

from django.conf import settings
from django.core.checks import Error, register

from ml.releases.loader import ReleaseError, list_releases, release_info

LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]", "testserver"}


@register()
def secret_key_is_set(app_configs, **kwargs) -> list[Error]:
    if settings.DEBUG:
        return []
    if settings.SECRET_KEY == settings.DEVELOPMENT_KEY or len(settings.SECRET_KEY) < 32:
        return [Error("SECRET_KEY must be set to at least 32 secret characters in production.", id="smartderma.E001")]
    return []


@register()
def hosts_are_named(app_configs, **kwargs) -> list[Error]:
    if settings.DEBUG or (settings.ALLOWED_HOSTS and "*" not in settings.ALLOWED_HOSTS):
        return []
    return [Error("ALLOWED_HOSTS must name the hosts of this installation.", id="smartderma.E002")]


@register()
def development_stays_at_home(app_configs, **kwargs) -> list[Error]:
    """DEBUG with a public host would serve the published key and, with them, the demo accounts."""
    strangers = set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS
    if not settings.DEBUG or not strangers:
        return []
    text = f"ALLOWED_HOSTS names {', '.join(sorted(strangers))}: a site that others can reach needs DEBUG=0."
    return [Error(text, id="smartderma.E009")]


@register()
def storage_is_private(app_configs, **kwargs) -> list[Error]:
    if settings.STORAGES["default"]["BACKEND"] in {
        "smartderma.storage_s3.PrivateS3Storage",
        "smartderma.storage.PrivateFileStorage",
    }:
        return []
    return [
        Error("Patient photos must stay in private storage: do not change STORAGES['default'].", id="smartderma.E003")
    ]


@register()
def translations_are_compiled(app_configs, **kwargs) -> list[Error]:
    """Without the compiled files every page would be English, and nothing would say so."""
    sources = [path for folder in settings.LOCALE_PATHS for path in folder.glob("*/LC_MESSAGES/*.po")]
    if all(path.with_suffix(".mo").exists() for path in sources):
        return []
    return [Error("The translations are not compiled: run python -m deploy.messages.", id="smartderma.E013")]


@register()
def demo_accounts_stay_in_development(app_configs, **kwargs) -> list[Error]:
    if settings.DEMO_ACCOUNTS and not settings.DEBUG:
        return [
            Error("DEMO_ACCOUNTS must be off in production: everybody knows their passwords.", id="smartderma.E004")
        ]
    return []


@register()
def release_may_be_used(app_configs, **kwargs) -> list[Error]:
    """A release trained on non-commercial data must be accepted on purpose."""
    name = settings.RELEASE_OVERRIDE or settings.MODEL_RELEASE
    try:
        info = release_info(name)
    except ReleaseError as error:
        if not list_releases():  # a web tier without any model: reviewing goes on, workers refuse by themselves
            return []
        return [Error(f"The model release cannot be used: {error}", id="smartderma.E005")]
    if info["licence"]["non_commercial"] and not settings.ACCEPT_NON_COMMERCIAL_RELEASE:
        text = (
            f"Release {info['name']} was trained on data with non-commercial licences. Set "
            "ACCEPT_NON_COMMERCIAL_RELEASE=1 if your use is research or otherwise non-commercial, or choose another."
        )
        return [Error(text, id="smartderma.E006")]
    return []


@register()
def limits_fit_together(app_configs, **kwargs) -> list[Error]:
    """A lease shorter than the hard limit would give a running photo to a second worker."""
    if settings.ANALYSIS_SOFT_LIMIT_SECONDS < settings.ANALYSIS_HARD_LIMIT_SECONDS < settings.ANALYSIS_LEASE_SECONDS:
        return []
    text = "Set ANALYSIS_SOFT_LIMIT_SECONDS < ANALYSIS_HARD_LIMIT_SECONDS < ANALYSIS_LEASE_SECONDS."
    return [Error(text, id="smartderma.E007")]


@register()
def production_has_a_broker(app_configs, **kwargs) -> list[Error]:
    if settings.DEBUG or "redis" in settings.CACHES["default"]["BACKEND"]:
        return []
    return [
        Error(
            "REDIS_URL must be set in production: limits and queues are shared by all processes.", id="smartderma.E008"
        )
    ]


@register()
def webhooks_go_out_only(app_configs, **kwargs) -> list[Error]:
    """A partner chooses the address: in production it must never be one inside the installation."""
    if settings.DEBUG or not settings.WEBHOOKS_TO_PRIVATE_ADDRESSES:
        return []
    return [Error("WEBHOOKS_TO_PRIVATE_ADDRESSES must be off in production.", id="smartderma.E011")]


@register()
def clinicians_prove_who_they_are(app_configs, **kwargs) -> list[Error]:
    if settings.DEBUG or (settings.MFA_REQUIRED and settings.SIGN_REAUTH_SECONDS > 0):
        return []
    text = "MFA_REQUIRED must be on and SIGN_REAUTH_SECONDS above 0 in production: a signature needs a person."
    return [Error(text, id="smartderma.E012")]
