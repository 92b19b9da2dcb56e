"""`-b` given several times: brokers in order of preference."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result

from uns.cli.address import brokers_option


@click.command()
@brokers_option
def names(brokers: list[object]) -> None:
    """Say what was understood."""
    click.echo(" ".join(map(str, brokers)))


def _names(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(names, list(words), env=environment)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "mqtt://127.0.0.1:1883"),
        (("-b", "plant"), "mqtt://plant:1883"),
        (("-b", "a", "--broker", "mqtts://b:1"), "mqtt://a:1883 mqtts://b:1"),
    ],
)
def test_brokers_stand_in_the_order_given(words, expected):
    """One, several, or the default."""
    assert f"{expected}\n" == _names(*words).output


def test_brokers_from_the_environment_stand_in_their_order_too():
    """UNS_BROKER holds them with blanks between."""
    assert "mqtt://a:1883 mqtt://b:1883\n" == _names(UNS_BROKER="a b").output


def test_a_broker_twice_is_a_slip():
    """Walking from a broker to itself leads nowhere."""
    refused = _names("-b", "a", "-b", "mqtt://a:1883")
    assert 2 == refused.exit_code
    assert "mqtt://a:1883 is there twice" in refused.output
