"""What the programs `values` in interop/ wrote: the text of each value, by language and value."""

from __future__ import annotations

from tests.paths import DATA

_LINES = (
    line.split("\t")
    for line in (DATA / "serializers.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)
WRITTEN = {(language, value): text for language, value, text in _LINES}

# those that tell a time which can mean nothing else, in Unix ms
TIMES = {
    ("go", "time"): 1_767_225_599_999,  # cut, not 2026
    ("go", "time in a zone"): 1_759_930_200_000,
    ("go", "float"): 1_759_937_422_457,
    ("go", "protojson timestamp"): 1_767_225_599_999,
    ("java", "jackson instant as text"): 1_767_225_599_999,
    ("java", "jackson zoned with its zone"): 1_759_937_422_456,
    ("java", "OffsetDateTime.toString at a full minute"): 1_759_937_400_000,
    ("java", "ZonedDateTime.toString"): 1_759_937_422_456,
    ("java", "Instant.toString"): 1_767_225_599_999,
    ("java", "jackson date"): 1_759_937_422_456,
    ("java", "jackson 3 instant"): 1_759_937_422_456,
    ("java", "jackson 3 zoned"): 1_759_937_422_456,
    ("java", "pattern with X"): 1_759_937_422_456,
    ("java", "gson double"): 1_759_937_422_456,
    ("java", "moshi double"): 1_759_937_422_456,
    ("node", "date"): 1_759_937_422_457,
    ("node", "integer"): 1_759_937_422_457,
    ("php", "atom"): 1_759_930_222_000,
    ("php", "rfc3339 extended"): 1_759_937_422_456,
    ("python", "float"): 1_759_937_422_457,
    ("python", "isoformat"): 1_759_930_200_000,
    ("python", "isoformat to the minute"): 1_759_930_200_000,
    ("python", "str of a time"): 1_759_930_200_000,
    ("python", "basic"): 1_759_930_200_000,
    ("python", "protobuf double"): 1_759_937_422_457,
    ("python", "orjson"): 1_759_930_200_000,
    ("python", "msgspec"): 1_759_930_200_000,
    ("ruby", "float"): 1_759_937_422_457,
    ("ruby", "iso8601"): 1_759_937_422_000,
    ("ruby", "iso8601 in ns"): 1_759_930_222_456,
    ("rust", "float"): 1_759_937_422_457,
    ("rust", "chrono"): 1_767_225_599_999,
    ("rust", "chrono leap second"): 1_483_228_799_999,
    ("rust", "jiff zoned"): 1_759_930_222_456,
}
