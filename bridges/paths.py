"""Paths to one value in a JSON or XML document: `$.weight.value`, `/Streams//*[@id='x1']/@name`.

    JSON   $.weight.value   $.axes[0].pos   $.log[-1]   $['air temp']
           RFC 9535's singular queries; names behind a dot may also have `-` and `:`.
    XML    /Root/Item[2]   //*[@dataItemId='x1']   row/value   @unit   Item[name='a']/text()
           XPath's abbreviated steps. Names match in any namespace, a prefix says nothing.

Where several places match, the first counts: a tag has one value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn
from xml.etree.ElementTree import Element

from uns.errors import AddressError

__all__ = ["JsonPath", "XmlPath", "XmlStep", "XmlTest"]

_MAX_DIGITS = 9  # of an index: nobody's array is longer
_SHOWN = 40  # characters of a value in a sentence
_PLAIN_NAME = re.compile(r"[^\W\d][\w-]*")
_SINGULAR = "a path leads to one value: write `$.weight.value` or `$.axes[0]`"
_XML_FORM = "write `/Root/Item[2]`, `//*[@id='x1']` or `row/@unit`"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\"} | {
    "'": "'",
    '"': '"',
}
_ESCAPED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A place in a JSON document: names of members, and indexes of elements.

    >>> JsonPath.parse("$.axes[0]['pos x']").get({"axes": [{"pos x": 1.5}]})
    1.5
    """

    steps: tuple[str | int, ...] = ()

    @classmethod
    def parse(cls, text: str, at: int = 0) -> JsonPath:
        """The path that `text` holds from `at` to its end; raises AddressError with the column."""
        return cls(tuple(_JsonReading(text, at).steps()))

    def get(self, document: Any) -> Any:
        """What stands there; raises LookupError with a sentence where nothing does."""
        found: Any = document
        for depth, step in enumerate(self.steps):
            if type(found) is (dict if type(step) is str else list):
                try:
                    found = found[step]  # type: ignore[index]  # the step fits, see above
                except LookupError:
                    pass
                else:
                    continue
            raise LookupError(self._absence(found, depth))
        return found

    def put(self, document: Any, value: Any) -> Any:
        """The document with `value` there; whatever is missing on the way is made.

        >>> JsonPath.parse("$.axes[1].pos").put({"ts": 5}, 1.5)
        {'ts': 5, 'axes': [None, {'pos': 1.5}]}
        """
        if not self.steps:
            return value
        step, rest = self.steps[0], JsonPath(self.steps[1:])
        if isinstance(step, str):
            members = document if isinstance(document, dict) else {}
            return {**members, step: rest.put(members.get(step), value)}
        elements = list(document) if isinstance(document, list) else []
        elements += [None] * (max(step + 1, -step) - len(elements))
        elements[step] = rest.put(elements[step], value)
        return elements

    def __str__(self) -> str:
        return "$" + "".join(_json_step(step) for step in self.steps)

    def _absence(self, found: Any, depth: int) -> str:
        place, step = JsonPath(self.steps[:depth]), self.steps[depth]
        match found:
            case dict() if isinstance(step, str):
                known = ", ".join(f"`{name[:_SHOWN]}`" for name in list(found)[:5])
                return f"`{place}` has no `{step}`" + (f", only {known}" if known else "")
            case list() if isinstance(step, int):
                return f"`{place}` has {len(found)} elements and no [{step}]"
            case dict():
                return f"`{place}` is an object, and [{step}] asks for an element of an array"
            case list():
                return f"`{place}` is an array, and `{step}` asks for a member of an object"
        return f"`{place}` is {repr(found)[:_SHOWN]} and has no `{step}`"


@dataclass(frozen=True, slots=True)
class XmlTest:
    """What an element must show: `[2]`, `[@name='x']` or `[child='x']`."""

    name: str = ""
    value: str = ""
    position: int = 0
    is_attribute: bool = False

    def __str__(self) -> str:
        if self.position:
            return f"[{self.position}]"
        mark = '"' if "'" in self.value else "'"
        return f"[{'@' if self.is_attribute else ''}{self.name}={mark}{self.value}{mark}]"


@dataclass(frozen=True, slots=True)
class XmlStep:
    """One step down: to children, or `is_deep` to whatever is below; `name` may be `*`."""

    name: str
    is_deep: bool = False
    tests: tuple[XmlTest, ...] = ()

    def __str__(self) -> str:
        return self.name + "".join(map(str, self.tests))


