"""One HTTP session: GET, with a bound on time and size, and every failure a sentence."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bridges.http.config import HttpConfig
from bridges.spoken import spoken
from uns.errors import DeniedError, DeviceError

__all__ = ["HttpSession", "NotServedError"]

_CHUNK: Final = 65_536
_CONNECTIONS: Final = 4  # machine controllers have little to spare
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_DENIED: Final = (401, 403, 407)


class NotServedError(Exception):
    """The server is there, and does not serve this one request."""


class HttpSession:
    """A session with one server; every call has a deadline."""

    def __init__(self, config: HttpConfig, home: Path) -> None:
        self._config = config
        self._home = home
        host, port = config.endpoint()
        self._where = f"{host}:{port}"
        self._client: aiohttp.ClientSession | None = None
        self.requests = 0  # sent so far

    def open(self) -> None:
        """Prepare; nothing is asked yet. Raises DeviceError for certificates that are none."""
        config = self._config
        headers = {name: value.get_secret_value() for name, value in config.headers.items()}
        if config.token.get_secret_value():
            headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
        if config.auth:
            login = f"{config.auth.user}:{config.auth.password.get_secret_value()}"
            headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
        self._client = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=config.timeout_s),
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self._trust()),
            auto_decompress=False,  # a few bytes could become gigabytes
            skip_auto_headers=("Accept-Encoding",),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def get(self, request: str) -> bytes:
        """The answer's body.

        Raises NotServedError where the server refuses this request alone, DeviceError where it
        cannot be reached, is too slow, or lets us in nowhere.
        """
        if self._client is None:
            raise DeviceError(f"{self._where}: the session is not open")
        url = URL(self._config.url + request, encoded=True)
        self.requests += 1
        try:
            async with self._client.get(url, allow_redirects=False) as answer:
                self._check(answer, request)
                return await self._body(answer, request)
        except TimeoutError:
            raise DeviceError(
                f"{self._where} did not answer `{request}` within {self._config.timeout_s:g} s",
                hint="is it running? A slow one wants a longer `timeout_s`",
            ) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise DeniedError(
                f"{self._where} shows a certificate that is not trusted: {error.certificate_error}",
                hint="name its authority with `ca_file`",
            ) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise DeviceError(
                f"{self._where} does not speak TLS with us: {error.os_error}",
                hint="is it `http://` perhaps?",
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise DeviceError(
                f"{self._where} cannot be reached: {spoken(error.os_error)}",
                hint="is it running, and are host and port right?",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeviceError(
                f"{self._where} cannot be asked: {error or type(error).__name__}",
                hint="check host and port, and that it serves HTTP",
            ) from error

    async def close(self) -> None:
        """Drop every connection; safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
            await asyncio.sleep(0)  # lets transports go before the loop does

    def _check(self, answer: aiohttp.ClientResponse, request: str) -> None:
        """Raise where the status is no success."""
        if answer.status == _OK:
            return
        said = f"{answer.status} {answer.reason or ''}".strip()
        if answer.status in _DENIED:
            raise DeniedError(
                f"{self._where} does not let us in: {said} for `{request}`",
                hint="check `auth`, `token` or `headers` of the connection",
            )
        if answer.status in _REDIRECTS:
            to = urlsplit(answer.headers.get("Location", "")).geturl()[:200]
            raise NotServedError(f"it sends us to `{to}`: write that address")
        raise NotServedError(f"it answers {said}")

    async def _body(self, answer: aiohttp.ClientResponse, request: str) -> bytes:
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise NotServedError("it compresses its answer though we did not ask for that")
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._config.max_bytes:
                raise NotServedError(
                    f"its answer to `{request}` is longer than {self._config.max_bytes:,} bytes"
                )
        return bytes(body)

    def _trust(self) -> ssl.SSLContext | bool:
        if not self._config.verify:
            return False
        if not self._config.ca_file:
            return True
        path = self._home / self._config.ca_file
        try:
            return ssl.create_default_context(cafile=str(path))
        except OSError as error:
            raise DeviceError(
                f"`ca_file` {path} cannot be used: {error.strerror or error}",
                hint="it must be certificates in PEM",
            ) from error
