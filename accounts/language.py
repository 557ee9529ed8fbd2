"""The language of a person: kept with the account, used for pages, e-mails and everything a worker writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from accounts.models import User


def language_set(*, user: User, language: str) -> None:
    """Remember the language of an account. Raises ValueError for a language that is not offered."""
    if language not in dict(settings.LANGUAGES):
        raise ValueError(f"{language!r} is not one of this site's languages")
    User.objects.filter(pk=user.pk).exclude(language=language).update(language=language)
    user.language = language


def language_of(user: User) -> str:
    """The offered language that is nearest to the one of the account, else the installation's."""
    try:
        return translation.get_supported_language_variant(user.language)
    except LookupError:
        return settings.LANGUAGE_CODE


def speaking_to(user: User) -> AbstractContextManager[None]:
    """Within it every text is in the language of `user`: for e-mails and for tasks, which no browser asked for."""
    return translation.override(language_of(user))


class LanguageMiddleware:
    """A signed-in person reads the language of the account, on every device.

    Everybody else reads what `LocaleMiddleware` found: the cookie of the language menu, then the browser's wish.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            translation.activate(language_of(request.user))
            request.LANGUAGE_CODE = translation.get_language()  # type: ignore[attr-defined]
        return self.get_response(request)
