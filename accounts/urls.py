"""Routes under /account/, before those of allauth."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.my_data, name="my_data"),
    path("consent/", views.consent_edit, name="consent_edit"),
]
