"""Security: what is chosen, and what is done about certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies
from asyncua.crypto.permission_rules import User, UserRole

from bridges.opcua import OpcUaConfig, OpcUaDriver
from bridges.opcua.identity import certificate_folder, own_identity
from bridges.opcua.security import best_offer, check_plain, is_plain
from bridges.opcua.trust import fingerprint
from uns.errors import DeniedError, StorageError
from uns.sim.opcua_server import _SharedStandardNodes

NONE = security_policies.SecurityPolicyNone.URI
BASIC = security_policies.SecurityPolicyBasic256Sha256.URI
AES = security_policies.SecurityPolicyAes256Sha256RsaPss.URI
OLD = security_policies.SecurityPolicyBasic128Rsa15.URI
MODE = ua.MessageSecurityMode
ANONYMOUS, USER = ua.UserTokenType.Anonymous, ua.UserTokenType.UserName


def offer(policy, mode, level, *tokens):
    return ua.EndpointDescription(
        SecurityPolicyUri=policy,
        SecurityMode=mode,
        SecurityLevel=level,
        UserIdentityTokens=[ua.UserTokenPolicy(TokenType=token) for token in tokens],
    )


OFFERS = [
    offer(NONE, MODE.None_, 0, ANONYMOUS),
    offer(BASIC, MODE.Sign, 50, ANONYMOUS),
    offer(BASIC, MODE.SignAndEncrypt, 70, ANONYMOUS),
    offer(AES, MODE.SignAndEncrypt, 80, USER),
    offer(OLD, MODE.SignAndEncrypt, 99, ANONYMOUS, USER),
]


@pytest.mark.parametrize(
    ("auth", "offers", "chosen"),
    [
        (None, OFFERS, OFFERS[2]),
        ({"user": "uns", "password": "x"}, OFFERS, OFFERS[3]),
        (None, OFFERS[:1], OFFERS[0]),
        (None, OFFERS[:2], OFFERS[1]),
    ],
)
def test_the_highest_level_that_our_identity_may_use_is_chosen(auth, offers, chosen):
    """Encrypted before signed before plain; deprecated policies are not used at all."""
    config = OpcUaConfig(endpoint="opc.tcp://plc", auth=auth)
    assert chosen is best_offer(offers, config)
    assert is_plain(chosen) == (chosen is OFFERS[0])


@pytest.mark.parametrize(
    ("auth", "offers", "says"),
    [
        (None, OFFERS[3:4], "does not take anonymous clients"),
        ({"user": "uns"}, OFFERS[:3], "takes no user names"),
        (None, OFFERS[4:], "no security policy that we know"),
    ],
)
def test_an_offer_without_anything_for_us_is_an_error_in_words(auth, offers, says):
    """The sentence says what is missing and the hint where to change it."""
    with pytest.raises(DeniedError, match=says) as caught:
        best_offer(offers, OpcUaConfig(endpoint="opc.tcp://plc", auth=auth))
    assert caught.value.hint


def test_our_certificate_is_made_once(tmp_path: Path):
    """The same one ever after, since servers trust it by hand; the key is for our eyes only."""
    first = own_identity(tmp_path / "pki")
    made = first.certificate.read_bytes()
    assert made == own_identity(tmp_path / "pki").certificate.read_bytes()
    assert 0o600 == first.key.stat().st_mode & 0o777
    assert ["own"] == [entry.name for entry in (tmp_path / "pki").iterdir()]


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path):
    """With the folder's name and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot keep an OPC UA certificate"):
        own_identity(tmp_path / "file")


def test_a_certain_security_is_taken_instead_of_the_best():
    """`{mode, policy}`, or only a mode; where the server has none of it, it says what it has."""
    both = [offer(AES, MODE.SignAndEncrypt, 80, ANONYMOUS), *OFFERS]

    def chosen(**security):
        return best_offer(both, OpcUaConfig(endpoint="opc.tcp://plc", security=security))

    assert OFFERS[1] is chosen(mode="sign")
    assert OFFERS[2] is chosen(policy="Basic256Sha256")
    assert both[0] is chosen()
    with pytest.raises(DeniedError, match=r"none, \{mode: sign, policy: Basic256Sha256\}"):
        chosen(policy="Aes128_Sha256_RsaOaep")


def test_a_server_that_offers_less_than_before_is_refused(tmp_path: Path):
    """Whoever is in between can hide the secured endpoints; `security: none` is said by hand."""
    config = OpcUaConfig(endpoint="opc.tcp://plc:4840")
    check_plain(config, tmp_path)
    (tmp_path / "opcua/trusted").mkdir(parents=True)
    (tmp_path / "opcua/trusted/plc_4840.der").write_bytes(b"seen before")
    with pytest.raises(DeniedError, match="no secured sessions") as caught:
        check_plain(config, tmp_path)
    assert "security: none" in caught.value.hint


