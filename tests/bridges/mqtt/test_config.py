"""The words of an MQTT connection."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridges.mqtt import MqttConfig


def test_the_key_tells_sessions_apart_and_no_secret():
    """Equal for equal sessions, with the user in it, and never the password."""
    told = MqttConfig(broker="mqtt://10.1.1.5", user="anna", password="s3cret")
    assert "mqtt://anna@10.1.1.5:1883" == told.key()
    assert "s3cret" not in repr(told)
    assert "mqtts://[::1]:8883" == MqttConfig(broker="mqtts://[::1]").key()
    watching = MqttConfig(broker="mqtt://10.1.1.5", watch="legacy/+/data")
    assert watching.key().startswith("mqtt://10.1.1.5:1883#")
    assert ("legacy/+/data",) == watching.watch


def test_a_simulated_broker_has_no_tls():
    """Moved to this machine, the connection is a plain one."""
    moved = MqttConfig(broker="mqtts://broker.plant", timestamp="$.ts").moved_to(2883)
    assert ("mqtt://127.0.0.1:2883", ("127.0.0.1", 2883), "$.ts") == (
        moved.broker,
        moved.endpoint(),
        moved.timestamp,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"broker": "10.1.1.5:1883"}, "does not start with `mqtt://`"),
        ({"broker": "mqtt://"}, "more or less than a host and a port"),
        ({"broker": "mqtt://a:99999"}, "Port out of range"),
        ({"broker": "mqtt://u:p@a"}, "under `user:` and `password:`"),
        ({"broker": "mqtt://a/path"}, "more or less"),
        ({"broker": "mqtt://a", "timestamp": "ts"}, "column 1: `ts` is no JSON path"),
        ({"broker": "mqtt://a", "watch": "a/b+/c"}, "`+` must stand alone"),
        ({"broker": "mqtt://a", "watch": "+x/+x"}, "two levels are called `x`"),
        ({"broker": "mqtt://a", "host_id": "a/b"}, "no Sparkplug id"),
        ({"broker": "mqtt://a", "topic": "x"}, "Extra inputs"),
    ],
)
def test_a_wrong_word_is_told(words, sentence):
    """Each sentence says what is wrong with it."""
    with pytest.raises(ValidationError) as caught:
        MqttConfig(**words)
    assert sentence in str(caught.value)


def test_every_word_is_described():
    """The schema of a project says what each word is for."""
    assert [] == [n for n, f in MqttConfig.model_fields.items() if not f.description]
