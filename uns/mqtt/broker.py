"""A broker: where it is, how to log in, and the sentence for each way it can fail us."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from uns.errors import BrokerError, ProjectError

__all__ = ["Broker"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_FILES = ("cafile", "certfile", "keyfile")
_SHAPE = "write it as mqtt://host:1883, or mqtts://user:password@host:8883?cafile=ca.pem"


@dataclass(frozen=True, slots=True)
class Broker:
    """An address and credentials.

    >>> str(Broker.parse("mqtts://anna:secret@plant.example"))
    'mqtts://anna@plant.example:8883'
    """

    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)
    scheme: str = "mqtt"
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""

    @classmethod
    def parse(cls, url: str) -> Broker:
        """The broker at `url`; raises ProjectError where it is no broker's address."""
        text = url if "://" in url else f"mqtt://{url}"
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ProjectError(f"`{_hidden(url)}`: {error}", hint=_SHAPE) from None
        if parts.scheme not in _PORTS:
            raise ProjectError(
                f"`{_hidden(url)}`: a broker's address begins with mqtt:// or mqtts://",
                hint=_SHAPE,
            )
        if not host or parts.path not in ("", "/"):
            raise ProjectError(f"`{_hidden(url)}` is no broker's address", hint=_SHAPE)
        options = parse_qs(parts.query)
        unknown = sorted(set(options) - set(_FILES))
        if unknown:
            raise ProjectError(
                f"`{_hidden(url)}`: `{unknown[0]}` is no option of a broker's address",
                hint=f"known are {', '.join(_FILES)}",
            )
        return cls(
            host=host,
            port=port or _PORTS[parts.scheme],
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            scheme=parts.scheme,
            **{name: values[0] for name, values in options.items()},
        )

    @property
    def address(self) -> str:
        """Host and port, as error sentences name the broker."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        user = f"{self.username}@" if self.username else ""
        return f"{self.scheme}://{user}{self.address}"

    def tls_context(self) -> ssl.SSLContext | None:
        """What to check the broker's certificate with; None for mqtt://."""
        if self.scheme != "mqtts":
            return None
        try:
            context = ssl.create_default_context(cafile=self.cafile or None)
            if self.certfile:
                context.load_cert_chain(self.certfile, self.keyfile or None)
        except OSError as error:  # ssl.SSLError is one
            names = ", ".join(name for name in (self.cafile, self.certfile, self.keyfile) if name)
            raise BrokerError(
                f"cannot use the certificates for {self.address} ({names}): "
                f"{error.strerror or error}",
                hint="check the files that the broker's address names; they must be PEM",
            ) from None
        return context

    def failure(self, error: OSError) -> BrokerError:
        """The sentence for a connection that did not come about."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return BrokerError(
                f"the certificate of {self.address} is not trusted: {error.verify_message}",
                hint="name the authority that signed it: mqtts://…?cafile=ca.pem",
            )
        if isinstance(error, ssl.SSLError):
            return BrokerError(
                f"no TLS with {self.address}: {error.reason or error}",
                hint="does this port speak TLS? mqtt:// is without",
            )
        if isinstance(error, socket.gaierror):
            return BrokerError(
                f"the name `{self.host}` of the broker is not known here",
                hint="check the spelling, or write its IP address",
            )
        if error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error):
            return BrokerError(
                f"nothing answers at {self.address} (connection refused)",
                hint="`uns demo` brings a broker of its own; or start Mosquitto; or check the address",
            )
        return BrokerError(
            f"cannot reach the broker at {self.address}: {error.strerror or error}",
            hint="check the address, the network and the firewall",
        )


def _hidden(url: str) -> str:
    """The address without its password: errors end up in logs."""
    before, at, after = url.rpartition("@")
    if not at:
        return url
    scheme, slashes, login = before.rpartition("://")
    return f"{scheme}{slashes}{login.partition(':')[0]}@{after}"
