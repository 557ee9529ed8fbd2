from django.urls import path

from reports import views

urlpatterns = [
    path("case/<uuid:case_id>/", views.report_create, name="report_create"),
    path("<uuid:report_id>/", views.report_download, name="report_download"),
    path("verify/", views.report_verify, name="report_verify"),
    path("verify/<str:code>/", views.report_verify, name="report_verify"),
]
