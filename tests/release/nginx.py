"""Debian's nginx in front of the web server, as `docs/operations.md` has it set up."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from eventsite.local.services.service import Service
from tests.paths import ROOT

PROGRAM = Path("/usr/sbin/nginx")
AROUND = """\
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {documented}
}}
"""


class Nginx(Service):
    name = "nginx"
    variable = ""  # the site knows nothing of it
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, web_port: int, certificate: Path) -> None:
        """`certificate`: with its key, in one file."""
        super().__init__(folder)
        self.web_port = web_port
        self.certificate = certificate

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        config = documented_config()
        own = {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{self.web_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/ssl/certs/events.example.com.pem": str(self.certificate),
            "/etc/ssl/private/events.example.com.key": str(self.certificate),
        }
        for theirs, ours in own.items():
            assert config.count(theirs) == 1, theirs
            config = config.replace(theirs, ours)
        file = self.folder / "nginx.conf"
        file.write_text(AROUND.format(folder=self.folder, documented=config), encoding="utf-8")
        return [str(PROGRAM), "-e", "stderr", "-c", str(file)]


def documented_config() -> str:
    """What the docs recommend."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (config,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    return str(config)
