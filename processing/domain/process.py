"""What this process is called in rows and pages: `consumer on host-1, process 4711`."""

from __future__ import annotations

import os
import socket

_role = "command"


def take_role(role: str) -> None:
    """Of this process and those that it forks: consumer, worker, web …"""
    global _role
    _role = role


def process_name() -> str:
    return f"{_role} on {socket.gethostname()}, process {os.getpid()}"
