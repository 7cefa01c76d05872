"""`make interop`: run every language's programs against the pipeline, and say who was understood.

Ends with status 1 if anything came out otherwise than expected. What a language's program needs and this machine does
not have is named; the others run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from bench.environments import ProgramFailed
from bench.services import services
from interop import keys, report, snippets, values
from interop.environments import LANGUAGES, Language
from interop.expected import judge
from interop.pipeline import addresses, pipeline, stored_events
from tests.pipeline.log import Record
from tests.pipeline.stack import Stack

SENDING = ("events", "cloudevents")


def main() -> None:
    options = _options()
    failures: list[str] = []
    ready = list(_prepared([each for each in LANGUAGES if each.name in options.language], failures))
    failures += values.differences(ready, write=options.write)
    if not options.write:
        failures += _all(ready)
    if failures:
        sys.exit("\n".join(["", f"{len(failures)} came out otherwise than expected:", *failures]))


def _all(ready: Sequence[Language]) -> list[str]:
    """What came out otherwise than expected, of the pipeline's part."""
    with services(embedded_broker=False) as up:
        if not up.real_kafka:
            sys.exit("make interop needs a real Kafka: install java and mvn")
        with pipeline(up) as stack:
            return [*_events(stack, ready), *_snippets(stack, ready), *_keys(stack, ready)]


def _prepared(languages: Iterable[Language], failures: list[str]) -> Iterable[Language]:
    for language in languages:
        if missing := language.missing():
            print(f"{language.name}: not run, it needs {' and '.join(dict.fromkeys(missing))}", flush=True)
            continue
        _say(f"{language.name} gets ready")
        try:
            language.prepare()
            yield language
        except ProgramFailed as error:
            failures.append(str(error))


def _events(stack: Stack, languages: Iterable[Language]) -> list[str]:
    """Send all events, judge what became of them, print it. Returns what was not expected."""
    output, failures = _run_all(stack, languages, SENDING)
    versions, sent, carried = report.read(output)
    stack.produce(Record(each.name.encode(), each.text.encode()) for each in carried)
    stored = stored_events(stack)
    outcomes = [(each, judge(each, stored.get(each.name))) for each in [*sent, *carried]]
    print(report.table(outcomes, versions), report.summary(outcomes, versions), sep="\n\n", flush=True)
    return failures + [f"{each.name}: {outcome.text}" for each, outcome in outcomes if not outcome.expected]


def _snippets(stack: Stack, languages: Iterable[Language]) -> list[str]:
    by_name = {language.name: language for language in languages}
    _say("the snippets of docs/producers.md")
    snippets.send_one_by_the_door(stack)
    return [failure for snippet in snippets.read() for failure in snippets.run(stack, snippet, by_name)]


def _keys(stack: Stack, languages: Iterable[Language]) -> list[str]:
    """Measure the partitioners, print it. Returns what is not as docs/producers.md says."""
    topic = keys.keys_topic(stack.kafka)
    _, failures = _run_all(stack, languages, ("keys",), TOPIC=topic.name)
    found = keys.agreements(stack.kafka, topic)
    topic.close()
    print(report.agreements(found), flush=True)
    return failures + keys.surprises(found)


def _run_all(
    stack: Stack, languages: Iterable[Language], names: Iterable[str], **more: str
) -> tuple[list[str], list[str]]:
    """What the programs of these names print, by lines; and those that failed."""
    output: list[str] = []
    failures: list[str] = []
    for language in languages:
        for name, program in language.programs().items():
            if name in names:
                _say(f"{language.name}: {name}")
                try:
                    output += language.run(program, addresses(stack) | more).rstrip("\n").split("\n")
                except ProgramFailed as error:
                    failures.append(str(error))
    return output, failures


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    names = [language.name for language in LANGUAGES]
    parser = argparse.ArgumentParser(prog="python -m interop", description=__doc__)
    parser.add_argument("language", nargs="*", default=names, help=f"only these, of {', '.join(names)}")
    parser.add_argument("--write", action="store_true", help="only write tests/data/serializers.tsv anew")
    return parser.parse_args()


if __name__ == "__main__":
    main()
