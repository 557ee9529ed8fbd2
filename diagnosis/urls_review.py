"""Routes of dermatologists, and of the patient's answer to them."""

from django.urls import path

from diagnosis import views_desk, views_more_photos, views_numbers, views_operator, views_review

urlpatterns = [
    path("review/", views_review.review_queue, name="review_queue"),
    path("review/views/", views_desk.saved_view_create, name="saved_view_create"),
    path("review/views/<int:view_id>/delete/", views_desk.saved_view_delete, name="saved_view_delete"),
    path("review/icd10/", views_desk.icd10_terms, name="icd10_terms"),
    path("review/notes/", views_desk.note_template_list, name="note_template_list"),
    path("review/notes/new/", views_desk.note_template_create, name="note_template_create"),
    path("review/notes/<int:template_id>/", views_desk.note_template_edit, name="note_template_edit"),
    path("review/notes/<int:template_id>/delete/", views_desk.note_template_delete, name="note_template_delete"),
    path("review/<uuid:case_id>/", views_review.review_case, name="review_case"),
    path("review/<uuid:case_id>/related/", views_review.review_related, name="review_related"),
    path("review/<uuid:case_id>/take/", views_review.review_take, name="review_take"),
    path("review/<uuid:case_id>/keep/", views_review.review_keep, name="review_keep"),
    path("review/<uuid:case_id>/release/", views_review.review_release, name="review_release"),
    path("review/<uuid:case_id>/first/", views_review.review_first_opinion, name="review_first_opinion"),
    path("review/<uuid:case_id>/new-photos/", views_review.review_photos, name="review_photos"),
    path("heatmaps/<int:finding_id>/<slug:member>/", views_review.member_map, name="member_map"),
    path("numbers/", views_numbers.numbers, name="numbers"),
    path("numbers/<slug:page>/", views_numbers.numbers, name="numbers_page"),
    path("numbers/<slug:page>/<slug:key>.csv", views_numbers.numbers_table, name="numbers_table"),
    path("operator/overview/", views_operator.operator_overview, name="operator_overview"),
    path("photos/for/<uuid:case_id>/", views_more_photos.photos_add, name="photos_add"),
]
