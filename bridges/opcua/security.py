"""Which security a session gets: the highest that both ends know and our identity may use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto import security_policies

from bridges.opcua.config import OpcUaConfig
from bridges.opcua.identity import certificate_folder, check_server, own_identity
from uns.errors import DeviceError

__all__ = ["best_offer", "is_plain", "secure"]

_POLICIES = {  # what is deprecated (Basic128Rsa15, Basic256) is not among them
    policy.URI: policy
    for policy in (
        security_policies.SecurityPolicyNone,
        security_policies.SecurityPolicyBasic256Sha256,
        security_policies.SecurityPolicyAes128Sha256RsaOaep,
        security_policies.SecurityPolicyAes256Sha256RsaPss,
    )
}


def best_offer(
    endpoints: Sequence[ua.EndpointDescription], config: OpcUaConfig
) -> ua.EndpointDescription:
    """Return the endpoint with the highest level that we can use; raise DeviceError for none."""
    known = [end for end in endpoints if end.SecurityPolicyUri in _POLICIES]
    if not known:
        raise DeviceError(
            "the server offers no security policy that we know",
            hint="allow Basic256Sha256, Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss on the server",
        )
    wanted = ua.UserTokenType.UserName if config.auth else ua.UserTokenType.Anonymous
    usable = [end for end in known if _takes(end, wanted)]
    if not usable:
        sentence, hint = _REFUSALS[wanted]
        raise DeviceError(sentence, hint=hint)
    return max(usable, key=lambda end: (end.SecurityMode.value, end.SecurityLevel))


def is_plain(endpoint: ua.EndpointDescription) -> bool:
    """Whether sessions there are neither signed nor encrypted."""
    return bool(endpoint.SecurityMode is ua.MessageSecurityMode.None_)


async def secure(
    client: Client, endpoint: ua.EndpointDescription, config: OpcUaConfig, home: Path
) -> None:
    """Prepare a client that is not connected yet for the endpoint's security."""
    folder = certificate_folder(config.certificates, home)
    identity = await asyncio.to_thread(own_identity, folder)
    await asyncio.to_thread(check_server, folder, config.endpoint(), endpoint.ServerCertificate)
    await client.set_security(
        _POLICIES[endpoint.SecurityPolicyUri],
        identity.certificate,
        identity.key,
        server_certificate=endpoint.ServerCertificate,
        mode=endpoint.SecurityMode,
    )


def _takes(endpoint: ua.EndpointDescription, wanted: ua.UserTokenType) -> bool:
    return any(token.TokenType is wanted for token in endpoint.UserIdentityTokens or ())


_REFUSALS = {
    ua.UserTokenType.UserName: (
        "the server takes no user names",
        "remove `auth` from the connection, or allow user names on the server",
    ),
    ua.UserTokenType.Anonymous: (
        "the server does not take anonymous clients",
        "add `auth: {user: …, password: ${env:…}}` to the connection",
    ),
}
