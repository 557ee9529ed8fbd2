"""What allauth does differently here: new accounts are patients, and each role lands on its own page."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from accounts.models import Role, User

LANDING = {Role.PATIENT: "case_list", Role.DERMATOLOGIST: "review_queue", Role.OPERATOR: "admin:index"}


class AccountAdapter(DefaultAccountAdapter):
    """Only an operator makes accounts of another role."""

    def save_user(self, request: HttpRequest, user: User, form, commit: bool = True) -> User:
        user.role = Role.PATIENT
        user.language = (get_language() or "en")[:8]
        return super().save_user(request, user, form, commit)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("case_create")

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return reverse(LANDING.get(request.user.role, "home"))
