"""The request of a signed-in person, for type checkers: what our middleware and decorators guarantee."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class PersonRequest(HttpRequest):
    """Behind `login_required`; `htmx` comes from django-htmx."""

    user: User
    htmx: HtmxDetails
