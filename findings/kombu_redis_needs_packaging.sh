#!/usr/bin/env bash
# kombu 5.7.0 beside redis 8.1.0, both installed by name: the Redis transport cannot be imported.
#
# The transport compares versions by `packaging`, which kombu requires in the extra `kombu[redis]` only. Where something
# else brings packaging (pytest, as a rule), nothing shows; an image without development tools has a worker that ends
# at once, and a publisher that fails at its first message.
#
# Seen on Python 3.11: ModuleNotFoundError: No module named 'packaging'. With `kombu[redis]` the import succeeds.
# Exit status 0: it is still so. Not part of CI: it installs from the package index.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/bare"
"$folder/bare/bin/pip" install --quiet --disable-pip-version-check kombu==5.7.0 redis==8.1.0
if "$folder/bare/bin/python" -c 'import packaging' 2>/dev/null; then
  echo "changed: packaging came along"
  exit 1
fi
said=$("$folder/bare/bin/python" -c 'import kombu.transport.redis' 2>&1 || true)
printf '%s\n' "kombu and redis by name: ${said##*$'\n'}"
[[ $said == *"No module named 'packaging'"* ]] || { echo "changed: the transport needs no packaging any more"; exit 1; }

"$folder/bare/bin/pip" install --quiet --disable-pip-version-check 'kombu[redis]==5.7.0'
"$folder/bare/bin/python" -c 'import kombu.transport.redis' || { echo "changed: kombu[redis] does not help"; exit 1; }
echo "kombu[redis]: imported"
