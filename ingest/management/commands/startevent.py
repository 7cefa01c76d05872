"""`manage.py startevent`: a new kind of event in an app of the project, as one file, and its test."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch, reverse

from ingest.families.starting import FORMS, add_imports, declaration_text, head_text, test_text, type_of


class Command(BaseCommand):
    help = "Writes an event type into an app's events.py, and its test: startevent shop.OrderPlaced"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("event", metavar="APP.Name", help="such as shop.OrderPlaced, whose type is order.placed")
        parser.add_argument("--payload", choices=list(FORMS), default="msgspec", help="what declares it (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        label, _, name = options["event"].rpartition(".")
        app = _app(label)
        if not name.isidentifier() or not name[0].isupper():
            raise CommandError(f"{name!r} is no name of a class: take one such as {label}.OrderPlaced")
        folder = Path(app.path)
        self._declare(folder / "events.py", name, options["payload"])
        self._test(folder, app, name, options["payload"])
        address = f"{_prefix()}{label}/{type_of(name)}"
        self.stdout.write(f'its address: POST {address}, such as {{"userId": "u-1", "reference": "A 7"}}')

    def _declare(self, file: Path, name: str, form: str) -> None:
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        if f"class {name}(" in before:
            raise CommandError(f"{file} has a {name} already")
        try:
            head = add_imports(before, form) if before.strip() else head_text(form)
        except (SyntaxError, ValueError) as error:
            raise CommandError(f"{file}: {error}") from error
        file.write_text(f"{head}{declaration_text(name, form)}", encoding="utf-8")
        self.stdout.write(f"{file}: {'added to' if before else 'written'}")

    def _test(self, folder: Path, app: AppConfig, name: str, form: str) -> None:
        name_of_file = f"test_{type_of(name).replace('.', '_')}.py"
        file = (folder / "tests" if (folder / "tests").is_dir() else folder) / name_of_file
        if file.exists():
            raise CommandError(f"{file} is there already, and stays as it is")
        other = settings.EVENTS_DATABASE != "default"
        file.write_text(test_text(name, form, f"{app.name}.events", other_database=other), encoding="utf-8")
        self.stdout.write(f"{file}: written")


def _app(label: str) -> AppConfig:
    try:
        return apps.get_app_config(label)
    except LookupError as error:
        raise CommandError(f"no app of INSTALLED_APPS is called {label!r}: startapp makes one") from error


def _prefix() -> str:
    try:
        return reverse("ingest:event", args=["."]).removesuffix("events/.")
    except NoReverseMatch:
        return "/"
