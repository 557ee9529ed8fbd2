"""Routes of patients and dermatologists."""

from django.urls import include, path

from diagnosis import views_app, views_intake, views_patient, views_uploads

urlpatterns = [
    path("", views_patient.home, name="home"),
    path("model/", views_patient.release_card, name="release_card"),
    path("", include("diagnosis.urls_following")),
    path("cases/new/", views_intake.case_create, name="case_create"),
    path("cases/new/photos/<uuid:photo_id>/", views_intake.intake_photo, name="intake_photo"),
    path("cases/new/photos/<uuid:photo_id>/file/", views_intake.intake_photo_file, name="intake_photo_file"),
    path("worker.js", views_app.app_worker, name="app_worker"),
    path("app/<slug:language>/manifest.webmanifest", views_app.app_manifest, name="app_manifest"),
    path("app/<slug:language>/offline/", views_app.app_offline, name="app_offline"),
    path("uploads/", views_uploads.upload_create, name="upload_create"),
    path("uploads/<uuid:upload_id>/", views_uploads.upload_detail, name="upload_detail"),
    path("uploads/<uuid:upload_id>/photo/", views_uploads.upload_photo, name="upload_photo"),
    path("cases/<uuid:case_id>/", views_patient.case_detail, name="case_detail"),
    path("cases/<uuid:case_id>/status/", views_patient.case_status, name="case_status"),
    path("cases/<uuid:case_id>/retry/", views_patient.case_retry, name="case_retry"),
    path("cases/<uuid:case_id>/review/", views_patient.case_review_request, name="case_review_request"),
    path("cases/<uuid:case_id>/delete/", views_patient.case_delete, name="case_delete"),
    path("photos/<uuid:image_id>/", views_patient.image_file, name="image_file"),
    path("heatmaps/<int:finding_id>/", views_patient.heatmap_file, name="heatmap_file"),
    path("", include("diagnosis.urls_review")),
    path("", include("diagnosis.urls_partner")),
    path("", include("diagnosis.urls_operator")),
]
