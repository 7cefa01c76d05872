"""Where each path leads."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from eventsite.views import home
from ingest.http.asyncapi import asyncapi
from ingest.http.problems import get_only, not_found
from ingest.urls import unknown_path
from processing.admin.first_page import first_page
from processing.admin.live import live

admin.site.final_catch_all_view = False  # an unknown path below it is unknown too

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("ingest.urls")),  # the first: they are asked for most
    path("", include("revenue.urls")),
    path("", get_only(home)),
    path("admin", get_only(RedirectView.as_view(pattern_name="admin:index"))),
    path("admin/search/", not_found),  # unfold's palette, which is not shown here: it would keep results in Redis
    path("admin/", get_only(admin.site.admin_view(first_page))),
    path("admin/live/", get_only(admin.site.admin_view(live)), name="live"),
    path("admin/", admin.site.urls),
    path("schema", get_only(SpectacularJSONAPIView.as_view()), name="schema"),
    path("asyncapi", get_only(asyncapi)),
    path("docs", get_only(SpectacularSwaggerView.as_view(url_name="schema")), name="docs"),
    path("docs/", get_only(RedirectView.as_view(pattern_name="docs"))),
    unknown_path,
]

# where no view is reached, or one outside of the API fails
handler400 = "ingest.http.problems.bad_request"
handler404 = "ingest.http.problems.not_found"
handler500 = "ingest.http.problems.server_error"
