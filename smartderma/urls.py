"""All routes. tests/test_permission_matrix.py lists every name: a new one without a row there fails the tests."""

from django.contrib import admin
from django.urls import include, path

from smartderma import health

urlpatterns = [
    path("", include("diagnosis.urls")),
    path("account/", include("accounts.urls")),
    path("account/", include("allauth.urls")),
    path("find/", include("finder.urls")),
    path("reports/", include("reports.urls")),
    path("api/", include("smartderma.api_urls")),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("operator/", admin.site.urls),
]
