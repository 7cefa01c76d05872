"""A variable's text becomes a value, or is refused with what is allowed."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from environs import ValidationError

from eventsite import env, runfile
from processing import conf
from processing.conf import addresses, reading
from processing.conf.reading import BadEnvironment, SiteEnv
from processing.postgres.checks import cut_off_noticed_after_s
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (reading.parse_flag, "1", True),
        (reading.parse_flag, "Yes", True),
        (reading.parse_flag, "off", False),
        (lambda text: reading.parse_number(text, 0, 10), "10", 10),
        (lambda text: reading.parse_number(text, 0, 10), "007", 7),
        (lambda text: reading.parse_size(text, 1, 2**30), "1048576", 2**20),
        (lambda text: reading.parse_size(text, 1, 2**30), "10 MiB", 10 * 2**20),
        (lambda text: reading.parse_size(text, 1, 2**30), "256kib", 256 * 2**10),
        (reading.parse_words, " a, b ,,c", ["a", "b", "c"]),
        (reading.parse_on_failure, "revenue=park, game=fail", {"revenue": "park", "game": "fail"}),
        (addresses.parse_topic, "events.v2_x-1", "events.v2_x-1"),
        (addresses.parse_bootstrap_servers, "one:9092, two:9093", "one:9092,two:9093"),
        (addresses.parse_bootstrap_servers, "[::1]:9092", "[::1]:9092"),
        (addresses.parse_redis, "rediss://:secret@host:6380/3", "rediss://:secret@host:6380/3"),
        (addresses.parse_redis, "unix:///run/redis.sock", "unix:///run/redis.sock"),
        (addresses.parse_redis, "rediss://h/0?ssl_cert_reqs=required", "rediss://h/0?ssl_cert_reqs=required"),
        (addresses.parse_redis, "rediss://h/0?ssl_cert_reqs=CERT_REQUIRED", "rediss://h/0?ssl_cert_reqs=required"),
        (addresses.parse_redis, "rediss://h/0?ssl_cert_reqs=CERT_NONE", "rediss://h/0?ssl_cert_reqs=none"),
        (addresses.parse_celery_broker, "rediss://h/0?ssl_cert_reqs=CERT_NONE", "rediss://h/0?ssl_cert_reqs=none"),
        (addresses.parse_celery_broker, "redis+socket:///run/r.sock?virtual_host=3", "unix:///run/r.sock?db=3"),
        (addresses.parse_celery_broker, "amqp://guest@rabbit//", "amqp://guest@rabbit//"),
        (addresses.parse_origins, "https://a.example,http://b:8000", ["https://a.example", "http://b:8000"]),
        (
            addresses.parse_browser_origins,
            "https://a.example, http://b:8000,http://[::1]:3000,capacitor://localhost",
            ["https://a.example", "http://b:8000", "http://[::1]:3000", "capacitor://localhost"],
        ),
        (addresses.parse_alert_urls, "json://a/b, json://c", ["json://a/b", "json://c"]),
        (addresses.parse_ip, "0.0.0.0", "0.0.0.0"),
    ],
)
def test_a_usable_value(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (reading.parse_flag, "maybe"),
        (reading.parse_flag, "2"),
        (lambda text: reading.parse_number(text, 0, 10), "11"),  # beyond the greatest
        (lambda text: reading.parse_number(text, 1, 10), "0"),  # below the least
        (lambda text: reading.parse_number(text, 0, 10), "-1"),
        (lambda text: reading.parse_number(text, 0, 10), "1.0"),
        (lambda text: reading.parse_number(text, 0, 10), "٣"),  # a digit, but not one of ours
        (lambda text: reading.parse_number(text, 0, 10), "1e3"),
        (lambda text: reading.parse_size(text, 1, 100), "1 GB"),
        (lambda text: reading.parse_size(text, 1, 100), "101"),
        (lambda text: reading.parse_choice(text, {"a", "b"}), "c"),
        (reading.parse_on_failure, "revenue"),
        (reading.parse_on_failure, "revenue=stop"),
        (reading.parse_on_failure, "revenue=park,revenue=fail"),
        (addresses.parse_topic, "two words"),
        (addresses.parse_topic, ".."),
        (addresses.parse_topic, "x" * 250),
        (addresses.parse_bootstrap_servers, "host"),  # no port
        (addresses.parse_bootstrap_servers, "host:0"),
        (addresses.parse_bootstrap_servers, "host:99999"),
        (addresses.parse_bootstrap_servers, "http://host:9092"),
        (addresses.parse_redis, "host:6379"),
        (addresses.parse_redis, "redis://host:port"),
        (addresses.parse_redis, "redis://host/name"),  # the database is a number
        (addresses.parse_redis, "rediss://host/0?ssl_cert_reqs=maybe"),
        (addresses.parse_redis, "rediss://host/0?ssl_cert_reqs="),
        (addresses.parse_redis, "rediss://host/0?ssl_ca_certs=/no/such/file.pem"),
        (addresses.parse_redis, "redis://host/0?no_such_option=1"),
        (addresses.parse_redis, "redis://host/0?socket_timeout=soon"),
        (addresses.parse_redis, "redis://host/0?ssl_cert_reqs=none"),  # of a connection without TLS
        (addresses.parse_celery_broker, "kafka://host"),
        (addresses.parse_celery_broker, "rediss://host/0?ssl_cert_reqs=maybe"),
        (addresses.parse_postgres, "sqlite:///file"),
        (addresses.parse_postgres, "postgres://host:port/name"),
        (addresses.parse_alert_urls, "json://a, ops@example.com"),
        (addresses.parse_origins, "example.com"),
        (addresses.parse_browser_origins, "example.com"),
        (addresses.parse_browser_origins, "*"),
        (addresses.parse_browser_origins, "null"),
        (addresses.parse_browser_origins, "https://*.example.com"),
        (addresses.parse_browser_origins, "https://a.example/"),
        (addresses.parse_browser_origins, "https://A.example"),
        (addresses.parse_browser_origins, "https://a.example:443"),
        (addresses.parse_browser_origins, "http://a.example:80"),
        (addresses.parse_browser_origins, "https://a.example b.example"),
        (addresses.parse_ip, "localhost"),
    ],
)
def test_a_value_that_cannot_be_used(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValidationError, match="allowed"):
        parse(text)


def test_a_postgres_url_becomes_a_connection_that_a_pooler_takes_and_that_notices_a_cut() -> None:
    database = addresses.parse_postgres("postgresql://me:p%40ss@db:5433/name?sslmode=require")
    members = {key: database[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")}
    assert members == {"USER": "me", "PASSWORD": "p@ss", "HOST": "db", "PORT": "5433", "NAME": "name"}
    assert database["OPTIONS"]["sslmode"] == "require"
    assert "options" not in database["OPTIONS"]
    assert cut_off_noticed_after_s({name: str(value) for name, value in database["OPTIONS"].items()}) == 25


@pytest.mark.parametrize(
    "parameters",
    [
        {},  # the system's hours
        {"keepalives_idle": "10", "keepalives_interval": "5"},
        {"keepalives_idle": "0", "keepalives_interval": "5", "keepalives_count": "3"},
        {"keepalives": "0", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3"},
    ],
)
def test_a_cut_that_nobody_notices(parameters: dict[str, str]) -> None:
    assert cut_off_noticed_after_s(parameters) is None


@pytest.mark.parametrize(
    ("url", "celerys", "address"),
    [
        ("redis://:p%40@h:6380/3", "redis://:p%40@h:6380/3", {"password": "p@", "host": "h", "port": 6380, "db": 3}),
        ("redis://h?db=2&socket_timeout=9", "redis://h", {"host": "h", "db": 2, "socket_timeout": 9.0}),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock", {"path": "/run/r.sock", "db": 3}),
        ("rediss://h/0", "rediss://h/0", {"host": "h", "db": 0, "ssl_cert_reqs": "required"}),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0", {"host": "h", "db": 0, "ssl_cert_reqs": "none"}),
        (
            "rediss://h/0?ssl_check_hostname=no",
            "rediss://h/0",
            {"host": "h", "db": 0, "ssl_check_hostname": False, "ssl_cert_reqs": "required"},
        ),
    ],
)
def test_celery_reads_a_redis_url_as_the_door_does(url: str, celerys: str, address: dict[str, Any]) -> None:
    broker = addresses.celery_broker(url)
    assert (broker["url"], broker["transport_options"]["address"]) == (celerys, address)
    assert (broker["use_ssl"] or {}).get("ssl_cert_reqs") == address.get("ssl_cert_reqs")


def test_rabbitmq_by_tls_is_verified_and_no_call_of_it_waits_for_ever() -> None:
    broker = addresses.celery_broker("amqps://me:secret@rabbit//")
    assert broker["url"] == "amqps://me:secret@rabbit//"
    assert broker["use_ssl"] == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    assert set(broker["transport_options"]) == {"read_timeout", "write_timeout"}
    assert addresses.celery_broker("amqp://rabbit//")["use_ssl"] is None


def site_env(variables: dict[str, str]) -> SiteEnv:
    return SiteEnv(variables, {**reading.PARSERS, **addresses.PARSERS})


def test_kafka_security_variables_become_librdkafkas() -> None:
    read = site_env({"KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_SECURITY_SSL_KEY_PASSWORD": "x", "KAFKA_SECURITY_X": ""})
    assert addresses.kafka_security(read) == {"security.protocol": "ssl", "ssl.key.password": "x"}
    assert read.problems() == []


def test_librdkafka_says_what_it_does_not_take() -> None:
    read = site_env({"KAFKA_SECURITY_NO_SUCH_THING": "x"})
    addresses.kafka_security(read)
    assert "no.such.thing" in read.problems()[0]


def test_all_problems_are_told_at_once() -> None:
    read = site_env({"ONE": "x", "TWO": "y", "THREE": "3"})
    assert (read.number("ONE", 7), read.flag("TWO", default=True), read.number("THREE", 0)) == (None, None, 3)
    with pytest.raises(BadEnvironment, match=r"ONE='x'.*\nTWO='y'"):
        read.finish()


def test_an_empty_value_counts_as_not_set() -> None:
    assert site_env({"ONE": " "}).number("ONE", 7) == 7


@pytest.mark.parametrize("files", [{}, {"IGNORE_ENV_FILES": "1"}])
def test_a_copy_of_the_example_and_empty_variables_set_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    """`make run` turns DEBUG on unless it is set."""
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text())
    assert env.load(tmp_path, {"DEBUG": "", "WEB_PORT": " ", **files}) == files


def test_the_environment_wins_over_a_running_stack_and_that_over_the_file(tmp_path: Path) -> None:
    run_file = tmp_path / "var" / "run.env"
    (tmp_path / ".env").write_text("A=file\nB=file\nC=file\n# D=comment\nexport E='quoted text'\n")
    with runfile.held(run_file):
        runfile.write(run_file, {"B": "stack", "C": "stack"})
        loaded = env.load(tmp_path, {"C": "environment", "A": ""})
    assert loaded == {"A": "file", "B": "stack", "C": "environment", "E": "quoted text"}


@pytest.mark.parametrize("value", ["a b # c", "'", '"x"', "it's # a \\ $HOME", "${HOME}", "#x", "a=b", "\N{SNOWMAN}"])
def test_a_stacks_file_is_read_as_it_was_written(tmp_path: Path, value: str) -> None:
    runfile.write(tmp_path / "run.env", {"A": value, "B": "b"})
    assert runfile.read(tmp_path / "run.env") == {"A": value, "B": "b"}


def test_several_problems_of_one_text_stay_one_line() -> None:
    read = site_env({"DATABASE_URL": "postgres://me:hidden@host/name?no_such_option=1", "WEB_PORT": "x"})
    read.postgres("DATABASE_URL", "")
    read.number("WEB_PORT", 1)
    told = read.problems()
    assert [line.partition("=")[0] for line in told] == ["DATABASE_URL", "WEB_PORT"]
    assert not any("\n" in line or "hidden" in line for line in told)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("REDIS_URL", "redis://:hid/den@host:6379/0"),  # unescaped, so that the port seems to be "hid"
        ("REDIS_URL", "redis://:hid@den@host:port/0"),
        ("CELERY_BROKER_URL", "amqp://me:hid?den@host//"),
        ("DATABASE_URL", "postgres://me:hid%zzden@host/name"),
        ("DATABASE_URL", "postgres://me:it's-hidden%zz@host/name"),
        ("DATABASE_URL", "postgres://host/name?password=hidden&port=x"),
        ("REDIS_URL", "redis://host:6379/x?username=me&password=hid'den"),
        ("ALERT_URLS", "json://host/path, tgrm://hidden/42"),
    ],
)
def test_a_password_is_told_in_no_part_of_a_line(name: str, text: str) -> None:
    read = site_env({name: text})
    read.alert_urls("ALERT_URLS", [])
    read.redis("REDIS_URL", "")
    read.celery_broker("CELERY_BROKER_URL", "")
    read.postgres("DATABASE_URL", "")
    (line,) = read.problems()
    assert line.startswith(f"{name}=") and "allowed " in line
    assert "hid" not in line and "den@" not in line


def test_a_projects_setting_goes_before_a_variable_also_an_empty_one() -> None:
    project = SimpleNamespace(DEBUG=True, ALERT_URLS=[], METRICS_PORT=None, RATE_LIMIT_PER_USER=5)
    variables = {"ALERT_URLS": "json://host", "METRICS_PORT": "9100", "RATE_LIMIT_PER_USER": "7", "WEB_PORT": "81"}
    conf.fill_in(project, variables)
    assert (project.ALERT_URLS, project.METRICS_PORT, project.RATE_LIMIT_PER_USER) == ([], None, 5)
    assert project.WEB_PORT == 81


def test_the_file_of_a_stack_that_was_killed_is_not_believed(tmp_path: Path) -> None:
    runfile.write(tmp_path / "run.env", {"A": "stale"})
    (tmp_path / "run.lock").touch()
    assert runfile.read_if_up(tmp_path / "run.env") == {}


def test_a_stack_keeps_a_second_one_out_and_clears_up_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "run.env"
    with runfile.held(file):
        runfile.write(file, {"SECRET_KEY": "x"})
        assert file.stat().st_mode & 0o777 == 0o600
        assert runfile.is_up(file)
        with pytest.raises(runfile.StackIsUp), runfile.held(file):
            pass
        assert file.exists()
    assert not file.exists()
    assert not runfile.is_up(file)


def test_the_settings_of_kafkas_security_are_tried_without_a_word_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """librdkafka warns of a client without servers, and of settings without effect, by lines of its own."""
    variables = {"KAFKA_SECURITY_SASL_MECHANISM": "PLAIN", "KAFKA_SECURITY_SASL_USERNAME": "u"}
    read = SiteEnv(variables, reading.PARSERS)
    assert addresses.kafka_security(read) == {"sasl.mechanism": "PLAIN", "sasl.username": "u"}
    assert read.problems() == []
    assert capfd.readouterr().err == ""
