from django.apps import AppConfig


class IngestConfig(AppConfig):
    name = "ingest"
    verbose_name = "Ingest"
    default_auto_field = "django.db.models.BigAutoField"
    grants = {"administrator": ("ingest.view_apikey", "ingest.add_apikey", "ingest.change_apikey")}

    def ready(self) -> None:
        from ingest import checks as checks
        from ingest.serving import start_with_first_request

        start_with_first_request()
