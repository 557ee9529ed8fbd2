"""Routes of the partner API."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from diagnosis.api.analyses import AnalysisViewSet
from diagnosis.api.webhooks import WebhookDeliveryViewSet, WebhookEndpointViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("analyses", AnalysisViewSet, basename="analysis")
router.register("webhook-endpoints", WebhookEndpointViewSet, basename="webhook-endpoint")
router.register("webhook-deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")

open_to_all: dict[str, list] = {"authentication_classes": [], "permission_classes": [], "throttle_classes": []}

urlpatterns = [
    path("v1/", include(router.urls)),
    path("schema/", SpectacularAPIView.as_view(**open_to_all), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema", **open_to_all), name="docs"),
]