@dataclass(frozen=True, slots=True)
class XmlPath:
    """A place in an XML document: an element's text, or its attribute.

    `is_absolute` paths begin at the document, so that their first step is the root element;
    others begin at the element that they are asked of.
    """

    steps: tuple[XmlStep, ...] = ()
    attribute: str = ""
    is_absolute: bool = False

    @classmethod
    def parse(cls, text: str, at: int = 0) -> XmlPath:
        """The path that `text` holds from `at` to its end; raises AddressError with the column."""
        return _XmlReading(text, at).path()

    def get(self, element: Element) -> str:
        """The text or attribute there; raises LookupError with a sentence where nothing is.

        An element without text is empty text.
        """
        missing = ""
        for found in self.elements(element):
            if not self.attribute:
                return (found.text or "").strip()
            for name, value in found.attrib.items():
                if _local(name) == self.attribute:
                    return value
            missing = missing or f"`{_local(found.tag)}` there has no attribute `{self.attribute}`"
        raise LookupError(missing or f"nothing is at `{self}`")

    def elements(self, element: Element) -> Iterator[Element]:
        """Every element that the steps lead to, in the document's order."""
        return self._below(element, 0)

    def __str__(self) -> str:
        text = ""
        for place, step in enumerate(self.steps):
            text += "." if step.is_deep and not place and not self.is_absolute else ""
            text += "//" if step.is_deep else "/" if place or self.is_absolute else ""
            text += str(step)
        if self.attribute:
            text += ("/" if text else "") + f"@{self.attribute}"
        return text or "."

    def _below(self, element: Element, depth: int) -> Iterator[Element]:
        if depth == len(self.steps):
            yield element
            return
        step = self.steps[depth]
        groups = _candidates(element, step, from_document=self.is_absolute and not depth)
        for found in _tested(groups, step):
            yield from self._below(found, depth + 1)


def _candidates(element: Element, step: XmlStep, *, from_document: bool) -> Iterator[list[Element]]:
    """Siblings among which a position counts: the children of one element at a time."""
    if from_document:
        yield [element]
        if not step.is_deep:
            return
    if not step.is_deep:
        yield list(element)
        return
    for parent in element.iter():
        yield list(parent)


def _tested(groups: Iterator[list[Element]], step: XmlStep) -> Iterator[Element]:
    for group in groups:
        found = [one for one in group if _is_named(one, step.name)]
        for test in step.tests:
            found = _passing(found, test)
        yield from found


def _is_named(element: Element, name: str) -> bool:
    return isinstance(element.tag, str) and name in ("*", _local(element.tag))


def _passing(found: list[Element], test: XmlTest) -> list[Element]:
    if test.position:
        return found[test.position - 1 : test.position]
    return [one for one in found if test.value in _shown(one, test)]


def _shown(element: Element, test: XmlTest) -> list[str]:
    if test.is_attribute:
        return [value for name, value in element.attrib.items() if _local(name) == test.name]
    return [(child.text or "").strip() for child in element if _is_named(child, test.name)]


def _local(name: str) -> str:
    """`Item` of `{urn:x}Item`."""
    return name.rpartition("}")[2]


def _json_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN_NAME.fullmatch(step):
        return f".{step}"
    return "['" + "".join(_ESCAPED.get(mark, mark) for mark in step) + "']"


