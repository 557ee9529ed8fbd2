"""Routes of the partner API."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from diagnosis.api.analyses import AnalysisViewSet
from diagnosis.api.batches import BatchViewSet
from diagnosis.api.cases import CaseViewSet
from diagnosis.api.finder import FinderViewSet
from diagnosis.api.images import ImageViewSet
from diagnosis.api.releases import ReleaseViewSet
from diagnosis.api.reports import AnalysisReportViewSet, ReportViewSet
from diagnosis.api.reviews import ReviewViewSet
from diagnosis.api.sandbox import SandboxPhotoViewSet
from diagnosis.api.usage import UsageViewSet
from diagnosis.api.webhooks import WebhookDeliveryViewSet, WebhookEndpointViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("analyses", AnalysisViewSet, basename="analysis")
router.register("cases", CaseViewSet, basename="case")
router.register("images", ImageViewSet, basename="image")
router.register("reviews", ReviewViewSet, basename="review")
router.register("reports", ReportViewSet, basename="report")
router.register("releases", ReleaseViewSet, basename="release")
router.register("usage", UsageViewSet, basename="usage")
router.register("finder", FinderViewSet, basename="finder")
router.register("batches", BatchViewSet, basename="batch")
router.register("sandbox/photos", SandboxPhotoViewSet, basename="sandbox-photo")
router.register("webhook-endpoints", WebhookEndpointViewSet, basename="webhook-endpoint")
router.register("webhook-deliveries", WebhookDeliveryViewSet, basename="webhook-delivery")

open_to_all: dict[str, list] = {"authentication_classes": [], "permission_classes": [], "throttle_classes": []}

urlpatterns = [
    path("v1/", include(router.urls)),
    path("v1/analyses/<uuid:pk>/report", AnalysisReportViewSet.as_view({"get": "retrieve"}), name="analysis-report"),
    path("schema/", SpectacularAPIView.as_view(**open_to_all), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema", **open_to_all), name="docs"),
]
