"""Make ready what the processes stand on: tables, topics, static files and, for development, a login for the admin."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from eventsite.admin_login import ensure_admin
from processing.kafka.clients import ensure_topics
from processing.kafka.cluster import warn_of_unsafe_topics


class Command(BaseCommand):
    help = "Run the migrations, make the topics, collect the static files; with DEBUG or --admin, make an admin user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--admin", action="store_true", help="make the admin user even with DEBUG off")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0, stdout=self.stdout)
        topics = [settings.KAFKA_EVENTS_TOPIC, settings.KAFKA_PRODUCT_TOPIC, settings.KAFKA_DLQ_TOPIC]
        ensure_topics(topics)
        warn_of_unsafe_topics(topics)
        self._collect_static_files()
        if settings.DEBUG or options["admin"]:
            login = ensure_admin(settings.VAR_DIR / "admin.password")
            self.stdout.write(f"Admin login: {login}")

    def _collect_static_files(self) -> None:
        """Nothing is written where they are there already, as in an image whose root is read-only."""
        try:
            call_command("collectstatic", interactive=False, verbosity=0, stdout=self.stdout)
        except OSError as error:
            raise CommandError(
                f"the static files cannot be collected: {error}. Run `manage.py collectstatic` before the root becomes "
                f"read-only, or make {settings.STATIC_ROOT} writable. Tables and topics are ready."
            ) from error
