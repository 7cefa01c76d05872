"""How values look on the operator's pages: always as text, so nothing that a caller sent becomes markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from processing.admin.charts import duration

TEXT_MAX_CHARS = 64_000
RAW_MAX_BYTES = 16_000
HOVER_CHARS = 1_000
LINE_CHARS = 120
NOTHING = "-"
TONES = {
    "processed": "good",
    "done": "good",
    "resolved": "good",
    "held": "wait",
    "retrying": "wait",
    "waiting": "wait",
    "failed": "bad",
    "open": "bad",
}

_encode = msgspec.json.Encoder(decimal_format="number").encode  # numbers with all their digits


def utc(moment: datetime | None) -> str:
    return NOTHING if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03} UTC"


def when(moment: datetime | None) -> SafeString | str:
    """A time that lists show short (the style sheet takes `data-short` there), and in full to whoever points at it."""
    if moment is None:
        return NOTHING
    now = timezone.now()
    short = f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%d %b %H:%M}"
    if moment.year != now.year:
        short = f"{moment:%d %b %Y}"
    return format_html('<time class="when" data-short="{}" title="{}">{}</time>', short, utc(moment), utc(moment))


def age(moment: datetime | None) -> SafeString | str:
    """As `when`, but short it is how long ago."""
    if moment is None:
        return NOTHING
    ago_ms = max(1.0, (timezone.now() - moment).total_seconds()) * 1000
    full = utc(moment)
    return format_html('<time class="when" data-short="{}" title="{}">{}</time>', duration(ago_ms), full, full)


def cut(text: str | None, width: str = "medium") -> SafeString | str:
    """One line of a list, as wide as there is room (narrow, medium, wide); all of it to whoever points at it."""
    if not text:
        return NOTHING
    return format_html('<span class="cut {}" title="{}">{}</span>', width, text[:HOVER_CHARS], text[:LINE_CHARS])


def pill(word: str, tone: str) -> SafeString:
    """`tone`: good, bad, wait or quiet."""
    return format_html('<span class="pill {}">{}</span>', tone, word)


def status(word: str) -> SafeString:
    return pill(word, TONES.get(word, "quiet"))


def folded(summary: str, text: str) -> SafeString:
    return format_html("<details><summary>{}</summary>{}</details>", summary, preformatted(text, TEXT_MAX_CHARS))


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> SafeString:
    """A small table of an object's page."""
    titles = format_html_join("", "<th>{}</th>", ((each,) for each in head))
    lines = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    return format_html('<table class="facts"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>', titles, lines)


def change_url(model: type[Model], pk: object) -> str:
    """An object's page. Ids are text of any kind: slashes, quotes and line breaks go through the URL safely."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return reverse(name, args=[quote(str(pk))])


def link(model: type[Model], pk: object, text: str | None = None) -> SafeString:
    return format_html('<a href="{}">{}</a>', change_url(model, pk), str(pk) if text is None else text)


def list_link(model: type[Model], text: str, **parameters: str) -> SafeString:
    """A link to a model's list, filtered or searched (`q`)."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(parameters), text)


def json_text(text: str | None) -> SafeString | str:
    """JSON with each member on a line of its own; a text that is no JSON stays as it is."""
    if text is None:
        return NOTHING
    try:
        return preformatted(msgspec.json.format(text, indent=2), TEXT_MAX_CHARS)
    except (msgspec.DecodeError, RecursionError):
        return preformatted(text, TEXT_MAX_CHARS)


def json_value(value: object) -> SafeString:
    return preformatted(msgspec.json.format(_encode(value), indent=2).decode(), TEXT_MAX_CHARS)


def raw_bytes(value: bytes | memoryview | None) -> SafeString | str:
    """Bytes as text; bytes that are not UTF-8 as escapes."""
    if value is None:
        return NOTHING
    data = bytes(value)
    text = data[:RAW_MAX_BYTES].decode("utf-8", "backslashreplace")
    if len(data) > RAW_MAX_BYTES:
        text += f"\n… {len(data)} bytes in all"
    return preformatted(text, 4 * RAW_MAX_BYTES)


def headers(found: Sequence[tuple[str, bytes | None]] | None) -> SafeString | str:
    """A line for each."""
    if found is None:
        return NOTHING
    lines = (f"{name}: {(value or b'').decode('utf-8', 'backslashreplace')}" for name, value in found)
    return preformatted("\n".join(lines), TEXT_MAX_CHARS)


def preformatted(text: str, longest: int) -> SafeString:
    if len(text) > longest:
        text = f"{text[:longest]}\n… {len(text)} characters in all"
    return format_html('<pre class="text">{}</pre>', text)
