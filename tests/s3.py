"""An S3 server of tests: moto's, behind a door that lets in only what is signed as Signature Version 4 asks.

The door knows one key, and works the signature out with botocore, which shares no code with the service. What was signed
must be what came: its method, address, headers and the digest of its body.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.wrappers import Request, Response

from tests import serving
from tests.watching import until

KEY, SECRET, REGION, BUCKET = "one-window", "the-secret-of-the-storage", "us-east-1", "papers"
SETTINGS = {"s3_bucket": BUCKET, "s3_key": KEY, "s3_secret": SECRET}
_MUST_BE_SIGNED = {"host", "x-amz-content-sha256", "x-amz-date"}
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<scope>[^, ]+), ?SignedHeaders=(?P<names>[^, ]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def why_not(request: Request, body: bytes) -> str | None:
    """Why a call is refused; None for one that is signed."""
    said = _SIGNED.fullmatch(request.headers.get("authorization", ""))
    if said is None:
        return "AccessDenied"
    at, digest = request.headers.get("x-amz-date", ""), request.headers.get("x-amz-content-sha256", "")
    if said["scope"] != f"{KEY}/{at[:8]}/{REGION}/s3/aws4_request":
        return "InvalidAccessKeyId"
    names = said["names"].split(";")
    if not set(names) >= _MUST_BE_SIGNED:
        return "AccessDenied"
    if abs(datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - datetime.now(UTC)) > timedelta(minutes=15):
        return "RequestTimeTooSkewed"
    if digest != hashlib.sha256(body).hexdigest():
        return "XAmzContentSHA256Mismatch"
    asked = AWSRequest(
        method=request.method,
        url=f"http://{request.host}{request.environ['RAW_URI']}",
        headers={name: request.headers[name] for name in names},
    )
    asked.context["timestamp"] = at
    signing = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
    right = signing.signature(signing.string_to_sign(asked, signing.canonical_request(asked)), asked)
    return None if hmac.compare_digest(right, said["signature"]) else "SignatureDoesNotMatch"


class Door:
    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        body = request.get_data()
        if why := why_not(request, body):
            told = f"<Error><Code>{why}</Code></Error>"
            return Response(told, 403, content_type="application/xml")(environ, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        return self._behind(environ, start_response)


def client_of(address: str, secret: str = SECRET) -> Any:
    """Amazon's own, for what a test looks at."""
    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=KEY,
        aws_secret_access_key=secret,
        region_name=REGION,
        config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )


@contextmanager
def running() -> Iterator[str]:
    """The address of a server in a process of its own, which keeps everything in its memory; it has the bucket."""
    port = serving.free_port()
    server = serving.Process("-m", "tests.s3", str(port))
    address = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(address, trust_env=False).status_code == 403
        except httpx.TransportError:
            return False

    try:
        until(is_up, within=60, what="the S3 server")
        client_of(address).create_bucket(Bucket=BUCKET)
        yield address
    finally:
        server.stop()


if __name__ == "__main__":
    door = Door(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), door, threaded=True, request_handler=MotoRequestHandler)
