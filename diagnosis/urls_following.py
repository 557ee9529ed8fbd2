"""Routes of what comes after a check: history, spots over time, messages, e-mails."""

from django.urls import path

from diagnosis import views_history, views_lesions, views_messages, views_notices

urlpatterns = [
    path("cases/", views_history.case_list, name="case_list"),
    path("cases/<uuid:case_id>/spot/", views_lesions.case_file, name="case_file"),
    path("cases/<uuid:case_id>/spot/none/", views_lesions.case_unfile, name="case_unfile"),
    path("spots/", views_lesions.lesion_list, name="lesion_list"),
    path("spots/<uuid:lesion_id>/", views_lesions.lesion_detail, name="lesion_detail"),
    path("spots/<uuid:lesion_id>/name/", views_lesions.lesion_rename, name="lesion_rename"),
    path("spots/<uuid:lesion_id>/delete/", views_lesions.lesion_delete, name="lesion_delete"),
    path("spots/<uuid:lesion_id>/compare/", views_lesions.lesion_compare, name="lesion_compare"),
    path("spots/<uuid:lesion_id>/notes/", views_lesions.note_create, name="note_create"),
    path("spots/<uuid:lesion_id>/notes/<int:note_id>/delete/", views_lesions.note_delete, name="note_delete"),
    path("spots/<uuid:lesion_id>/reminder/", views_lesions.reminder_set, name="reminder_set"),
    path("spots/<uuid:lesion_id>/reminder/stop/", views_lesions.reminder_stop, name="reminder_stop"),
    path("messages/", views_messages.message_inbox, name="message_inbox"),
    path("messages/<uuid:case_id>/", views_messages.message_list, name="message_list"),
    path("messages/photos/<uuid:attachment_id>/", views_messages.attachment_file, name="attachment_file"),
    path("e-mails/", views_notices.notice_settings, name="notice_settings"),
    path("stop/<str:token>/", views_notices.mail_stop, name="mail_stop"),
]
