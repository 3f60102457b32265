"""One S3 client per process, made when first needed."""

from __future__ import annotations

import functools
import logging
import os
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from wsvad import __version__
from wsvad.errors import UsageError
from wsvad.storage.base import StoreOptions, check_endpoint
from wsvad.storage.s3_errors import FOREIGN_ERRORS, translate_s3_error

_MAX_CONNECTIONS = 32
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class S3Client(Protocol):
    """The operations that we use of botocore's client."""

    meta: Any

    def head_object(self, **request: Any) -> dict[str, Any]:
        """Size, time and ETag of an object."""

    def get_object(self, **request: Any) -> dict[str, Any]:
        """An object, or a range of it, as a stream."""

    def put_object(self, **request: Any) -> dict[str, Any]:
        """Write an object in one request."""

    def delete_object(self, **request: Any) -> dict[str, Any]:
        """Delete an object."""

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        """One page of a listing."""


def s3_client(options: StoreOptions) -> S3Client:
    """Return this process's client for these options and this AWS environment.

    A fork gets its own (sockets must not be shared), and so does a changed environment.

    Raises:
        UsageError: profile, configuration file or endpoint cannot be used.
    """
    # only a hash, so that no credential becomes part of a cache key
    environment = hash(frozenset(item for item in os.environ.items() if item[0].startswith("AWS_")))
    return _connect(options, os.getpid(), environment)


@functools.lru_cache(maxsize=8)
def _connect(options: StoreOptions, process: int, environment: int) -> S3Client:
    # at DEBUG botocore logs whole requests, session token included; at INFO, only that it found credentials
    for name in ("boto3", "botocore"):
        foreign = logging.getLogger(name)
        foreign.setLevel(max(foreign.level, logging.WARNING))
    what = "cannot connect to S3"
    try:
        session = boto3.Session(profile_name=options.profile, region_name=options.region)
        client = _client(session, options, addressing_style=None)
        check_endpoint(client.meta.endpoint_url)
        custom = not (urlsplit(client.meta.endpoint_url).hostname or "").endswith(_AWS_HOSTS)
        if custom and not (client.meta.config.s3 or {}).get("addressing_style"):
            # other stores seldom have a DNS name per bucket
            client = _client(session, options, addressing_style="path")
    except FOREIGN_ERRORS as exc:
        raise translate_s3_error(exc, what) from exc
    except ValueError as exc:
        raise UsageError(
            f"{what}: the endpoint or region cannot be used; check AWS_ENDPOINT_URL and AWS_REGION"
        ) from exc
    return client


def _client(session: Any, options: StoreOptions, addressing_style: str | None) -> S3Client:
    config = Config(
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        max_pool_connections=_MAX_CONNECTIONS,
        tcp_keepalive=True,
        # one retry loop, ours: botocore's does not cover a body that breaks while it is read
        retries={"mode": "standard", "total_max_attempts": 1},
        # several compatible stores refuse the newer trailing checksums; writes carry Content-MD5, which all know
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=f"wsvad/{__version__}",
        s3={"addressing_style": addressing_style} if addressing_style else None,
        signature_version=UNSIGNED if options.anonymous else None,
    )
    return cast(S3Client, session.client("s3", endpoint_url=options.endpoint_url, config=config))
