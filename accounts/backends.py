"""Who comes back with a session."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.mfa.models import Authenticator
from django.db.models import Exists, OuterRef

from accounts.models import DermatologistProfile, Role, User


class PersonBackend(AuthenticationBackend):
    """Log-in as allauth does it; a person comes with what every page of theirs asks next, in one query."""

    def get_user(self, user_id: Any) -> User | None:
        mine = {"user": OuterRef("pk")}
        licensed = Exists(DermatologistProfile.objects.verified().filter(**mine))
        second_factor = Exists(Authenticator.objects.filter(**mine))
        people = User.objects.annotate(licensed=licensed, second_factor=second_factor)
        user = people.filter(pk=user_id).first()
        if user is None or not self.user_can_authenticate(user):
            return None
        user.is_verified_dermatologist = user.role == Role.DERMATOLOGIST and user.licensed
        user.has_second_factor = user.second_factor
        return user