class _Reading:
    """A text read from left to right; `at` is how far it was understood."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text.rstrip()
        self.at = min(at, len(self.text))

    def is_done(self) -> bool:
        return self.at >= len(self.text)

    def take(self, pattern: str) -> str:
        """The text that `pattern` matches here, and go behind it; empty where it does not."""
        found = re.compile(pattern, re.DOTALL).match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def fail(self, message: str, *, hint: str, at: int | None = None) -> NoReturn:
        column = (self.at if at is None else at) + 1
        raise AddressError(message, column=column, hint=hint)


class _JsonReading(_Reading):
    def steps(self) -> Iterator[str | int]:
        if not self.take(r"\$"):
            what = (
                f"`{self.text[self.at :]}` is no JSON path" if not self.is_done() else "a JSON path"
            )
            self.fail(f"{what}: it begins with `$`", hint="write it like `$.weight.value`")
        while not self.is_done():
            mark = self.at
            if self.take(r"\.\.|\.?\*|\[\s*(?:[?*(]|-?\d*\s*:)"):
                self.fail(
                    f"`{self.text[mark : self.at]}` may match several values",
                    at=mark,
                    hint=_SINGULAR,
                )
            yield self.step()

    def step(self) -> str | int:
        mark = self.at
        if self.take(r"\."):
            name = self.take(r"[^\s.\[\]'\"*?(),@]+")
            if not name:
                self.fail("a name is missing behind the dot", hint="write it like `$.weight`")
            return name
        if not self.take(r"\[\s*"):
            self.fail(
                f"`{self.text[mark:]}` does not go on with a name or an index",
                hint="write `.name`, `['a name']` or `[0]`",
            )
        step = self.quoted() if self.text[self.at : self.at + 1] in ("'", '"') else self.index()
        if self.take(r"\s*,"):
            self.fail("a list may match several values", at=self.at - 1, hint=_SINGULAR)
        if not self.take(r"\s*\]"):
            self.fail("the bracket is not closed", hint="write `['a name']` or `[0]`")
        return step

    def quoted(self) -> str:
        mark, self.at = self.text[self.at], self.at + 1
        begin, found = self.at - 1, ""
        while not self.take(mark):
            if self.is_done():
                self.fail("the quote is not closed", at=begin, hint="write `['a name']`")
            found += self.take(rf"[^\\{mark}]+") or self.escape()
        return found

    def escape(self) -> str:
        mark = self.at
        code = self.take(r"\\u(?![Dd][89A-Fa-f])[0-9A-Fa-f]{4}")  # no halves of a character
        if code:
            return chr(int(code.replace("\\u", "0x"), 0))
        self.at = mark
        known = self.take(r"\\[ntrbf/\\'\"]")
        if not known:
            self.fail("this is no escape", hint=r"write `\\`, `\'` or the character itself")
        return _ESCAPES[known[1]]

    def index(self) -> int:
        mark = self.at
        digits = self.take(r"-?[0-9]+")
        if not digits:
            self.fail(
                "an index or a quoted name is missing", hint="write `[0]`, `[-1]` or `['a name']`"
            )
        if len(digits) > _MAX_DIGITS:
            self.fail(f"{digits[:20]} is too large for an index", at=mark, hint="like `[0]`")
        return int(digits)


class _XmlReading(_Reading):
    _NAME = r"[^\W\d][\w.-]*"

    def path(self) -> XmlPath:
        if self.is_done():
            self.fail("an XML path is missing", hint=_XML_FORM)
        if self.take(r"(?:\./)?text\(\)$|\.$"):
            return XmlPath()
        is_relative = bool(self.take(r"\.(?=/)"))
        is_absolute = not is_relative and self.text[self.at : self.at + 1] == "/"
        steps: list[XmlStep] = []
        while True:
            slashes = self.slashes(steps) if steps or is_relative or is_absolute else ""
            if slashes != "//" and self.take("@"):
                return self.at_end(XmlPath(tuple(steps), self.name(), is_absolute))
            if steps and slashes == "/" and self.take(r"text\(\)"):
                return self.at_end(XmlPath(tuple(steps), "", is_absolute))
            steps.append(XmlStep(self.name(or_any=True), slashes == "//", tuple(self.tests())))
            if self.is_done():
                return XmlPath(tuple(steps), "", is_absolute)

    def slashes(self, steps: list[XmlStep]) -> str:
        mark = self.at
        found = self.take(r"//?")
        if not found:
            self.too_much()
        if found == "//" and any(step.is_deep for step in steps):
            self.fail("a path has one `//` at most", at=mark, hint="name the elements between")
        return found

    def at_end(self, path: XmlPath) -> XmlPath:
        if not self.is_done():
            self.too_much()
        if path.is_absolute and not path.steps:
            self.fail("an attribute belongs to an element", at=self.at - 1, hint=_XML_FORM)
        return path

    def too_much(self) -> NoReturn:
        self.fail(f"`{self.text[self.at :]}` is too much or no step", hint=_XML_FORM)

    def name(self, *, or_any: bool = False) -> str:
        """A name without its prefix."""
        if or_any and self.take(r"\*"):
            return "*"
        if re.compile(r"\.\.|[\w-]+(?:::|\()").match(self.text, self.at):
            self.fail("axes, functions and steps upwards are not for a tag's path", hint=_XML_FORM)
        self.take(rf"{self._NAME}:(?={self._NAME})")
        name = self.take(self._NAME)
        if not name:
            self.fail("a name is missing", hint=_XML_FORM)
        return name

    def tests(self) -> Iterator[XmlTest]:
        while self.take(r"\[\s*"):
            yield self.test()
            if not self.take(r"\s*\]"):
                self.fail("the bracket is not closed", hint=_XML_FORM)

    def test(self) -> XmlTest:
        mark = self.at
        digits = self.take(r"[0-9]+")
        if digits:
            if len(digits) > _MAX_DIGITS or int(digits) == 0:
                self.fail("elements count from 1", at=mark, hint="the first is `[1]`")
            return XmlTest(position=int(digits))
        is_attribute = bool(self.take("@"))
        name = self.name()
        if not self.take(r"\s*=\s*"):
            self.fail("here comes `=` and a quoted value", hint="write `[@id='x1']` or `[2]`")
        begin = self.at
        value = self.take(r"'[^']*'|\"[^\"]*\"")
        if not value:
            self.fail("the value is not quoted", at=begin, hint="write `[@id='x1']`")
        return XmlTest(name, value[1:-1], is_attribute=is_attribute)
