"""Variables, typed: a text becomes a value, or is refused with what is allowed. All refusals are told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from environs import Env, EnvValidationError, ValidationError

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
PASSWORD = re.compile(r"(://[^:/@]*):.*@", re.DOTALL)  # greedy: a password may have an @ of its own
PASSWORD_BEHIND = re.compile(r"([?&]\w*password=)[^&]+", re.IGNORECASE)
ALL_SECRET = frozenset({"ALERT_URLS"})  # tokens stand anywhere in them
QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)
UNITS = {"": 1, "kib": 2**10, "mib": 2**20}

Parser = Callable[..., Any]


class BadEnvironment(SystemExit):
    """Ends the process with the text, one line per problem: it reaches the operator, not a traceback."""


class SiteEnv(Env):
    """environs over variables from several sources; what is wrong with them is gathered, and told by `finish`.

    Its own parsers get the text of a variable that is set; a default that is no text stays as it is.
    """

    def __init__(self, variables: Mapping[str, str], parsers: Mapping[str, Parser]) -> None:
        """`parsers`: name of the method to function of the text, which raises `ValidationError`."""
        super().__init__(eager=False)
        self.variables = {name: value.strip() for name, value in variables.items() if value.strip()}
        self._refusals: list[str] = []
        for name, parse in parsers.items():
            self.add_parser(name, _of_text(parse))

    def _get_value(self, env_key: str, default: Any) -> Any:
        """Overridden, as environs' own FileAwareEnv does: os.environ is one source of several here."""
        return self.variables.get(env_key, default)

    def refuse(self, problem: str) -> None:
        """Note a problem that is not one variable's text."""
        self._refusals.append(problem)

    def problems(self) -> list[str]:
        """A line for each; nothing can be read afterwards."""
        try:
            self.seal()
        except EnvValidationError as error:
            told: Any = error.error_messages
            lines = [self._line(name, message) for name, messages in told.items() for message in messages]
            return [*lines, *self._refusals]
        return self._refusals

    def _line(self, name: str, message: str) -> str:
        text = self.variables.get(name, "")
        told = "***" if name in ALL_SECRET else hide_password(text)
        if told != text:
            message = QUOTED.sub("'***'", message)  # a parser's error quotes what it could not read, which may be it
        return f"{name}={told!r} cannot be used: {' '.join(message.split())}"

    def finish(self) -> None:
        """Raises `BadEnvironment` if anything was wrong."""
        if problems := self.problems():
            raise BadEnvironment("\n".join(problems))


def _of_text(parse: Parser) -> Parser:
    """environs hands the default to a parser too."""
    return lambda value, **bounds: parse(value, **bounds) if isinstance(value, str) and value else value


def hide_password(text: str) -> str:
    return PASSWORD_BEHIND.sub(r"\1***", PASSWORD.sub(r"\1:***@", text))


def parse_flag(text: str) -> bool:
    word = text.lower()
    if word not in TRUE | FALSE:
        raise ValidationError("allowed are 1, true, yes, on and 0, false, no, off")
    return word in TRUE


def parse_number(text: str, least: int = 0, most: int = 2**31 - 1) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise ValidationError(f"allowed is a whole number from {least} to {most}")
    return int(text)


def parse_size(text: str, least: int, most: int) -> int:
    """Bytes, or with a unit: `262144`, `256 KiB`, `10MiB`."""
    match = re.fullmatch(r"([0-9]{1,18}) ?(|[km]ib)", text.lower())
    size = int(match[1]) * UNITS[match[2]] if match else -1
    if not least <= size <= most:
        raise ValidationError(f"allowed is a number of bytes from {least} to {most}, or one with KiB or MiB behind it")
    return size


def parse_choice(text: str, allowed: Collection[str]) -> str:
    if text not in allowed:
        raise ValidationError(f"allowed are {', '.join(sorted(allowed))}")
    return text


def parse_words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def parse_attributes(text: str) -> list[str]:
    """Names of attributes as CloudEvents allows them."""
    names = parse_words(text)
    if not names or not all(re.fullmatch("[a-z0-9]+", name) for name in names):
        raise ValidationError("allowed are names of lower-case letters and digits, with commas between them")
    return names


def parse_on_failure(text: str) -> dict[str, str]:
    """By family what its users' lanes do after a failure: `revenue=park,game=fail`. Which families there are is checked
    once they are declared."""
    pairs = [word.partition("=") for word in parse_words(text)]
    if not all(name.isidentifier() and choice in ("fail", "park") for name, _, choice in pairs):
        raise ValidationError("allowed are families with what their failures do, fail or park: revenue=park,game=fail")
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ValidationError("allowed is each family once")
    return {name: choice for name, _, choice in pairs}


PARSERS: dict[str, Parser] = {
    "flag": parse_flag,
    "number": parse_number,
    "size": parse_size,
    "choice": parse_choice,
    "words": parse_words,
    "attributes": parse_attributes,
    "on_failure": parse_on_failure,
}
