"""Quality codes: what Sparkplug, Ignition and OPC sources mean by the numbers that they send."""

from __future__ import annotations

import pytest

from uns.metric import DataType, Quality
from uns.sparkplug.metrics import Property
from uns.sparkplug.properties import quality_of
from uns.sparkplug.quality import read_quality


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (0, Quality.BAD),
        (192, Quality.GOOD),
        (500, Quality.STALE),
        (200, Quality.GOOD),  # Ignition: Good_Provisional
        (2, Quality.UNCERTAIN),  # Ignition: Good_WritePending
        (1073742081, Quality.UNCERTAIN),  # Ignition: Uncertain_LastKnownValue
        (-2147483136, Quality.BAD),  # Ignition: Bad
        (-2147483132, Quality.STALE),  # Ignition: Bad_Stale
        (2147484164, Quality.STALE),  # the same, not taken for signed
        (-1073741049, Quality.BAD),  # Ignition: Error_TimeoutExpired
        (64, Quality.UNCERTAIN),  # OPC DA
        (24, Quality.BAD),  # OPC DA: communication failure
        (216, Quality.GOOD),  # OPC DA: local override
        (513, Quality.BAD),
        (10**30, Quality.BAD),
        ("Good", Quality.BAD),
        (True, Quality.BAD),
        (None, Quality.BAD),
    ],
)
def test_a_code_means_what_its_sender_means(code: object, quality: Quality) -> None:
    """Sparkplug's codes come first, then Ignition's severity bits and OPC's bytes."""
    assert quality == read_quality(code)[0]


def test_the_word_of_a_code_is_why_a_value_is_not_good() -> None:
    """Somebody who looks at the tree reads `NotConnected`, not a number."""
    properties = {"Quality": Property(DataType.INT32, -2147483126)}
    assert (Quality.BAD, "NotConnected") == quality_of(properties)


def test_a_good_code_other_than_192_is_good() -> None:
    """An initial or back-filled value of Ignition is as good as any."""
    assert (Quality.GOOD, "") == quality_of({"Quality": Property(DataType.INT32, 203)})
