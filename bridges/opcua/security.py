"""Which security a session gets: the highest that both ends know and our identity may use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from asyncua import Client, ua
from asyncua.crypto import security_policies

from bridges.opcua.config import OpcUaConfig, Security
from bridges.opcua.identity import certificate_folder, own_identity
from bridges.opcua.trust import TrustStore, leaf
from uns.errors import DeniedError

__all__ = ["best_offer", "check_plain", "is_plain", "secure"]

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
    """Return the endpoint with the highest level that we can use; raise DeniedError for none."""
    known = [end for end in endpoints if end.SecurityPolicyUri in _POLICIES]
    if not known:
        raise DeniedError(
            "the server offers no security policy that we know",
            hint="allow Basic256Sha256, Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss on the server",
        )
    wanted = ua.UserTokenType.UserName if config.auth else ua.UserTokenType.Anonymous
    usable = [end for end in known if _takes(end, wanted)]
    if not usable:
        sentence, hint = _REFUSALS[wanted]
        raise DeniedError(sentence, hint=hint)
    chosen = [end for end in usable if _is_wanted(end, config.security)]
    if not chosen:
        offered = ", ".join(sorted({_described(end) for end in usable}))
        raise DeniedError(
            f"the server does not offer the security that is asked for, but {offered}",
            hint="change `security` of the connection, or what the server allows",
        )
    return max(chosen, key=lambda end: (end.SecurityMode.value, end.SecurityLevel))


def _is_wanted(endpoint: ua.EndpointDescription, security: Security | str) -> bool:
    if not isinstance(security, Security):
        return True
    is_policy = security.policy in ("any", _policy_name(endpoint))
    return endpoint.SecurityMode is _MODES[security.mode] and is_policy


def _policy_name(endpoint: ua.EndpointDescription) -> str:
    return str(endpoint.SecurityPolicyUri).rpartition("#")[2]


def _described(endpoint: ua.EndpointDescription) -> str:
    names = {mode: name for name, mode in _MODES.items()}
    mode = names.get(endpoint.SecurityMode)
    return f"{{mode: {mode}, policy: {_policy_name(endpoint)}}}" if mode else "none"


def is_plain(endpoint: ua.EndpointDescription) -> bool:
    """Whether sessions there are neither signed nor encrypted."""
    return bool(endpoint.SecurityMode is ua.MessageSecurityMode.None_)


async def secure(
    client: Client, endpoint: ua.EndpointDescription, config: OpcUaConfig, home: Path
) -> None:
    """Prepare a client that is not connected yet for the endpoint's security."""
    folder = certificate_folder(config.certificates, home)
    identity = await asyncio.to_thread(own_identity, folder)
    await asyncio.to_thread(
        TrustStore(folder).check,
        config.endpoint(),
        endpoint.ServerCertificate or b"",
        trust=config.trust,
        expected=config.fingerprint,
    )
    await client.set_security(
        _POLICIES[endpoint.SecurityPolicyUri],
        identity.certificate,
        identity.key,
        server_certificate=leaf(endpoint.ServerCertificate or b""),
        mode=endpoint.SecurityMode,
    )


def check_plain(config: OpcUaConfig, home: Path) -> None:
    """Raise DeniedError where a server that once had a certificate offers plain sessions only.

    Whoever is in between can leave the better ones out of the list.
    """
    store = TrustStore(certificate_folder(config.certificates, home))
    if config.fingerprint or config.trust == "listed" or store.knows(config.endpoint()):
        raise DeniedError(
            "the server offers no secured sessions, and it should",
            hint="if that is meant to be so, write `security: none` into the connection",
        )


def _takes(endpoint: ua.EndpointDescription, wanted: ua.UserTokenType) -> bool:
    return any(token.TokenType is wanted for token in endpoint.UserIdentityTokens or ())


_MODES = {
    "sign": ua.MessageSecurityMode.Sign,
    "sign_and_encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}
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