def test_the_folder_is_in_the_state_folder_and_an_older_one_is_still_used(tmp_path, monkeypatch):
    """Servers trust the certificate that an earlier version made in the working directory."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "state"
    assert home / "opcua" == certificate_folder("opcua", home)
    (tmp_path / ".uns/opcua/own").mkdir(parents=True)
    assert Path(".uns/opcua") == certificate_folder("opcua", home)
    assert Path(".uns/opcua") == certificate_folder(".uns/opcua", home)
    (home / "opcua").mkdir(parents=True)
    assert home / "opcua" == certificate_folder("opcua", home)
    assert Path("/etc/uns") == certificate_folder("/etc/uns", home)


def test_our_certificate_that_expired_is_said(tmp_path: Path, certificates):
    """Servers refuse it without saying why; the way to a new one is in the hint."""
    own = own_identity(tmp_path)
    own.certificate.write_bytes(certificates.made(days=-1))
    with pytest.raises(DeniedError, match="our own certificate expired") as caught:
        own_identity(tmp_path)
    assert str(own.certificate.parent) in caught.value.hint


class _Users:
    def get_user(self, _iserver, username=None, password=None, certificate=None):
        is_known = (username, password) == ("uns", "right")
        return User(role=UserRole.User, name=username) if is_known else None


@pytest.fixture
async def secured(tmp_path: Path):
    """A server that takes nothing but encrypted sessions of a user who has a password."""
    server = Server(_SharedStandardNodes(_Users()))
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_identity_tokens([ua.UserNameIdentityToken])
    await server.init()
    identity = own_identity(tmp_path / "server")
    await server.load_certificate(identity.certificate)
    await server.load_private_key(identity.key)
    await server.start()
    yield server
    for session in list(server.iserver._external_sessions.values()):
        await session.close_session()
    await server.stop()


def _config(server: Server, folder: Path, password: str = "right") -> OpcUaConfig:
    return OpcUaConfig(
        endpoint=f"opc.tcp://127.0.0.1:{server.bserver.port}",
        certificates=str(folder),
        auth={"user": "uns", "password": password},
    )


@pytest.mark.slow
async def test_an_encrypted_session_reads_values(secured: Server, tmp_path: Path, tags_at):
    """`auto` finds the only way in, with a certificate made on the way."""
    config = _config(secured, tmp_path / "ours")
    driver = OpcUaDriver(config)
    try:
        await driver.open()
        (result,) = await driver.bind(tags_at(config, "ns=0;i=2258"))
        assert "" == result.problem
    finally:
        await driver.close()


@pytest.mark.slow
async def test_a_server_that_does_not_trust_us_is_explained(secured: Server, tmp_path: Path):
    """The hint says where on the server our certificate waits to be trusted."""

    async def reject(_certificate, _application):
        raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    secured.set_certificate_validator(reject)
    driver = OpcUaDriver(_config(secured, tmp_path / "ours"))
    with pytest.raises(DeniedError, match="does not trust our certificate yet") as caught:
        await driver.open()
    await driver.close()
    assert "trusted ones" in caught.value.hint


@pytest.mark.slow
async def test_a_wrong_password_is_told_apart_from_a_wrong_certificate(secured, tmp_path: Path):
    """Both need a person, and each says which one: the runtime waits longer before it retries."""
    driver = OpcUaDriver(_config(secured, tmp_path / "ours", password="wrong"))
    with pytest.raises(DeniedError, match="does not let `uns` in") as caught:
        await driver.open()
    await driver.close()
    assert "auth" in caught.value.hint
    (pinned,) = (tmp_path / "ours/trusted").iterdir()
    pinned.write_bytes(own_identity(tmp_path / "another").certificate.read_bytes())
    driver = OpcUaDriver(_config(secured, tmp_path / "ours"))
    with pytest.raises(DeniedError, match="shows another certificate") as caught:
        await driver.open()
    await driver.close()
    (rejected,) = (tmp_path / "ours/rejected").iterdir()
    assert str(rejected) in caught.value.hint
    rejected.rename(tmp_path / "ours/trusted" / rejected.name)
    driver = OpcUaDriver(_config(secured, tmp_path / "ours"))
    await driver.open()
    await driver.close()


@pytest.mark.slow
async def test_a_fingerprint_in_the_project_is_the_only_one_that_counts(secured, tmp_path: Path):
    """Nothing is trusted at first sight where somebody wrote which certificate it has to be."""
    shown = (tmp_path / "server/own/certificate.der").read_bytes()
    config = _config(secured, tmp_path / "ours")
    for value, says in ((fingerprint(shown), ""), ("00:" * 31 + "00", "with the fingerprint")):
        driver = OpcUaDriver(config.model_copy(update={"fingerprint": value.upper()}))
        if says:
            with pytest.raises(DeniedError, match=says):
                await driver.open()
        else:
            await driver.open()
        await driver.close()
