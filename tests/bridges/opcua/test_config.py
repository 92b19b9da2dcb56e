"""The `connection:` words of OPC UA."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridges.opcua import OpcUaConfig


def test_the_key_is_the_endpoint_as_people_write_it():
    """Port and user are in it, the password and the namespace are not."""
    config = OpcUaConfig(
        endpoint="opc.tcp://10.1.20.11/UA/",
        namespace="urn:vendor:filler",
        auth={"user": "uns", "password": "secret"},
    )
    assert "opc.tcp://uns@10.1.20.11:4840/UA" == config.key()
    assert ("10.1.20.11", 4840) == config.endpoint()
    assert "secret" not in repr(config)


def test_namespaces_share_a_session_and_other_settings_do_not():
    """What only says how addresses are read does not change the key; timing does."""
    plain = OpcUaConfig(endpoint="opc.tcp://plc:4840")
    assert plain.key() == OpcUaConfig(endpoint="opc.tcp://plc", namespace="urn:x").key()
    assert plain.key() != OpcUaConfig(endpoint="opc.tcp://plc:4840", timeout_s=9).key()


def test_a_simulator_can_move_it():
    """The same settings on another port, IPv6 included."""
    moved = OpcUaConfig(endpoint="opc.tcp://[::1]:4840/UA", namespace="urn:x").moved_to(50000)
    assert ("opc.tcp://[::1]:50000/UA", "urn:x") == (moved.url, moved.namespace)


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("10.1.20.11:4840", "does not start with `opc.tcp://`"),
        ("opc.tcp://", "names no host"),
        ("opc.tcp://plc:99999", "no valid port"),
        ("opc.tcp://uns:secret@plc", "belongs under `auth:"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(endpoint, says):
    """The sentence says what is wrong and how it is written."""
    with pytest.raises(ValidationError, match=says):
        OpcUaConfig(endpoint=endpoint)
