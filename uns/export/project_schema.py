"""The project language as JSON Schema: what an editor needs for completion, hover and red lines.

Made from the models (uns/project/models.py) and those of the drivers and targets, so that it
cannot say anything else. It knows forms, not meanings: that a binding exists, that units fit and
what a formula holds, `uns check` says.

The dialect is draft-07, which every editor's YAML support reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from uns.export.forms import ONE_NAME, SHARED, JsonSchema, either, form_of
from uns.project.catalogue import Catalogue
from uns.project.machine_words import RELATIONS
from uns.project.models import ProjectWords
from uns.project.source import Source

__all__ = ["DIALECT", "project_schema"]

DIALECT = "http://json-schema.org/draft-07/schema#"
_TITLE = "A project of the Unified Namespace"
_REF = "#/definitions/{model}"
_TEMPLATE = {"type": "string", "pattern": r"[{$]"}  # `{host}` or `${env:NAME}`
_TAG_LIST = {"type": "string", "pattern": r"\.(?:[cC][sS][vV]|[tT][sS][vV]|[tT][xX][tT])$"}
_BROKER = {"type": "string", "pattern": r"^mqtts?://.|\$\{"}
_PATH = {
    "type": "string",
    "pattern": r"^(?:[A-Za-z0-9_/-]|\{[^{}]+\})+$",
    "patternErrorMessage": "a path is names with `/` between them, and `{parameters}`",
}
_NULL = {"type": "null"}


def project_schema(catalogue: Catalogue) -> JsonSchema:
    """The schema of a file of a project that uses the drivers and targets of `catalogue`."""
    made = _schema_of(ProjectWords)
    definitions = made.pop("definitions")
    for words, word, amend in _AMENDMENTS:
        owner = definitions[words]["properties"]
        owner[word] = _keeping_texts(owner[word], amend(owner[word]))
    _put_drivers(definitions, catalogue.drivers)
    _put_targets(made["properties"], definitions, catalogue.targets)
    words = made["properties"]
    for word in ("sites", "types"):
        words[word]["additionalProperties"] = either(_NULL, words[word]["additionalProperties"])
    words["brokers"]["additionalProperties"] = _BROKER
    for word, form in words.items():
        words[word] = _or_nothing(form)
    words["enterprise"] = _keeping_texts(words["enterprise"], ONE_NAME)
    head = {"$schema": DIALECT, "title": _TITLE}
    schema: JsonSchema = _tidied({**head, **made, "definitions": definitions})
    schema["definitions"].update(SHARED)
    return schema


class _Typed(GenerateJsonSchema):
    """What may be typed, where pydantic would say what it is once it has been read."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """A key is its own title."""
        del schema
        return False

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """An enumeration stands where it is used: what is referred to is always a mapping."""
        made = super().generate_inner(schema)
        named = self.get_schema_from_definitions(made["$ref"]) if "$ref" in made else None
        return {"enum": named["enum"]} if named and "enum" in named else made

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        """A word with a reader."""
        return form_of(schema["function"]["function"], self.generate_inner(schema["schema"]))

    def function_after_schema(self, schema: Any) -> JsonSchemaValue:
        """A word that is judged after it was read."""
        return form_of(schema["function"]["function"], self.generate_inner(schema["schema"]))

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        """A word that may be left empty."""
        return either(self.generate_inner(schema["schema"]), _NULL)

    def str_schema(self, schema: Any) -> JsonSchemaValue:
        """A text, and a number where that is taken for one."""
        made = super().str_schema(schema)
        return (
            made | {"type": ["string", "number"]} if schema.get("coerce_numbers_to_str") else made
        )

    def tuple_schema(self, schema: Any) -> JsonSchemaValue:
        """So many numbers; draft-07 has no prefixItems."""
        made = super().tuple_schema(schema)
        return made | {"items": made.pop("prefixItems")[0]} if "prefixItems" in made else made

    def dict_schema(self, schema: Any) -> JsonSchemaValue:
        """A mapping whose keys are judged too."""
        values = self.generate_inner(schema["values_schema"])
        made: JsonSchema = {"type": "object", "additionalProperties": values or True}
        names = self.generate_inner(schema["keys_schema"])
        pattern = names.get("pattern")
        return {**made, "propertyNames": {"pattern": pattern}} if pattern else made


def _schema_of(model: type[BaseModel]) -> JsonSchema:
    made = model.model_json_schema(ref_template=_REF, schema_generator=_Typed)
    made["definitions"] = made.pop("$defs", {})
    return made


def _or_nothing(form: JsonSchema) -> JsonSchema:
    return _keeping_texts(form, either(_NULL, _bare(form)))


def _tags(form: JsonSchema) -> JsonSchema:
    """Tags may be a tag list instead."""
    return either(_TAG_LIST, _NULL, form["then"])


def _relations(form: JsonSchema) -> JsonSchema:
    """The relations that there are, for completion."""
    target = form["additionalProperties"]
    known = {
        name: {**target, "description": f"What it {name}; the other end says `{back}`."}
        for name, back in RELATIONS.items()
    }
    return {**form, "properties": known}


_AMENDMENTS = (
    ("InstanceWords", "path", lambda _: _PATH),
    ("TypeWords", "tags", _tags),
    ("OverrideWords", "tags", _tags),
    ("InstanceWords", "tags", _tags),
    ("TypeWords", "relations", _relations),
    ("OverrideWords", "relations", _relations),
    ("InstanceWords", "relations", _relations),
)
_TEXTS = ("description", "examples", "default")


def _bare(form: JsonSchema) -> JsonSchema:
    return {key: value for key, value in form.items() if key not in _TEXTS}


def _keeping_texts(form: JsonSchema, made: JsonSchema) -> JsonSchema:
    """What is said about a word stands on the word itself."""
    return {key: form[key] for key in _TEXTS if key in form} | _bare(made)


def _put_drivers(definitions: JsonSchema, drivers: Mapping[str, Any]) -> None:
    """Each driver's settings below `connection`: none required, each perhaps a template."""
    binding = definitions["BindingWords"]
    binding["properties"]["driver"]["enum"] = sorted(drivers)
    cases = []
    for name in sorted(drivers):
        settings = _open(_settings(definitions, drivers[name].Config), definitions)
        settings.pop("required", None)  # an instance may say what the binding does not
        then = {"properties": {"connection": either(_NULL, settings)}}
        cases.append({"if": _is("driver", name), "then": then})
    binding["allOf"] = cases


