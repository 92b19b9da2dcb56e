"""What an editor knows of the project language: whatever loads is right, wrong forms are red."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from uns.cli.catalogue import catalogue
from uns.project.diagnose import Diagnostic
from uns.project.load import load
from uns.project.source import Source, Written

ROOT = Path(__file__).parents[2]
OURS = sorted(ROOT.glob("config/*/*.yaml"))
PAGES = sorted((ROOT / "docs/reference/errors").glob("UNS*.md"))
CASES = sorted((ROOT / "tests/cases/project").glob("*/*.yaml"))
FENCE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
FILE = re.compile(r"# --- (\S+) ---\n")
CONTROL = re.compile(r"<U\+([0-9A-F]{4})>")

#: Codes about the form of a word; all others are about what words mean together.
FORMS = {"UNS101", "UNS102", "UNS104", "UNS105", "UNS106", "UNS108", "UNS109"}
#: What JSON Schema cannot say: `5..1`, a port above 65535, what a template comes to.
MEANING = re.compile(r"runs backwards|mqtt://:99999|`\+` is an MQTT wildcard")

Places = set[tuple[str | int, ...]]
Judge = Callable[[str], Places]


def _files(text: str) -> Iterator[str]:
    """The files of an example: one, or those that its headings name."""
    headed = text if text.startswith("# --- ") else f"# --- plant.yaml ---\n{text}"
    for name, content in zip(FILE.split(headed)[1::2], FILE.split(headed)[2::2], strict=True):
        if name.endswith(".yaml"):
            yield CONTROL.sub(lambda found: chr(int(found[1], 16)), content)


def _told(path: Path) -> list[Diagnostic]:
    """What `uns check` says of the form of a case's file."""
    found = load(path.parent, catalogue(), environment={}).diagnostics
    return [
        one
        for one in found
        if one.file == path.name and one.code in FORMS and not MEANING.search(one.message)
    ]


def _is_red(source: Source, places: Places, told: Diagnostic) -> bool:
    """Whether one of the places is the one told, or the mapping right above it."""
    for place in places:
        keys = [place, *((*place, key) for key in Written(source, place).keys)]
        if any(Written(source, one).place.line == told.span.line for one in keys):
            return True
    return False


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_we_ship_is_right(path: Path, wrong_at: Judge) -> None:
    """No file of our own projects has a red line."""
    assert set() == wrong_at(path.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_an_error_page_calls_right_is_right(page: Path, wrong_at: Judge) -> None:
    """The right example of every error page has no red line."""
    examples = FENCE.findall(page.read_text())
    right = [wrong_at(text) for text in _files(examples[-1])] if len(examples) > 1 else []
    assert [] == [places for places in right if places]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_wrong_form_is_red(path: Path, wrong_at: Judge) -> None:
    """Wherever `uns check` finds a wrong key or form in the golden cases, so does the schema."""
    text = path.read_text()
    source, places = Source.parse(text, path.name), wrong_at(text)
    missed = [told for told in _told(path) if not _is_red(source, places, told)]
    assert [] == [f"{one.span.line}: {one.message}" for one in missed]


def test_other_codes_stay_with_the_check(wrong_at: Judge) -> None:
    """The cases whose words are well-formed are red nowhere but at drivers of their own."""
    for name in ("connections", "shapes", "warnings"):
        text = (ROOT / "tests/cases/project" / name / "plant.yaml").read_text()
        assert {"driver"} == {place[-1] for place in wrong_at(text)}


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("types: {a: {tags: {x: {unt: bar}}}}", ("types", "a", "tags", "x")),
        ("types: {a: {tags: {x: {type: REEL}}}}", ("types", "a", "tags", "x", "type")),
        ("types: {a: {tags: {x: {scan: 5}}}}", ("types", "a", "tags", "x", "scan")),
        ("types: {a: {tags: {x: {alarm: {hii: 5}}}}}", ("types", "a", "tags", "x", "alarm")),
        ("types: {a: {tags: filler.xlsx}}", ("types", "a", "tags")),
        ("bindings: {b: {driver: modbus}}", ("bindings", "b")),
        (
            "bindings: {b: {driver: modbus, connection: {hots: x}, tags: {}}}",
            ("bindings", "b", "connection"),
        ),
        (
            "bindings: {b: {driver: s7, connection: {rack: first}, tags: {}}}",
            ("bindings", "b", "connection", "rack"),
        ),
        ("instances: [{path: a b/c, is: x}]", ("instances", 0, "path")),
        ("instances: [{path: a/b/c/d, is: x, asset: {nr: 5}}]", ("instances", 0, "asset")),
        ("instances: [{path: a/b/c/d, is: x, relations: {feeds: 5}}]",
         ("instances", 0, "relations", "feeds")),
        ("targets: {erp: {type: http}}", ("targets", "erp")),
        ("brokers: {site: 127.0.0.1}", ("brokers", "site")),
        ("sparkplug: {backlog: {size: 256}}", ("sparkplug", "backlog", "size")),
    ],
)  # fmt: skip
def test_a_mistake_has_its_own_place(line: str, place: Any, wrong_at: Judge) -> None:
    """The red line is at the word that is wrong, not at the whole entry."""
    assert {place} == wrong_at(line)


