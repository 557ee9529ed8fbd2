"""Routes under /account/, before those of allauth."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.my_data, name="my_data"),
    path("language/", views.language_choose, name="set_language"),
    path("consent/", views.consent_edit, name="consent_edit"),
]
