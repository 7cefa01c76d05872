"""A broker that fails costs the consumer little: it is left alone for a while, and the sweeper finds the events."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from celery import Celery
from celery._state import get_current_app

from processing.engine import enqueue


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Connections to a broker that closes each at once."""
    seen: list[object] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        while True:
            try:
                client, address = listener.accept()
            except OSError:  # closed
                return
            seen.append(address)
            client.close()

    thread = threading.Thread(target=refuse, daemon=True)
    thread.start()
    ours = get_current_app()
    app = Celery("other", broker=f"amqp://127.0.0.1:{listener.getsockname()[1]}//")
    app.conf.task_publish_retry = False
    app.set_current()
    monkeypatch.setattr(enqueue, "_leave_alone_until", 0.0)
    yield seen
    ours.set_current()
    app.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_broker_that_failed_is_left_alone_for_a_while(refused: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue.enqueue_now(["a"])
    asked = len(refused)
    assert asked
    enqueue.enqueue_retries([("b", 100), ("c", 5_000)])
    assert len(refused) == asked
    monkeypatch.setattr(enqueue, "_leave_alone_until", 0.0)
    enqueue.enqueue_now(["d"])
    assert len(refused) > asked
