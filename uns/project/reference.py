"""The reference page of the project file, made from the models so that it cannot drift."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from uns.project import columns, datatypes, units
from uns.project.machine_words import RELATIONS, AssetWords, RelationWords
from uns.project.models import (
    AddressWords,
    AlarmWords,
    BindingWords,
    ConsumerWords,
    InstanceWords,
    OverrideWords,
    ProjectWords,
    SchemaWords,
    TagWords,
    TypeWords,
    WriteWords,
)
from uns.project.sparkplug_words import (
    BacklogWords,
    ForeignWords,
    MetricWords,
    SparkplugWords,
)
from uns.project.states import PACKML
from uns.project.template import FILTERS
from uns.project.words import CounterWords, DeadbandWords
from uns.route.words import CounterWords as TriggerCounterWords
from uns.route.words import ForEachWords, RouteWords, TemplateWords

__all__ = ["project_file_page"]

_INTRO = """\
# The project file

This page is made from the code (`uns/project/reference.py`); a test fails when it drifts.

A project is a folder of YAML files (`*.yaml`, `*.yml`). Each may hold any of the words below;
they are merged, and an entry that stands in two files is an error. `uns check PROJECT` reads
and expands everything without connecting and shows every mistake at once.

Files are strict YAML 1.2: `NO`, `on`, `12:30` and `010` are texts, unknown and repeated keys are
errors, and so is an expression (`= …`) without quotes inside `{ }` or `[ ]`.

**Who wins:** type < binding < instance < override. Mappings merge, everything else is replaced.

**Templates:** paths, connections, addresses and the texts below `with:` may hold `{name}` or
`{name:filter}`. Filters: {filters}, and `02d` for whole numbers. A brace itself is doubled.

**Parameters**, the strongest first: the command line, an override's `with:`, the instance's
`with:`, `each:`, the binding's `with:`, the site's keys, and the path's own `{enterprise}`,
`{site}`, `{area}`, `{line}`, `{cell}`, `{machine}` and `{path}`. Addresses also have `{tag}`,
and `{i}` in an array.

**Secrets:** `${env:NAME}`, `${env:NAME:-default}` and `${file:path}`, in connections, targets
and brokers, and in the parameters that go there. They are put in last and never shown.

**Durations** have a unit: `200ms`, `1s`, `5m`, `1h`. So have **sizes**: `256MB`, `1GiB`. **Series** are lists or ranges: `1..4`.
"""

_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Top level", "", ProjectWords),
    ("types", "A type, by name.", TypeWords),
    ("tags of a type", "A tag, by name. A key with nothing after it is a Float.", TagWords),
    ("alarm", "", AlarmWords),
    ("deadband", "A number or a percentage is its `change`.", DeadbandWords),
    ("counter", "", CounterWords),
    ("write", "", WriteWords),
    ("bindings", "A binding, by name.", BindingWords),
    (
        "tags of a binding, instance or override",
        "An address as text, or a mapping with any key of a tag and these.",
        AddressWords,
    ),
    ("instances", "A list.", InstanceWords),
    ("overrides", "By path, without the enterprise.", OverrideWords),
    ("asset of an instance or override", "A list of them, or one; a text is the `id`.", AssetWords),
    (
        "relations at the top level",
        "By name; a text is the `inverse`. There are already {relations}.",
        RelationWords,
    ),
    ("consumers", "By name. `uns plan` and `uns explain` name them.", ConsumerWords),
    ("schemas", "By subject. Checked for form; nothing reads them yet.", SchemaWords),
    ("templates", "By name.", TemplateWords),
    ("counter of a template's trigger", "", TriggerCounterWords),
    ("routes", "A list.", RouteWords),
    ("for_each of a route", "", ForEachWords),
    ("sparkplug", "", SparkplugWords),
    ("backlog of sparkplug", "", BacklogWords),
    ("foreign of sparkplug", "A list; the first rule that matches a device decides.", ForeignWords),
    (
        "metrics of a foreign rule",
        "By name, or by pattern with `*` for any text. A text is the `name`, `null` leaves it out.",
        MetricWords,
    ),
)


def project_file_page() -> str:
    """The page as Markdown."""
    filters = ", ".join(f"`{name}`" for name in FILTERS)
    parts = [_INTRO.replace("{filters}", filters)]
    parts += ["\n".join(_section(*section)) for section in _SECTIONS]
    parts += ["\n".join(_columns()), "\n".join(_names())]
    return "\n".join(parts)


def _section(title: str, sentence: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    pairs = ", ".join(f"`{name}` (`{back}`)" for name, back in RELATIONS.items())
    told = sentence.replace("{relations}", pairs)
    yield " ".join(filter(None, ((model.__doc__ or "").strip(), told)))
    yield ""
    yield "| key | example | meaning |"
    yield "|---|---|---|"
    inherited = TagWords.model_fields if model is AddressWords else {}
    for name, field in model.model_fields.items():
        if name not in inherited:
            yield f"| {_key(name, field)} | {_examples(field)} | {_cell(field.description or '')} |"
    yield ""


def _key(name: str, field: FieldInfo) -> str:
    return f"`{field.alias or name}`" + (" (required)" if field.is_required() else "")


def _examples(field: FieldInfo) -> str:
    return ", ".join(f"`{_cell(str(example))}`" for example in field.examples or ())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _columns() -> Iterator[str]:
    yield "## columns of a tag list"
    yield ""
    yield (
        "Where `tags:` names a CSV file, its first row names the columns, in any order; capitals, "
        "blanks and `_` do not matter. Only `name` is needed. A heading with `#` is for people. "
        "See [how to keep tags in a spreadsheet](../how-to/tags-in-a-spreadsheet.md)."
    )
    yield ""
    yield "| column | also called | what it says |"
    yield "|---|---|---|"
    for name, (sentence, others) in columns.COLUMNS.items():
        also = ", ".join(f"`{other}`" for other in others)
        yield f"| `{name}` | {also} | {sentence} |"
    yield ""


def _names() -> Iterator[str]:
    yield "## Names of datatypes and units"
    yield ""
    pairs = (f"`{name}` {kind.label}" for name, kind in datatypes.ALIASES.items())
    yield f"Datatypes, in capitals or not: Sparkplug's own, and {', '.join(pairs)}."
    yield ""
    pairs = (f"`{alias}` is `{code}`" for alias, code in units.ALIASES.items())
    yield f"Units are UCUM codes. Also understood: {', '.join(pairs)}."
    yield ""
    pairs = (f"{number} {name}" for number, name in PACKML.items())
    yield f"`states: packml` is {', '.join(pairs)}."
    yield ""
