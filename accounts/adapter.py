"""What allauth does differently here: new accounts are patients, and each role lands on its own page."""

from __future__ import annotations

from contextlib import nullcontext

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from accounts.language import language_set, speaking_to
from accounts.models import Role, User

LANDING = {Role.PATIENT: "case_list", Role.DERMATOLOGIST: "review_queue", Role.OPERATOR: "operator_overview"}


class AccountAdapter(DefaultAccountAdapter):
    """Only an operator makes accounts of another role."""

    def save_user(self, request: HttpRequest, user: User, form, commit: bool = True) -> User:
        user.role = Role.PATIENT
        user.language = (get_language() or "en")[:8]
        return super().save_user(request, user, form, commit)

    def login(self, request: HttpRequest, user: User) -> None:
        """Whoever chose a language before logging in goes on in it."""
        super().login(request, user)
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        if chosen in dict(settings.LANGUAGES):
            language_set(user=user, language=chosen)

    def send_mail(self, template_prefix: str, email: str, context: dict) -> None:
        """To an account in its own language, to anybody else in that of the page."""
        with speaking_to(context["user"]) if isinstance(context.get("user"), User) else nullcontext():
            super().send_mail(template_prefix, email, context)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("case_create")

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        if request.user.role == Role.DERMATOLOGIST and not request.user.is_verified_dermatologist:
            return reverse("licence_apply")
        return reverse(LANDING.get(request.user.role, "home"))
