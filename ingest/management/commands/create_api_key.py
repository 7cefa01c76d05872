from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ingest.api_keys.create import KeyExists, create_api_key


class Command(BaseCommand):
    help = "Makes an API key and prints it, once: only its hash is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="whose key it is")
        parser.add_argument("--secret", help="a key that clients already have, to be taken instead of a new one")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["name"].strip():
            raise CommandError("the name is blank: say whose key it is")
        if options["secret"] is not None and options["secret"] != options["secret"].strip(" \t\r\n"):
            raise CommandError("the secret begins or ends with white space, which no header can carry")
        if options["secret"] == "":
            raise CommandError("the secret is empty")
        try:
            self.stdout.write(create_api_key(options["name"], options["secret"]))
        except KeyExists as error:
            raise CommandError(str(error)) from error