def _put_targets(words: JsonSchema, definitions: JsonSchema, targets: Mapping[str, Any]) -> None:
    """Each type of target with its own words."""
    cases = []
    for name in sorted(targets):
        settings = _open(_settings(definitions, targets[name].Config), definitions)
        cases.append({"if": _is("type", name), "then": settings})
    kind = {"enum": sorted(targets), "description": "The kind of target."}
    one = {"type": "object", "required": ["type"], "properties": {"type": kind}, "allOf": cases}
    words["targets"] = {**words["targets"], "additionalProperties": one}


def _is(word: str, name: str) -> JsonSchema:
    return {"required": [word], "properties": {word: {"const": name}}}


def _settings(definitions: JsonSchema, model: type[BaseModel]) -> JsonSchema:
    """A model of a driver or target; what it refers to joins the definitions."""
    made = _schema_of(model)
    for name, below in made.pop("definitions").items():
        definitions[name] = _open(below, definitions)
    return made


def _open(settings: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    """The same, where any value may also be a template or a secret."""
    opened = {}
    for word, form in settings["properties"].items():
        bare = _bare(form)
        plain = definitions.get(str(bare.get("$ref", "")).rpartition("/")[2], bare)
        is_open = plain.get("type") in ("object", "string") and "enum" not in plain
        made = bare if is_open or "if" in plain else {"anyOf": [bare, _TEMPLATE]}
        opened[word] = _keeping_texts(form, made)
    return {**settings, "properties": opened}


def _tidied(form: Any) -> Any:
    """Without titles that repeat a name and defaults that are nothing; examples as values."""
    if isinstance(form, list):
        return [_tidied(one) for one in form]
    if not isinstance(form, dict):
        return form
    for name, shared in SHARED.items():
        if form == shared:
            return {"$ref": _REF.format(model=name)}
    made: JsonSchema = {}
    for key, value in form.items():
        if key == "properties":
            made[key] = {word: _tidied(below) for word, below in value.items()}
        elif key == "examples":
            made[key] = [_value(text) for text in value]
        elif not _says_nothing(key, value):
            made[key] = _tidied(value)
    return made


def _says_nothing(key: str, value: Any) -> bool:
    """A default that is empty, and the title that pydantic makes of a name."""
    return (key == "default" and value in (None, "", [], {})) or (
        key == "title" and value != _TITLE
    )


def _value(text: Any) -> Any:
    """An example as it would be read from a file; a text of its own where it needs quotes."""
    source = Source.parse(str(text), "")
    return text if source.mistakes else json.loads(json.dumps(source.data))