@pytest.mark.parametrize(
    "line",
    [
        "types: {a: {tags: filler_tags.CSV}}",
        "types: {a: }",
        "types: {a: {tags: {x: , y: {type: dint, unit: '{box}/wk', deadband: 1%, counter: true}}}}",
        'bindings: {b: {driver: modbus, connection: {host: "{h}", port: "{p}"}, tags: "{tag}"}}',
        "bindings: {b: {driver: opcua, tags: {x: 5, '*': s=x}}}",
        "instances: [{path: 's/a/l{n:02d}/m', each: {n: 1..4}, is: a, bind: [b, c], asset: K-1}]",
        "targets: {erp: {type: http, url: 'http://x', timeout_s: '${env:SLOW}'}}",
        "brokers: {site: '${env:BROKER}', other: 'mqtts://h:8883'}",
        "sparkplug: {backlog: {size: 1.5GiB, age: 72 h}}",
    ],
)
def test_every_short_form_is_right(line: str, wrong_at: Judge) -> None:
    """Templates, secrets, tag lists and the one-word forms have no red line."""
    assert set() == wrong_at(line)


def _below(form: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every word of the schema, with where it is."""
    if isinstance(form, list):
        for one in form:
            yield from _below(one, path)
    if isinstance(form, dict):
        for word, below in form.get("properties", {}).items():
            if "const" not in below:
                yield f"{path}/{word}", below
        for key, below in form.items():
            yield from _below(below, f"{path}/{key}") if key != "examples" else ()


def test_every_example_is_right(schema: dict[str, Any]) -> None:
    """What hovering shows as an example may be typed."""
    wrong = []
    for path, word in _below(schema):
        judge = jsonschema_rs.Draft7Validator({"definitions": schema["definitions"], **word})
        wrong += [(path, one) for one in word.get("examples", []) if not judge.is_valid(one)]
    assert [] == wrong


def test_every_word_of_ours_has_a_hover_text(schema: dict[str, Any]) -> None:
    """No word of the language is without a sentence; a driver's settings speak for themselves."""
    words = {p: w for p, w in _below(schema) if "connection/" not in p and "Login" not in p}
    bare = [path for path, word in words.items() if not word.get("description")]
    assert [] == [path for path in bare if "/if/" not in path and "allOf" not in path]
    assert len(words) > 100


def test_the_schema_is_valid_itself(schema: dict[str, Any]) -> None:
    """It is draft-07 by its own meta-schema, and small enough for an editor."""
    assert "http://json-schema.org/draft-07/schema#" == schema["$schema"]
    jsonschema_rs.meta.validate(schema)
    assert len(json.dumps(schema)) < 100_000


def test_a_reader_without_a_form_is_an_error() -> None:
    """A new kind of word cannot slip past the schema."""
    from uns.export.forms import form_of

    def read_colour(text: str) -> str:
        return text

    read_colour.__qualname__ = "read_colour"
    with pytest.raises(LookupError, match="read_colour"):
        form_of(read_colour, {})
