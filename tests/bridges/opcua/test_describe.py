"""What the driver learns of a server's variables."""

from __future__ import annotations

import pytest

from bridges.driver import CanDescribe, Description
from uns.metric import DataType
from uns.sim.opcua_server import OpcUaServer

pytestmark = pytest.mark.slow


async def test_types_and_rights_are_told(driver, tags_at) -> None:
    """Each variable's type, whether it is an array, whether it may be written; nothing else."""
    assert isinstance(driver, CanDescribe)
    tags = tags_at(driver.config, "s=Speed", "s=Serial", "s=Recipe", "i=1004")
    survey = await driver.describe(tags)
    assert [
        Description(100, datatype=DataType.DOUBLE, is_array=False, is_writable=True),
        Description(101, datatype=DataType.UINT64, is_array=False, is_writable=False),
        Description(102, datatype=DataType.STRING, is_array=False, is_writable=True),
        Description(103, datatype=DataType.INT16, is_array=False, is_writable=True),
    ] == list(survey.tags)
    assert survey.ahead_s is not None
    assert abs(survey.ahead_s) < 10


async def test_what_is_missing_is_told_of_each_tag(driver, tags_at) -> None:
    """An unknown node and an unknown namespace spoil only their own tags."""
    tags = tags_at(driver.config, "s=Nope", "nsu=urn:other;s=Speed", "s=Speed")
    said = {one.handle: one for one in (await driver.describe(tags)).tags}
    assert (True, "the server has no such node") == (said[100].is_missing, said[100].problem)
    assert said[101].is_missing
    assert "no namespace `urn:other`" in said[101].problem
    assert (False, "") == (said[102].is_missing, said[102].problem)


async def test_many_tags_are_described(server: OpcUaServer, driver, tags_at) -> None:
    """More tags than a request takes, the same one again and again, keep their order."""
    survey = await driver.describe(tags_at(driver.config, *["s=Speed", "s=Good"] * 600))
    assert 1200 == len(survey.tags)
    assert [DataType.DOUBLE, DataType.UINT32] == [one.datatype for one in survey.tags[-2:]]
