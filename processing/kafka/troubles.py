"""What is wrong with Kafka, in one line for people.

librdkafka answers a call that a wrong password, a wrong CA or an unknown host keeps from the broker with a time-out or
a transport failure. The cause comes by `error_cb`, at a later poll of a client; it is remembered here for a while.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings

REMEMBERED_S = 40.0  # librdkafka tells what is the same as before again after 30 s
CAUSES = (  # the first tells most
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError._RESOLVE,
    KafkaError._TRANSPORT,
)
BROKEN_OFF = (  # the connection of a question that waits, or the broker's handle: when all are away, each is made anew
    KafkaError._TRANSPORT,
    KafkaError._DESTROY_BROKER,
)
UNEXPLAINED = (
    *BROKEN_OFF,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._MSG_TIMED_OUT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_COORD,
)
NO_RIGHT = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
DIFFERING = re.compile(r" \(after \d+ms in state \w+[^)]*\)")
SECRET = ("password", "secret", "oauthbearer.config", ".pem")  # parts of the names of options

_lock = Lock()
_listening = Lock()  # a client may be polled by several threads, and what one of them hears is noted before others look
_causes: dict[int, tuple[float, str]] = {}  # by code: when (time.monotonic()) it was told, and in which words


class KafkaTrouble(KafkaException):
    """A `KafkaException` whose text is one line for people."""

    def __str__(self) -> str:
        return f"Kafka: {self.args[0].str()}"


def note(error: KafkaError) -> None:
    """The `error_cb` of clients that are polled."""
    if error.code() in CAUSES:
        with _lock:
            _causes[error.code()] = time.monotonic(), _text(error)


def forget() -> None:
    """Kafka has answered."""
    with _lock:
        _causes.clear()


def cause() -> str:
    """What keeps this process from the brokers, as far as it was told lately; else empty."""
    since = time.monotonic() - REMEMBERED_S
    with _lock:
        told = [_causes[code][1] for code in CAUSES if code in _causes and _causes[code][0] > since]
    return told[0] if told else ""


@contextmanager
def explained(admin: AdminClient, **concerned: str) -> Iterator[None]:
    """A failure of the block is raised as `KafkaTrouble`, with the cause that librdkafka tells apart from it."""
    try:
        yield
    except KafkaException as error:
        _listen(admin)
        raise explain(error, **concerned) from error
    _listen(admin)  # what is told of the time before this answer is over
    forget()


def _listen(admin: AdminClient) -> None:
    with _listening:
        admin.poll(0)  # calls `note`


def explain(error: BaseException | KafkaError, **concerned: str) -> KafkaTrouble:
    """The same with its cause and what it concerns: `explain(error, topic="events")`. No secret is told."""
    if isinstance(error, KafkaTrouble):
        return error
    inner = error.args[0] if isinstance(error, KafkaException) else error
    if not isinstance(inner, KafkaError):
        inner = KafkaError(KafkaError._FAIL, str(error))  # a BufferError: the producer's queue is full
    parts = [_text(inner)]
    if inner.code() in UNEXPLAINED and (told := cause()) and told not in parts[0]:
        parts.insert(0, told)
    if inner.code() in NO_RIGHT:
        parts.append(f"the cluster's ACLs do not allow it to {_principal()}")
    about = ", ".join(f"{kind} {name}" for kind, name in concerned.items() if name)
    text = hide_secrets("; ".join(parts)) + (f" ({about})" if about else "")
    return KafkaTrouble(KafkaError(inner.code(), text, inner.fatal(), inner.retriable()))


def reason(error: BaseException | KafkaError, **concerned: str) -> str:
    """The line alone."""
    return str(explain(error, **concerned))


def hide_secrets(text: str) -> str:
    for name, value in settings.KAFKA_CLIENT_CONFIG.items():
        if value and any(part in name for part in SECRET) and not name.endswith("location"):
            text = re.sub(rf"(?<!\w){re.escape(str(value))}(?!\w)", "***", text)
    return text


def _text(error: KafkaError) -> str:
    """Without the milliseconds by which two reports of the same differ."""
    return DIFFERING.sub("", " ".join(error.str().split()))


def _principal() -> str:
    user = settings.KAFKA_CLIENT_CONFIG.get("sasl.username")
    return f"user {user}" if user else "this client"
