"""Units: UCUM codes taken apart, compared and converted."""

from uns.units.conversion import Conversion, conversion, convert
from uns.units.spelling import canonical, read, suggest
from uns.units.unit import Unit, UnitError, of_opcua, of_unece

__all__ = [
    "Conversion",
    "Unit",
    "UnitError",
    "canonical",
    "conversion",
    "convert",
    "of_opcua",
    "of_unece",
    "read",
    "suggest",
]
