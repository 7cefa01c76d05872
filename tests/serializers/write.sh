#!/usr/bin/env bash
# Writes tests/data/serializers.tsv anew, what mainstream serializers make of the same few values: language, value, text.
#
# Needs go, cargo, java and mvn, node, php, ruby, and a python (PYTHON=) with orjson, msgspec and pydantic. Lines of a
# language that is not there stay as they are; its versions stand at the top of the file, to be changed by hand.
set -euo pipefail
cd "$(dirname "$0")"
data=$(realpath ../data/serializers.tsv)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

by_go() { (cd go && go run .); }
by_java() {
  (cd java && mvn -q -B dependency:copy-dependencies -DoutputDirectory="$folder/libs") >&2
  java -cp "$folder/libs/*" java/Main.java
}
by_node() { node node/main.mjs; }
by_php() { php php.php; }
by_python() { "${PYTHON:-python3}" python.py; }
by_ruby() { ruby ruby.rb; }
by_rust() { (cd rust && CARGO_TARGET_DIR="$folder/rust" cargo run --quiet); }

{
  grep '^#' "$data"
  for language in go java node php python ruby rust; do
    if ("by_$language") > "$folder/lines"; then
      sed "s/^/$language\t/" "$folder/lines"
    else
      echo "$language: kept as it was" >&2
      grep "^$language	" "$data"
    fi
  done
} > "$folder/new"
mv "$folder/new" "$data"
