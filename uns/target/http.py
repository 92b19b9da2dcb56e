"""HTTP: each message is a POST of CloudEvents JSON with its id as `Idempotency-Key`.

The other end must do nothing for a key that it has seen, and may say 409 for it. See
docs/reference/targets/http.md for what each answer leads to.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import ClassVar, Final
from urllib.parse import quote

import aiohttp
from pydantic import Field, SecretStr, field_validator

from uns.target.target import Effect, Ending, Outcome, OutgoingMessage, Target, TargetConfig

__all__ = ["HttpConfig", "HttpTarget"]

_CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
_LONGEST_ANSWER: Final = 64 * 1024  # bytes read of an answer; a proxy's error page may be endless
_SHOWN: Final = 300  # characters of an answer that are kept and shown
_LONGEST_WAIT_S: Final = 3600.0  # an answer may not stop a route for a week
_DONE: Final = frozenset({HTTPStatus.CONFLICT})  # besides 2xx: this key is known already
_LATER: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
#: These are about us, not about the message: after the engineer's repair it will be taken.
_OURS_TO_REPAIR: Final = {
    HTTPStatus.UNAUTHORIZED: "it wants other credentials",
    HTTPStatus.FORBIDDEN: "it does not allow us",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "a proxy in between wants credentials",
}


class HttpConfig(TargetConfig):
    """The words of a target of type `http`."""

    url: str = Field(description="Where messages are posted to.")
    bearer: SecretStr | None = Field(
        None, description="A token, sent as `Authorization: Bearer …`; write ${env:NAME}."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers.")
    timeout_s: float = Field(
        15.0, gt=0, le=300, description="How long the other end may take for one message."
    )

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("an address begins with http:// or https://")
        return url


class HttpTarget(Target):
    """Posts messages. The same id again is safe: the other end knows the key."""

    Config: ClassVar[type[TargetConfig]] = HttpConfig
    effect: ClassVar[Effect] = Effect.NATIVE_KEY

    config: HttpConfig
    _session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make a session; connections are made when needed and kept."""
        timeout = aiohttp.ClientTimeout(
            total=self.config.timeout_s, sock_connect=min(5.0, self.config.timeout_s)
        )
        headers = {**self.config.headers, "Content-Type": _CONTENT_TYPE}
        if self.config.bearer:
            headers["Authorization"] = f"Bearer {self.config.bearer.get_secret_value()}"
        self._session = aiohttp.ClientSession(timeout=timeout, headers=headers)

    async def deliver(self, message: OutgoingMessage) -> Outcome:
        """POST it once."""
        assert self._session is not None, "open() comes first"  # noqa: S101 - our own mistake
        try:
            async with self._session.post(
                self.config.url,
                data=message.body.encode(),
                # A header is ASCII; an order's name need not be.
                headers={"Idempotency-Key": quote(message.id, safe="/:@._-~+ ").strip()},
                allow_redirects=False,
            ) as response:
                return await _read(response, self.config.url)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # No connection came about: it surely did not arrive.
            return Outcome(Ending.RETRY, f"{self.config.url} cannot be reached: {_plain(error)}")
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            return Outcome(Ending.RETRY, f"`{self.config.url}` cannot be used: {_plain(error)}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Outcome(
                Ending.UNKNOWN,
                f"no answer from {self.config.url}: {_plain(error)}; it may have arrived",
            )

    async def close(self) -> None:
        """Drop the connections."""
        session, self._session = self._session, None
        if session is not None:
            async with asyncio.timeout(2):
                await session.close()


async def _read(response: aiohttp.ClientResponse, url: str) -> Outcome:
    status = response.status
    if status in _DONE or 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 §15.3
        return Outcome(Ending.DONE, f"{status}")
    said = f"{url} answers {status} {response.reason}{await _text(response)}"
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # 500 is a program that stumbled, perhaps over this message; 503 and the like are a door.
        is_about_message = status == HTTPStatus.INTERNAL_SERVER_ERROR
        return Outcome(
            Ending.RETRY, said, _retry_after_s(response), is_about_message=is_about_message
        )
    if status in _OURS_TO_REPAIR:
        return Outcome(Ending.RETRY, f"{said}: {_OURS_TO_REPAIR[HTTPStatus(status)]}")
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 §15.4
        place = response.headers.get("Location", "nowhere")
        # Following it could turn the POST into a GET, and hand our token to somebody else.
        return Outcome(Ending.RETRY, f"{said}: it points to {place}; write the right address")
    return Outcome(Ending.DEAD, said)


async def _text(response: aiohttp.ClientResponse) -> str:
    """What was answered, as one short line after a colon; empty for nothing."""
    try:
        raw = await response.content.read(_LONGEST_ANSWER)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return ""  # the status has arrived and says enough
    text = " ".join(raw.decode("utf-8", "replace").split())
    return f": {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}" if text else ""


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Seconds or a date (RFC 9110 §10.2.3); None for neither."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    # The answer's own clock, where it says what that shows: ours may differ.
    try:
        now = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        now = datetime.now(UTC)
    if (at.tzinfo is None) != (now.tzinfo is None):
        return None
    return min(max((at - now).total_seconds(), 0.0), _LONGEST_WAIT_S)


def _plain(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(
        error, aiohttp.ClientSSLError
    ):
        number = error.os_error.errno or 0  # of resolvers below 0
        return os.strerror(number) if number > 0 else error.os_error.strerror or str(error)
    return str(error) or ("it took too long" if isinstance(error, TimeoutError) else repr(error))
