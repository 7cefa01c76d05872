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
        kept = kept or secrets.token_urlsafe(12)
        _keep(password_file, kept)
        model.objects.create_superuser(username=NAME, password=kept)
    elif not user.check_password(kept):
        return f"{NAME}, with the password that was set for it (manage.py changepassword {NAME} sets another)"
    return f"{NAME} / {kept}"


def _keep(file: Path, password: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(password, encoding="ascii")
