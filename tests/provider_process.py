"""A county's single sign-on, as a process of its own: pyop behind real HTTP. `python tests/provider_process.py PORT`

It signs its tokens, holds clients to PKCE when they begin with it, and lets a code count once. People choose on its page
who they are. `/control` makes it err as a provider may: tokens that have ended, keys that it has not published.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CLIENT = {"oidc_client_id": "one-window", "oidc_client_secret": "a secret of tests"}
# Whom it knows: what is in the ID token beside the usual.
PEOPLE: dict[str, dict[str, Any]] = {
    "sun": {"sub": "sub-of-sun", "employee_number": "20260117", "email": "sun@example.org", "email_verified": True},
    "wu": {"sub": "sub-of-wu", "employee_number": "20260118", "email": "wu@example.org", "email_verified": False},
}


def serve(port: int) -> None:
    from Cryptodome.PublicKey import RSA
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from jwkest.jwk import RSAKey
    from pyop.authz_state import AuthorizationState
    from pyop.exceptions import InvalidAuthenticationRequest, InvalidClientAuthentication, OAuthError
    from pyop.provider import Provider as Pyop
    from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
    from pyop.userinfo import Userinfo

    def made() -> bytes:
        key = rsa.generate_private_key(65537, 2048)
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    issuer = f"http://127.0.0.1:{port}"
    pages = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
    pages["end_session_endpoint"] = "end_session"
    keys = {name: RSAKey(key=RSA.import_key(made()), alg="RS256", use="sig", kid=name) for name in ("first", "second")}
    client = {
        "client_secret": CLIENT["oidc_client_secret"],
        "response_types": ["code"],
        "redirect_uris": [],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    provider = Pyop(
        keys["first"],
        {
            "issuer": issuer.replace("http:", "https:"),  # it takes no other
            **{name: f"{issuer}/{path}" for name, path in pages.items()},
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "scopes_supported": ["openid", "profile", "email"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        },
        AuthorizationState(HashBasedSubjectIdentifierFactory("salt")),
        {CLIENT["oidc_client_id"]: client, "somebody-else": {**client, "redirect_uris": client["redirect_uris"]}},
        Userinfo({name: {"sub": claims["sub"]} for name, claims in PEOPLE.items()}),
    )
    provider.configuration_information["issuer"] = issuer  # but for one on this machine
    published = [keys["first"]]

    def told_of(person: str, _client_id: str) -> dict[str, Any]:
        return {name: value for name, value in PEOPLE[person].items() if name != "sub"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            if path == "/.well-known/openid-configuration":
                self._json(200, provider.provider_configuration.to_dict())
            elif path == "/jwks":
                self._json(200, {"keys": [key.serialize() for key in published]})
            elif path == "/authorize":
                try:
                    provider.parse_authentication_request(query)
                except InvalidAuthenticationRequest as error:
                    self._json(400, {"error": str(error)})
                else:
                    self._send(200, "text/html", " ".join(PEOPLE).encode())
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            path, query = urlsplit(self.path).path, urlsplit(self.path).query
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            if path == "/authorize":
                person = parse_qs(body)["person"][0]
                asked = provider.parse_authentication_request(query)
                answer = provider.authorize(asked, person)
                self._send(303, "text/html", b"", answer.request(asked["redirect_uri"]))
            elif path == "/token":
                try:
                    self._json(200, provider.handle_token_request(body, self.headers, told_of).to_dict())
                except (OAuthError, InvalidClientAuthentication) as error:
                    self._json(400, {"error": getattr(error, "oauth_error", "invalid_client")})
            elif path == "/control":
                control = json.loads(body)
                if "lifetime" in control:
                    provider.id_token_lifetime = control["lifetime"]
                if "key" in control:
                    provider.signing_key = keys[control["key"]]
                    published[:] = [keys[control.get("published", control["key"])]]
                if "redirect_uri" in control:
                    client["redirect_uris"][:] = [control["redirect_uri"]]
                self._json(200, {})

        def _json(self, status: int, content: Any) -> None:
            self._send(status, "application/json", json.dumps(content).encode())

        def _send(self, status: int, kind: str, body: bytes, location: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
