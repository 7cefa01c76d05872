"""Runs a command, and says every few seconds that it goes on: `python .ci/patient.py WHAT COMMAND…`.

Its own output is kept, and shown when it fails. Needs nothing but Python.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

EVERY_S = 5.0


def main() -> int:
    what, *command = sys.argv[1:]
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    status = child.wait(EVERY_S)
                    break
                except subprocess.TimeoutExpired:
                    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
        except KeyboardInterrupt:
            child.wait()
            return 130
        if status:
            output.seek(0)
            sys.stderr.buffer.write(output.read())
    print(f"{what}: {'done' if status == 0 else 'failed'} after {time.monotonic() - began:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
