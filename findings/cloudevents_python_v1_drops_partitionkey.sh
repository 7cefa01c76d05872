#!/usr/bin/env bash
# cloudevents 2.2.0 (Python): cloudevents.v1.kafka.to_binary sends no `ce_partitionkey`, and to_structured no content
# type of a CloudEvent.
#
# The Kafka binding 1.0.2 has the partitionkey in the message's key as well as in the event; here a receiver that reads
# attributes from headers finds none, and has to take the key for it. And a structured event comes with the content type
# of its data, so a receiver that goes by the content type takes the whole event for data.
#
# Seen on Python 3.11: headers without ce_partitionkey; content-type application/json on a structured event. The newer
# cloudevents.core of the same package does both. Exit status 0: it is still so. Not part of CI: it installs from the
# package index.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cloudevents==2.2.0
"$folder/venv/bin/python" - <<'PYTHON'
from cloudevents.core.bindings import kafka as core
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as v1
from cloudevents.v1.http import CloudEvent as CloudEventV1

attributes = {"type": "t", "source": "/s", "partitionkey": "u-1", "datacontenttype": "application/json"}
event, old = CloudEvent(dict(attributes), {"a": 1}), CloudEventV1(dict(attributes), {"a": 1})
binary, structured = v1.to_binary(old), v1.to_structured(old)
print("v1 binary:", sorted(binary.headers), "key", binary.key)
print("v1 structured:", structured.headers["content-type"], structured.value[:40])
assert "ce_partitionkey" not in binary.headers and binary.key == "u-1", "changed: the partitionkey is sent"
assert structured.headers["content-type"] == b"application/json", "changed: the content type tells the mode"
assert core.to_binary_event(event).headers["ce_partitionkey"] == b"u-1"
assert core.to_structured_event(event).headers["content-type"] == b"application/cloudevents+json"
PYTHON
