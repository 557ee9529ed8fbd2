"""Routes of partner users and of signed links."""

from django.urls import path

from diagnosis import views_links, views_partner, views_webhooks

urlpatterns = [
    path("signed/<str:token>/", views_links.signed_file, name="signed_file"),
    path("partner/keys/", views_partner.partner_key_list, name="partner_key_list"),
    path("partner/keys/<uuid:key_id>/", views_partner.partner_key, name="partner_key"),
    path("partner/usage/", views_partner.partner_usage, name="partner_usage"),
    path("partner/settings/", views_partner.partner_settings, name="partner_settings"),
    path("partner/webhooks/", views_webhooks.webhook_endpoint_list, name="webhook_endpoint_list"),
    path("partner/webhooks/<uuid:endpoint_id>/", views_webhooks.webhook_endpoint, name="webhook_endpoint"),
    path(
        "partner/webhooks/messages/<uuid:delivery_id>/replay/",
        views_webhooks.webhook_delivery_replay,
        name="webhook_delivery_replay",
    ),
]
