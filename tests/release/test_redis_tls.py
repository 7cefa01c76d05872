"""Redis by TLS: the door and Celery trust the same servers, and refuse the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.conftest import MakeStack
from tests.pipeline.load import Sent
from tests.pipeline.oracle import Expected, settle_and_check
from tests.pipeline.processes import wait_until
from tests.pipeline.test_lost_messages import ask, is_up
from tests.release.debian import DebianRedis, needs

pytestmark = [
    pytest.mark.pipeline,
    needs("redis-server", "redis-server"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl"),
]


@pytest.fixture
def redis_by_tls(tmp_path: Path) -> Iterator[DebianRedis]:
    """With a certificate that it signed itself."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    with DebianRedis(tmp_path / "redis", certificate, key) as service:
        yield service


@pytest.mark.parametrize("spelling", ["", "&ssl_cert_reqs=required", "&ssl_cert_reqs=CERT_REQUIRED"])
def test_a_certificate_of_a_known_authority_is_accepted(
    redis_by_tls: DebianRedis, make_stack: MakeStack, database: str, spelling: str
) -> None:
    url = f"{redis_by_tls.address}?ssl_ca_certs={redis_by_tls.certificate}"
    stack = make_stack(database, REDIS_URL=f"{url}{spelling}")
    for name in ("consumer", "worker", "beat"):
        stack.start(name)
    sent = [Sent(f"e-{n}", f"u-{n}", fail=True) for n in range(10)]
    places = stack.produce(event.record() for event in sent)
    stack.redis = stack.redis.from_url(url, decode_responses=True)
    settle_and_check(stack, Expected(sent, places))


@pytest.mark.parametrize("spelling", ["", "?ssl_cert_reqs=required", "?ssl_cert_reqs=CERT_REQUIRED"])
def test_a_certificate_of_nobody_is_refused_by_the_door_and_by_celery(
    redis_by_tls: DebianRedis, make_stack: MakeStack, database: str, spelling: str
) -> None:
    stack = make_stack(database, REDIS_URL=f"{redis_by_tls.address}{spelling}")
    web, worker, beat = stack.start("web"), stack.start("worker"), stack.start("beat")
    stack.wait_until(lambda: is_up(stack), "the web server is up")
    with pytest.raises(OSError, match="503"):
        ask(stack, "/events", {"userId": "u", "type": "t"})
    for process in (worker, beat):
        stack.wait_until(lambda its=process: "CERTIFICATE_VERIFY_FAILED" in its.output(), "it is refused")  # type: ignore[misc]
    assert web.is_running()


def test_a_broker_by_amqps_is_verified_too(redis_by_tls: DebianRedis, make_stack: MakeStack, database: str) -> None:
    """The handshake comes before anything that would tell what kind of server this is."""
    worker = make_stack(database, CELERY_BROKER_URL=f"amqps://127.0.0.1:{redis_by_tls.port}//").start("worker")
    wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in worker.output(), 60, "it is refused")
