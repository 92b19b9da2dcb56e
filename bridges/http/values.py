"""Values out of documents: text becomes what the tag is."""

from __future__ import annotations

from typing import Any, Final

from uns.metric import DataType, Value

__all__ = ["typed"]

_TRUTHS: Final = {"true": True, "false": False, "1": True, "0": False, "on": True, "off": False}


def typed(found: Any, datatype: DataType) -> Value:
    """What was found as a value of the tag; text that does not fit stays text.

    The runtime then says that it does not fit, and shows it. Raises LookupError for what is no
    single value.
    """
    if isinstance(found, bool | int | float) or found is None:
        return found
    if isinstance(found, list | dict):
        kind = "a list" if isinstance(found, list) else "an object"
        raise LookupError(f"there stands {kind}, and a tag is one value")  # noqa: TRY004 - as paths do
    text = str(found).strip()
    if datatype.is_text or not text:
        return str(found) if datatype.is_text else None
    if datatype is DataType.BOOLEAN:
        return _TRUTHS.get(text.lower(), text)
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
