"""The contract of a driver, part one: settings and addresses, without any device."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridges.driver import DriverConfig
from uns.errors import AddressError
from uns.testing.device import Device
from uns.testing.subject import Proxying, Subject

__all__ = ["Words"]

_SECRET = "s3cret-never-shown"  # noqa: S105 - the test looks whether it is shown
_IMPORT_S = 0.25  # 50 ms of promise, on a machine that does other things too
_PORT = 1


class Words(Subject):
    """What an engineer writes is understood or refused before anything is connected."""

    async def test_an_address_reads_the_same_when_it_is_printed(self) -> None:
        """The text of a parsed address is its canonical form: it parses to the same."""
        config = self.config(_PORT)
        for text in (self.address(0), self.address(1), *self.addresses()):
            parsed = self.driver_class.parse(text, config)
            assert parsed == self.driver_class.parse(str(parsed), config), text
            assert hash(parsed) == hash(self.driver_class.parse(text, config)), text
        first, second = (self.driver_class.parse(self.address(n), config) for n in (0, 1))
        assert first != second

    async def test_any_text_is_an_address_or_says_where_it_is_not(self) -> None:
        """AddressError, with a column in the text (or just behind it) and what to write instead."""
        config = self.config(_PORT)
        known = [self.address(0), *self.addresses()]

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.one_of(st.text(max_size=40), _mutations(known)))
        @example("")
        @example(" ")
        @example("\x00")
        @example("/" * 500)
        def holds(text: str) -> None:
            parsed, mistake = self._understood(text, config)
            if mistake is None:
                assert parsed == self.driver_class.parse(str(parsed), config), text
                return
            assert 1 <= mistake.column <= len(text) + 1, (text, mistake.column)
            assert str(mistake)

        holds()

    def _understood(self, text: str, config: DriverConfig) -> tuple[object, AddressError | None]:
        try:
            return self.driver_class.parse(text, config), None
        except AddressError as error:
            return None, error

    async def test_an_address_that_is_missing_is_refused_with_an_example(self) -> None:
        """An empty address is a mistake, and the hint says what one looks like."""
        with pytest.raises(AddressError) as caught:
            self.driver_class.parse("", self.config(_PORT))
        assert caught.value.hint

    async def test_equal_settings_are_one_connection(self) -> None:
        """The key is a short line for people: the same for equal settings, another for others."""
        one, same, other = self.config(1001), self.config(1001), self.config(1002)
        assert one == same
        assert one.key() == same.key()
        assert one.key() != other.key()
        assert 3 <= len(one.key()) <= 200
        assert one.key().isprintable()

    async def test_a_moved_connection_reaches_this_machine(self, networked: None) -> None:
        """A simulator moves a connection to a port of its own; the rest of it stays."""
        config = self.config(1001)
        moved = config.moved_to(1002)
        assert (1002, type(config)) == ((moved.endpoint() or ("", 0))[1], type(moved))
        assert config.endpoint() == moved.moved_to(1001).endpoint()

    async def test_a_secret_is_never_shown(self) -> None:
        """No password in the key, in the text of the settings, or in that of the driver."""
        config = self.with_secret(_PORT, _SECRET)
        if config is None:
            pytest.skip(f"the driver {self.protocol} has no secret, or its test declares none")
        shown = f"{config.key()}{config.runtime_key()}{config!r}{config}{config.model_dump()}"
        assert _SECRET not in shown
        assert _SECRET not in f"{self.driver_class(config)!r}"

    async def test_every_setting_is_described(self) -> None:
        """Editors and the reference show what a word of `connection:` means."""
        fields = self.driver_class.Config.model_fields
        assert [] == [name for name, field in fields.items() if not field.description]

    async def test_a_setting_that_does_not_exist_is_refused(self) -> None:
        """A word that is spelt wrongly is a mistake, not ignored; settings cannot be changed."""
        config = self.config(_PORT)
        assert isinstance(config, DriverConfig)
        fields = type(config).model_fields
        words = {
            fields[name].alias or name: getattr(config, name) for name in config.model_fields_set
        }
        assert config == type(config).model_validate(words)
        with pytest.raises(ValidationError, match="no_such_word"):
            type(config).model_validate({**words, "no_such_word": 1})
        with pytest.raises(ValidationError, match="frozen"):
            config.enabled = False  # type: ignore[misc]  # this is what has to fail

    async def test_it_is_imported_quickly(self) -> None:
        """Checking a project loads the driver, but none of the libraries that it talks with."""
        module = self.driver_class.__module__
        script = (
            "import time, pydantic, bridges.driver, uns.errors; began = time.process_time(); "
            f"import {module}; print(time.process_time() - began)"
        )
        took = []
        for _ in range(3):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", script),
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            out, _ = await process.communicate()
            took.append(float(out))
        assert min(took) < _IMPORT_S

    async def test_validates_without_connecting(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Config, addresses and the driver itself are made without a connection."""
        proxy = await fault_proxy(shared_device.port)
        self.driver(proxy.port)
        self.tags(proxy.port)
        await asyncio.sleep(0.1)
        assert 0 == proxy.accepted


def _mutations(known: list[str]) -> st.SearchStrategy[str]:
    """Addresses with a stretch of them replaced."""
    return st.builds(
        lambda text, at, length, new: (
            text[: at % (len(text) + 1)] + new + text[at % (len(text) + 1) + length :]
        ),
        st.sampled_from(known),
        st.integers(0, 60),
        st.integers(0, 4),
        st.text(max_size=4),
    )
