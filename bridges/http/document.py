"""A document that a server sent: parsed once, asked for many values."""

from __future__ import annotations

from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bridges.http.address import HttpAddress
from bridges.http.session import NotServedError
from bridges.paths import JsonPath, XmlPath

__all__ = ["Document", "element_of"]

_LONGEST_PLAIN: Final = 1_000
_NOT_VALID: Final = "the device behind the port says that its process data are not valid"


class Document:
    """One answer. JSON and XML are parsed when first asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._json: Any = None
        self._xml: Element | None = None

    def get(self, address: HttpAddress) -> Any:
        """What the address leads to; raises LookupError or NotServedError with a sentence."""
        match address.path:
            case JsonPath() as path:
                return path.get(self.json)
            case XmlPath() as path:
                return path.get(self.xml)
        if address.kind == "pdin":
            raw = self._process_data()
            return address.part.get(raw) if address.part else raw
        if len(self._body) > _LONGEST_PLAIN:
            raise LookupError(f"the answer is {len(self._body)} bytes, and no single value")
        return self._body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The document as JSON; raises NotServedError where it is none."""
        if self._json is None:
            try:
                self._json = msgspec.json.decode(self._body)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                raise NotServedError(f"its answer is no JSON: {error}") from error
        return self._json

    @property
    def xml(self) -> Element:
        """The root element; raises NotServedError where it is no XML that can be trusted."""
        if self._xml is None:
            self._xml = element_of(self._body)
        return self._xml

    def _process_data(self) -> bytes:
        """Process data as bytes: ifm writes them in hex, the IO-Link Community as a list."""
        held = self.json
        if not isinstance(held, dict):
            raise NotServedError("its answer is no object")
        data = held.get("data")
        if isinstance(data, dict):
            return _of_hex(held, data)
        told = held.get("ioLink", held.get("iolink"))
        if not isinstance(told, dict) or not isinstance(told.get("value"), list):
            raise NotServedError("its answer holds no process data")
        if told.get("valid") is False:
            raise LookupError(_NOT_VALID)
        try:
            return bytes(told["value"])
        except (TypeError, ValueError):
            raise NotServedError("its process data are no bytes") from None


def element_of(body: bytes) -> Element:
    """The root element of XML; raises NotServedError, also for entities and DTDs."""
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException:
        raise NotServedError("its XML brings a document type, which may hide a bomb") from None
    except (ParseError, ValueError, LookupError) as error:
        raise NotServedError(f"its answer is no XML: {error}") from error
    return root


def _of_hex(held: dict[str, Any], data: dict[str, Any]) -> bytes:
    code = held.get("code")
    if code != 200:  # noqa: PLR2004 - the IoT Core's own codes are those of HTTP
        raise LookupError(f"the master answers with code {code}: is a device at this port?")
    try:
        return bytes.fromhex(str(data.get("value", "")))
    except ValueError:
        raise NotServedError("its process data are not written in hex") from None
