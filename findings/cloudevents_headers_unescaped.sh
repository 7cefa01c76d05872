#!/usr/bin/env bash
# CloudEvents in binary mode by HTTP: the JavaScript SDK and the Python SDK's v1 module put "grün 100%" into a header as
# it is, where the HTTP protocol binding 1.0.2 (3.1.3.2) asks for percent-encoding. Python's newer module encodes it.
#
# What is sent then depends on the HTTP client: Node's fetch and Python's requests send the ü as one byte of Latin-1, and
# refuse what Latin-1 does not have; httpx refuses the ü. So a receiver that takes headers for UTF-8, as the encoded ones
# are, cannot read them; and some servers (Granian) give no application a header that is not ASCII.
#
# Seen with cloudevents 10.0.0 (npm), cloudevents 2.2.0 (PyPI), requests 2.34.2, httpx 0.28.1.
# Exit status 0: it is still so. Not part of CI: it installs from package indexes. Needs Node.js, npm, Python 3.11.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"type": "module"}' > package.json
npm install --silent --no-audit --no-fund cloudevents@10.0.0
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cloudevents==2.2.0 requests==2.34.2 httpx==0.28.1

cat > show.mjs <<'JS'
import { createServer } from 'node:net'
import { CloudEvent, HTTP } from 'cloudevents'

const { headers, body } = HTTP.binary(new CloudEvent({ id: 'grün 100%', source: '/s', type: 't', data: {} }))
console.log('JavaScript:', headers['ce-id'])
const server = createServer((socket) => socket.once('data', (bytes) => {
  console.log('by fetch:', bytes.toString('latin1').match(/ce-id: (.*)\r/)[1] === 'grün 100%' ? 'Latin-1' : 'otherwise')
  socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')
}))
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
await fetch(`http://127.0.0.1:${server.address().port}/`, { method: 'POST', headers, body })
server.close()
JS
cat > show.py <<'PY'
import httpx
from cloudevents.core.bindings.http import to_binary_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import http as v1

attributes = {"id": "grün 100%", "source": "/s", "type": "t"}
headers, _ = v1.to_binary(v1.CloudEvent(attributes, {}))
print("Python, v1:", headers["ce-id"])
print("Python, core:", to_binary_event(CloudEvent({**attributes, "specversion": "1.0"}, {})).headers["ce-id"])
try:
    httpx.Request("POST", "http://127.0.0.1/", headers=headers)
except UnicodeEncodeError as error:
    print("by httpx:", type(error).__name__)
PY
said=$(node show.mjs && PYTHONIOENCODING=utf-8 venv/bin/python show.py)
printf '%s\n' "$said"
expected='JavaScript: grün 100%
by fetch: Latin-1
Python, v1: grün 100%
Python, core: gr%C3%BCn%20100%25
by httpx: UnicodeEncodeError'
[[ $said == "$expected" ]] || { echo "changed"; exit 1; }
