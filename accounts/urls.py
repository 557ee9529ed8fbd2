"""Routes under /account/, before those of allauth."""

from django.urls import path

from accounts import views, views_licence, views_own_data

urlpatterns = [
    path("", views.my_data, name="my_data"),
    path("language/", views.language_choose, name="set_language"),
    path("consent/", views.consent_edit, name="consent_edit"),
    path("licence/", views_licence.licence, name="licence_apply"),
    path("licence/<int:profile_id>/", views_licence.licence_document, name="licence_document"),
    path("data/", views_own_data.data_export, name="data_export"),
    path("data/new/", views_own_data.data_export_create, name="data_export_create"),
    path("data/<uuid:export_id>/", views_own_data.data_export_file, name="data_export_file"),
    path("access/", views_own_data.access_log, name="access_log"),
    path("leave/", views_own_data.account_delete, name="account_delete"),
    path("erased/<uuid:certificate_id>/", views_own_data.erasure_certificate, name="erasure_certificate"),
]
