#!/usr/bin/env bash
# cloudevents 2.2.0 (Python), module v1: `kafka.to_binary` ends in a KeyError for an event without datacontenttype.
#
# The attribute is optional in CloudEvents 1.0, and `http.to_binary` of the same module takes the event. What helps: set
# datacontenttype, or use `cloudevents.core.bindings.kafka`. That one writes an empty value for an event without data,
# where a null one would be a tombstone; it is to be read as an event without data too.
#
# Exit status 0: it is still so. Not part of CI: it installs from the package index. Needs Python 3.11.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cloudevents==2.2.0

said=$(venv/bin/python - <<'PY'
from cloudevents.core.bindings.kafka import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import http, kafka

attributes = {"id": "1", "source": "/s", "type": "t"}
event = http.CloudEvent(attributes, {"a": 1})
print("http:", http.to_binary(event)[1])
try:
    print("kafka:", kafka.to_binary(event).value)
except KeyError as error:
    print("kafka: KeyError", error)
print("core, no data:", to_binary_event(CloudEvent({**attributes, "specversion": "1.0"})).value)
PY
)
printf '%s\n' "$said"
expected="http: b'{\"a\": 1}'
kafka: KeyError 'datacontenttype'
core, no data: b''"
[[ $said == "$expected" ]] || { echo "changed"; exit 1; }
