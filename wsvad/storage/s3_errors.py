"""Translate errors of botocore and aiohttp to the errors of this package.

Messages contain the operation, the object and the store's error *code*, but never the store's text, a URL or a header,
because those may repeat signed data.
"""

from __future__ import annotations

import re

import aiohttp
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from wsvad.errors import AccessDenied, ObjectNotFound, StorageError, StoreFull, UnusablePlace, UsageError
from wsvad.storage.retry import Transient

# RecursionError: botocore handles a redirect without a region by querying the bucket, which redirects again
FOREIGN_ERRORS = (
    aws.BotoCoreError,
    aws.ClientError,
    ResponseParserError,
    aiohttp.ClientError,
    TimeoutError,
    RecursionError,
)
"""All exceptions that a request, or reading its body, may raise."""

_TRANSIENT_CODES = frozenset(
    {
        "BadDigest",  # damaged in transit; the store refused it
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",  # two concurrent create-only writes; one of them gets 412 on a later attempt
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_FULL_CODES = frozenset({"InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"})
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
_CLOCK_CODES = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_REGION_CODES = frozenset(
    {
        "301",
        "307",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "Redirect",
        "TemporaryRedirect",
    }
)
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.UnauthorizedSSOTokenError,
    aws.NoAuthTokenError,
)
_BROKEN_CONNECTION = (
    aws.ConnectionError,
    aws.HTTPClientError,
    aws.IncompleteReadError,
    ResponseParserError,
    TimeoutError,
    aiohttp.ClientError,
)


class PreconditionFailed(StorageError):
    """412: the object exists already, or is not the expected one, depending on the request."""


class RangeBeyondEnd(StorageError):
    """416: the requested range starts beyond the end of the object."""


class FeatureMissing(StorageError):
    """501: the store does not support the request or one of its headers."""


def error_code(exc: aws.ClientError) -> tuple[str, int]:
    """Return the store's error code, safe to show, and the HTTP status (0 if unknown)."""
    code = str(exc.response.get("Error", {}).get("Code", ""))
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return (code if re.fullmatch(r"[A-Za-z0-9.]{1,64}", code) else "unnamed"), int(status)


def is_unexplained(exc: Exception) -> bool:
    """Whether a store refused a request without an error code, as for every HEAD request.

    Server errors (5xx, 429) count as explained, because a retry is the only remedy.
    """
    if not isinstance(exc, aws.ClientError):
        return False
    code, status = error_code(exc)
    return 300 <= status < 500 and status != 429 and code == str(status)


def explains(exc: Exception) -> bool:
    """Whether an error says more than its status. A range beyond the end of an object does not."""
    return not is_unexplained(exc) and not (isinstance(exc, aws.ClientError) and error_code(exc)[1] == 416)


def _region(exc: aws.ClientError) -> str:
    """Return the region that the store expects, or ``""`` if it names none that has the form of a region."""
    error = exc.response.get("Error", {})
    headers = exc.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    worded = re.search(r"expecting '([^']*)'", str(error.get("Message", "")))
    for region in (error.get("Region"), headers.get("x-amz-bucket-region"), worded[1] if worded else None):
        if region and re.fullmatch(r"[a-z]{2}(-[a-z0-9]{1,16}){1,4}", str(region)):
            return str(region)
    return ""


def translate_s3_error(exc: Exception, what: str, *, anonymous: bool = False) -> Exception:
    """Return the error of this package (or ``Transient``) for one of ``FOREIGN_ERRORS``, which the caller chains.

    Args:
        exc: exception of botocore or aiohttp.
        what: describes the failed operation and its URI.
        anonymous: whether the request was unsigned.
    """
    if isinstance(exc, aws.ClientError):
        code, status = error_code(exc)
        region = _region(exc) if code in _REGION_CODES else ""
        # the original is printed in tracebacks as the cause, and its message may echo the request
        exc.args = (f"{exc.operation_name}: {status} {code}",)
        return _translate_answer(code, status, what, region, anonymous)
    if isinstance(exc, _NO_CREDENTIALS):
        exc.args = (type(exc).__name__,)  # the message may contain output of a credential helper
        return AccessDenied(
            f"{what}: no usable AWS credentials ({type(exc).__name__}); set AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY, or use a role; public buckets can be read with --s3-anonymous"
        )
    if isinstance(exc, aws.ProfileNotFound | aws.ConfigNotFound | aws.ConfigParseError | aws.InvalidConfigError):
        return UsageError(
            f"{what}: the AWS configuration cannot be used ({type(exc).__name__}); check the profile and its files"
        )
    if isinstance(exc, aws.InvalidRegionError):
        return UsageError(f"{what}: the region is invalid; check --s3-region and AWS_REGION")
    if isinstance(exc, aws.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(exc):
        return StorageError(f"{what}: the store's TLS certificate is not trusted; set AWS_CA_BUNDLE to its CA bundle")
    if isinstance(exc, RecursionError):
        return StorageError(
            f"{what}: the endpoint redirects every request without naming a region; wrong region or endpoint: check"
            " --s3-endpoint-url (https:// for http://?) and --s3-region"
        )
    if isinstance(exc, _BROKEN_CONNECTION):
        return Transient(f"the connection failed ({type(exc).__name__})")
    return StorageError(f"{what}: the request could not be made ({type(exc).__name__})")


def _translate_answer(code: str, status: int, what: str, region: str, anonymous: bool) -> Exception:
    answer = f"the store answered {status} {code}" if code != str(status) else f"the store answered {status}"
    if code in _FULL_CODES or status == 507:
        return StoreFull(f"{what}: {answer}; nothing partial was left, free space and run the same command again")
    if code in _TRANSIENT_CODES or status == 429 or (status >= 500 and status != 501):
        return Transient(answer)
    if code in ("PreconditionFailed", "412") or status == 412:
        return PreconditionFailed(f"{what}: {answer}")
    if status == 416:
        return RangeBeyondEnd(f"{what}: {answer}")
    if status == 501 or code == "NotImplemented":
        return FeatureMissing(f"{what}: {answer}")
    if code == "NoSuchBucket":
        return UnusablePlace(f"{what}: there is no such bucket; create it or correct the URI, endpoint or region")
    if code in ("InvalidBucketName", "KeyTooLongError"):
        return UnusablePlace(f"{what}: {answer}; the name is invalid in every store, correct the URI")
    if status == 404:
        return ObjectNotFound(f"{what}: there is no such object")
    if code in _EXPIRED_CODES:
        return AccessDenied(
            f"{what}: {answer}; the credentials have expired, renew them and run the same command again"
        )
    if code in _CLOCK_CODES:
        return AccessDenied(f"{what}: {answer}; the clocks differ: synchronise this machine's clock with the store's")
    if code in _REGION_CODES:
        expected = f" (expected {region})" if region else ""
        return StorageError(
            f"{what}: {answer}; wrong region{expected}: the bucket is in another region, set --s3-region or AWS_REGION"
            " to it, or correct the endpoint"
        )
    if status in (401, 403) and anonymous:
        return AccessDenied(
            f"{what}: {answer}; the bucket does not allow this without credentials: leave out --s3-anonymous,"
            " and anon of fsspec's configuration (without permission to list, a missing object looks like this too)"
        )
    if status in (401, 403):
        return AccessDenied(
            f"{what}: {answer}; check the credentials and their permissions on this bucket and prefix"
            " (without permission to list, a missing object looks like this too)"
        )
    return StorageError(f"{what}: {answer}")
