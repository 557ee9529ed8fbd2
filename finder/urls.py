from django.urls import path

from finder import views

urlpatterns = [
    path("", views.finder_search, name="finder_search"),
    path("results", views.finder_results, name="finder_results"),
    path("place/<str:place_id>", views.finder_place, name="finder_place"),
]
