"""The settings of the apps, of which a project need set none.

A value is a Django setting of this name, else the environment's variable, else the default;
`fill_in` gives Django what a project left out, so that code reads `settings.X`. A value that cannot be used ends every
process at its start, see `reading`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from processing.conf import declared
from processing.conf.addresses import PARSERS as ADDRESSES
from processing.conf.addresses import SECURITY, kafka_security
from processing.conf.declared import Declared
from processing.conf.reading import PARSERS, SiteEnv

_DECLARED = {name: each for name, each in vars(declared).items() if isinstance(each, Declared)}


def reader(variables: Mapping[str, str]) -> SiteEnv:
    return SiteEnv(variables, {**PARSERS, **ADDRESSES})


def read(env: SiteEnv, *, debug: bool) -> dict[str, Any]:
    """Every setting's value, by name; `env` gathers what is wrong."""
    found = {name: _read(env, name, each, debug) for name, each in _DECLARED.items()}
    found["KAFKA_CLIENT_CONFIG"] = {"bootstrap.servers": found["KAFKA_BOOTSTRAP_SERVERS"], **kafka_security(env)}
    topics = {name: found[name] for name in ("KAFKA_EVENTS_TOPIC", "KAFKA_PRODUCT_TOPIC", "KAFKA_DLQ_TOPIC")}
    if all(topics.values()) and len(set(topics.values())) < len(topics):
        told = [f"{name}={topic!r}" for name, topic in topics.items()]
        env.refuse(f"{', '.join(told[:-1])} and {told[-1]} cannot be used together: allowed are three different topics")
    return found


def _read(env: SiteEnv, name: str, setting: Declared, debug: bool) -> Any:
    default = setting.default(debug) if callable(setting.default) else setting.default
    return getattr(env, setting.parser)(name, default, **setting.bounds) if setting.parser else default


def fill_in(settings: Any, environment: Mapping[str, str] = os.environ) -> None:
    """Give Django's settings what the project left out, and the project's own values their type. Raises
    `BadEnvironment`."""
    own = {name: getattr(settings, name) for name in dir(settings) if name in _DECLARED or name.startswith(SECURITY)}
    # also one that is empty, which is the default: a variable does not fill it
    env = reader({**environment, **{name: "" if value is None else as_text(value) for name, value in own.items()}})
    values = read(env, debug=settings.DEBUG)
    env.finish()
    for name, value in values.items():
        if _DECLARED[name].parser or name not in own:
            setattr(settings, name, value)


def as_text(value: Any) -> str:
    """A Django setting as a variable would say it."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={each}" for key, each in value.items())
    return ",".join(map(str, value)) if isinstance(value, (list, tuple, set, frozenset)) else str(value)
