"""Routes of patients and dermatologists."""

from django.urls import path

from diagnosis import views_patient, views_review

urlpatterns = [
    path("", views_patient.home, name="home"),
    path("model/", views_patient.release_card, name="release_card"),
    path("cases/", views_patient.case_list, name="case_list"),
    path("cases/new/", views_patient.case_create, name="case_create"),
    path("cases/<uuid:case_id>/", views_patient.case_detail, name="case_detail"),
    path("cases/<uuid:case_id>/status/", views_patient.case_status, name="case_status"),
    path("cases/<uuid:case_id>/retry/", views_patient.case_retry, name="case_retry"),
    path("cases/<uuid:case_id>/review/", views_patient.case_review_request, name="case_review_request"),
    path("cases/<uuid:case_id>/delete/", views_patient.case_delete, name="case_delete"),
    path("photos/<uuid:image_id>/", views_patient.image_file, name="image_file"),
    path("heatmaps/<int:finding_id>/", views_patient.heatmap_file, name="heatmap_file"),
    path("review/", views_review.review_queue, name="review_queue"),
    path("review/<uuid:case_id>/", views_review.review_case, name="review_case"),
]
