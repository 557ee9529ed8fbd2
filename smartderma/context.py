"""Template context that every page needs."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """Demo log-ins are offered only where the demo accounts exist."""
    return {"demo_accounts": settings.DEMO_ACCOUNTS and settings.DEBUG}
