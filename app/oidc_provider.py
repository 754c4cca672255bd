"""An OpenID provider, asked by Authlib."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from app.config import Settings
from app.oidc import Flow, NotProvedError, ProviderAwayError

_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
_REMEMBER_SECONDS = 3600
_KEYS_AGAIN_AFTER_SECONDS = 30
_LEEWAY_SECONDS = 60
_MOST_READ = 1024 * 1024
_WITHIN_SECONDS = 10
_CLIENT = {"timeout": 10, "trust_env": False, "follow_redirects": False, "headers": {"accept-encoding": "identity"}}


class Bounded(httpx2.AsyncHTTPTransport):
    """What a provider says is short, at once and not packed; of anything else no more is read."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            async with asyncio.timeout(_WITHIN_SECONDS):
                return await self._whole(request)
        except TimeoutError:
            raise httpx2.ReadTimeout("too slow", request=request) from None

    async def _whole(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        body = bytearray()
        try:
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise httpx2.DecodingError("packed", request=request)
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > _MOST_READ:
                    raise httpx2.ReadError("too long", request=request)
        finally:
            await answer.aclose()
        return httpx2.Response(answer.status_code, headers=answer.headers, content=bytes(body))


class OidcProvider:
    """What the issuer says of itself is remembered for an hour; its keys too, unless a token names a new one."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer
        self.issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        secret = settings.oidc_client_secret
        self._client_secret = secret.get_secret_value() if secret else None
        self._claim = settings.oidc_claim
        self._metadata: tuple[dict[str, Any], float] | None = None
        self._keys: tuple[KeySet, float] | None = None
        self._keys_again_at = 0.0

    async def address(self, flow: Flow, redirect_uri: str) -> str:
        metadata = await self._known()
        async with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
            )
        return str(address)

    async def who(self, flow: Flow, came_back: Mapping[str, str], redirect_uri: str) -> str:
        if not hmac.compare_digest(came_back.get("state", "").encode(), flow.state.encode()):
            raise NotProvedError("state")
        if came_back.get("iss", self.issuer) != self.issuer:  # RFC 9207
            raise NotProvedError("iss")
        if "code" not in came_back:
            raise NotProvedError("no code")
        metadata = await self._known()
        try:
            async with self._client(redirect_uri) as client:
                token = await client.fetch_token(
                    metadata["token_endpoint"],
                    code=came_back["code"],
                    code_verifier=flow.verifier,
                    grant_type="authorization_code",
                )
        except AuthlibBaseError as error:
            raise NotProvedError("code") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAwayError from error
        return self._name_in(await self._claims(token, flow))

    async def end_session(self, back_to: str) -> str | None:
        try:
            endpoint = (await self._known()).get("end_session_endpoint")
        except ProviderAwayError:
            return None
        if not isinstance(endpoint, str) or not _is_safe(endpoint):
            return None
        joint = "&" if urlsplit(endpoint).query else "?"
        return f"{endpoint}{joint}{urlencode({'client_id': self._client_id, 'post_logout_redirect_uri': back_to})}"

    async def _claims(self, token: Mapping[str, Any], flow: Flow) -> CodeIDToken:
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise NotProvedError("no ID token")
        try:
            try:
                decoded = jwt.decode(id_token, await self._key_set(), algorithms=list(_ALGORITHMS))
            except InvalidKeyIdError:
                decoded = jwt.decode(id_token, await self._key_set(anew=True), algorithms=list(_ALGORITHMS))
            options: Any = {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self._client_id},
            }
            known = {"nonce": flow.nonce, "client_id": self._client_id, "access_token": token.get("access_token")}
            claims = CodeIDToken(decoded.claims, decoded.header, options, known)
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise NotProvedError("ID token") from error
        return claims

    def _name_in(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self._claim)
        if not isinstance(name, str) or not name:
            raise NotProvedError("claim")
        if self._claim == "email" and claims.get("email_verified") is not True:
            raise NotProvedError("email not verified")
        return name

    def _client(self, redirect_uri: str | None = None) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method=None if self._client_secret else "none",
            scope="openid" if self._claim == "sub" else "openid profile email",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            transport=Bounded(),
            **_CLIENT,
        )

    async def _known(self) -> dict[str, Any]:
        if self._metadata is None or self._metadata[1] < time.monotonic():
            found = await _read(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if found.get("issuer") != self.issuer or not all(_is_safe(found.get(name)) for name in needed):
                raise ProviderAwayError
            self._metadata = (found, time.monotonic() + _REMEMBER_SECONDS)
        return self._metadata[0]

    async def _key_set(self, anew: bool = False) -> KeySet:
        """`anew`: a token names one that we don't know; not more often than twice a minute, whoever asks."""
        moment = time.monotonic()
        again = anew and moment >= self._keys_again_at
        if self._keys is None or self._keys[1] < moment or again:
            if again:
                self._keys_again_at = moment + _KEYS_AGAIN_AFTER_SECONDS
            found: Any = await _read((await self._known())["jwks_uri"])
            self._keys = (KeySet.import_key_set(found), moment + _REMEMBER_SECONDS)
        return self._keys[0]


async def _read(address: str) -> dict[str, Any]:
    try:
        async with httpx2.AsyncClient(transport=Bounded(), **_CLIENT) as client:  # type: ignore[arg-type]
            answer = await client.get(address)
            answer.raise_for_status()
            found = answer.json()
    except (httpx2.HTTPError, ValueError, RecursionError) as error:
        raise ProviderAwayError from error
    if not isinstance(found, dict):
        raise ProviderAwayError
    return found


def _is_safe(address: Any) -> bool:
    """By TLS, or on this machine."""
    if not isinstance(address, str):
        return False
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))
