"""How a server turns us away or leaves us, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncua import ua

from bridges.opcua.config import OpcUaConfig
from uns.errors import DeniedError, DeviceError

__all__ = ["sentences"]


@contextmanager
def sentences(config: OpcUaConfig) -> Iterator[None]:
    """Turn what asyncua raises into DeviceErrors; into DeniedErrors where a person has to act."""
    try:
        yield
    except ua.UaStatusCodeError as error:
        raise _refusal(ua.StatusCode(error.code), config) from error
    except ua.UaError as error:
        raise DeviceError(f"no OPC UA session: {error}") from error
    except TimeoutError as error:
        raise DeviceError(f"no answer within {config.timeout_s:g} s") from error
    except ConnectionRefusedError as error:
        hint = "is the server running, and is this its port?"
        raise DeviceError("connection refused", hint=hint) from error
    except OSError as error:
        raise DeviceError(f"connection lost: {error.strerror or error}") from error


def _refusal(status: ua.StatusCode, config: OpcUaConfig) -> DeviceError:
    denial = _DENIALS.get(status.name)
    if denial is not None:
        sentence, hint = denial
        user = config.auth.user if config.auth else "anonymous"
        return DeniedError(f"{sentence.format(user=user)} ({status.name})", hint=hint)
    hint = _HINTS.get(status.name, "")
    return DeviceError(f"the server answers {status.name}: {status.doc}", hint=hint)


_CHECK_AUTH = "check user and password under `auth` of the connection"
_WRONG_LOGIN = ("the server does not let `{user}` in: wrong user, password or rights", _CHECK_AUTH)
_NOT_TRUSTED = (
    "the server does not trust our certificate yet",
    "on the server, move it from the rejected to the trusted ones; or write `security: none`",
)
_NOT_VALID = (
    "the server finds our certificate expired or not valid yet",
    "compare the clocks of both machines; deleting `<certificates>/own` makes a new certificate",
)
_NOT_OURS = (
    "the server does not accept our certificate as that of this program",
    "delete `<certificates>/own` for a new one, and trust that on the server",
)
_DENIALS = {
    "BadUserAccessDenied": _WRONG_LOGIN,
    "BadIdentityTokenRejected": _WRONG_LOGIN,
    "BadIdentityTokenInvalid": (
        "the server does not take the way in which `{user}` logs in",
        "check `auth` of the connection, and which logins the server allows",
    ),
    "BadUserSignatureInvalid": _WRONG_LOGIN,
    "BadCertificateUntrusted": _NOT_TRUSTED,
    "BadSecurityChecksFailed": _NOT_TRUSTED,
    "BadCertificateIssuerRevocationUnknown": _NOT_TRUSTED,
    "BadCertificateRevoked": _NOT_OURS,
    "BadCertificateTimeInvalid": _NOT_VALID,
    "BadCertificateIssuerTimeInvalid": _NOT_VALID,
    "BadCertificateInvalid": _NOT_OURS,
    "BadCertificateUriInvalid": _NOT_OURS,
    "BadCertificateUseNotAllowed": _NOT_OURS,
    "BadCertificateHostNameInvalid": (
        "the server's certificate is made for another host",
        "write the host's name, as in the certificate, into `endpoint`",
    ),
    "BadSecurityModeRejected": (
        "the server does not allow this security mode",
        "write `security: auto` into the connection, or allow the mode on the server",
    ),
    "BadSecurityPolicyRejected": (
        "the server does not allow this security policy",
        "write `security: auto` into the connection, or allow the policy on the server",
    ),
}
_HINTS = {
    "BadTcpEndpointUrlInvalid": "check the path of `endpoint`, as the server's own tool shows it",
    "BadTooManySessions": "close other clients of the server, or wait until it forgets old sessions",
}
