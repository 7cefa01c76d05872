"""The first user of the admin, for a laptop: made once, its password kept where only this user can read it."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.contrib.auth import get_user_model

NAME = "admin"


def ensure_admin(password_file: Path) -> str:
    """Make the user unless it is there. Returns one line: how to log in."""
    model = get_user_model()
    user = model.objects.filter(username=NAME).first()
    kept = password_file.read_text(encoding="ascii").strip() if password_file.is_file() else ""
    if user is None:
        password = kept or secrets.token_urlsafe(12)
        told = _keep(password_file, password)
        model.objects.create_superuser(username=NAME, password=password)
        return f"{NAME} / {password}{told}"
    if not user.check_password(kept):
        return f"{NAME}, with the password that was set for it (manage.py changepassword {NAME} sets another)"
    return f"{NAME} / {kept}"


def _keep(file: Path, password: str) -> str:
    """Returns what is to be said of it, if anything."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(password, encoding="ascii")
    except OSError as error:  # a read-only root
        return f" (told this once: {error})"
    return ""
