"""Routes of operators: releases of the model, candidates in shadow, exports for training."""

from django.urls import path

from diagnosis import views_releases, views_training

urlpatterns = [
    path("operator/releases/", views_releases.release_list, name="release_list"),
    path("operator/releases/<str:name>/check/", views_releases.release_check, name="release_check"),
    path("operator/releases/<str:name>/activate/", views_releases.release_activate, name="release_activate"),
    path("operator/releases/<str:name>/shadow/", views_releases.release_shadow, name="release_shadow"),
    path("operator/releases/<str:name>/compared/", views_releases.shadow_comparison, name="shadow_comparison"),
    path("operator/training/", views_training.training_exports, name="training_exports"),
    path("operator/training/<uuid:export_id>/file/", views_training.training_export_file, name="training_export_file"),
]
