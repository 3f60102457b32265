"""Options that several verbs share, and option files."""

from __future__ import annotations

import argparse
import math
import tomllib
from pathlib import Path

from wsvad.errors import UsageError
from wsvad.storage import StoreOptions
from wsvad.suggest import did_you_mean

_LARGEST = 1e9
"""Of an option that is no whole number: seconds, cores, weights."""


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Add how to reach object storage; credentials come from the standard AWS environment, never from options."""
    group = parser.add_argument_group("object storage (credentials: the standard AWS environment of every node)")
    group.add_argument("--s3-endpoint-url", metavar="URL", help="of an S3-compatible store; or AWS_ENDPOINT_URL")
    group.add_argument("--s3-profile", metavar="NAME", help="AWS profile; or AWS_PROFILE")
    group.add_argument("--s3-region", metavar="NAME", help="AWS region; or AWS_REGION")
    group.add_argument(
        "--s3-anonymous",
        action="store_true",
        help="sign no request: public buckets are read without credentials (and nothing is written to S3)",
    )
    group.add_argument(
        "--s3-attempts",
        type=positive_int,
        default=8,
        metavar="N",
        help="tries of one request before it counts as failed",
    )


def store_options(args: argparse.Namespace) -> StoreOptions:
    """Make the store options of parsed arguments."""
    return StoreOptions(
        endpoint_url=args.s3_endpoint_url,
        profile=args.s3_profile,
        region=args.s3_region,
        max_attempts=args.s3_attempts,
        anonymous=args.s3_anonymous,
    )


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text!r:.80}") from error
    if value.bit_length() > 63:
        raise argparse.ArgumentTypeError(f"must be a number of at most 64 bits, got {text:.80}")
    return value


def number(text: str) -> float:
    """Parse a number."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r:.80}") from error


def natural_float(text: str) -> float:
    """Parse a number of at least 0 that a size, a number of seconds or of cores can be."""
    value = number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be at least 0 and finite, got {text}")
    if value > _LARGEST:
        raise argparse.ArgumentTypeError(f"must be at most {_LARGEST:g}, got {text:.80}")
    return value


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def natural(text: str) -> int:
    """Parse a whole number of at least 0."""
    value = _whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {value}")
    return value


def small_int(text: str) -> int:
    """Parse a whole number from 1 to 65,536: what is held in memory at once, or made one by one."""
    value = positive_int(text)
    if value > 1 << 16:
        raise argparse.ArgumentTypeError(f"must be at most {1 << 16}, got {value}")
    return value


def any_positive_float(text: str) -> float:
    """Parse a finite number above 0, however large."""
    value = number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, got {text}")
    return value


def positive_float(text: str) -> float:
    """Parse a number above 0 that a size, a number of seconds or of cores can be."""
    any_positive_float(text)
    return natural_float(text)


def size_bytes(text: str) -> int:
    """Parse bytes, at least 1: a whole number, or a number with KiB, MiB or GiB behind it."""
    digits, factor = text, 1
    for unit, size in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if text.endswith(unit):
            digits, factor = text[: -len(unit)], size
    value = number(digits) * factor
    if not 1 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"must be 1 byte to 8 EiB, got {text}")
    return int(value)


def option_words(path: str, parser: argparse.ArgumentParser) -> list[str]:
    """Read an option file and return it as command-line words.

    The file is TOML; its keys are the options' names, with ``-`` or ``_``. Options on the command line win over it.

    Raises:
        UsageError: unreadable, an unknown key, or a value that no option takes.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--config {path}: the file does not exist") from error
    except RecursionError:
        raise UsageError(
            f"--config {path}: it is nested too deeply; an option's value is text, a number or a list"
        ) from None
    except (OSError, ValueError) as error:  # also no UTF-8, no TOML, or a number of thousands of digits
        raise UsageError(f"--config {path}: {error}") from error
    switches = {name for a in parser._actions if a.nargs == 0 for name in a.option_strings}
    lists = {name for a in parser._actions if isinstance(a.default, list) for name in a.option_strings}
    known = {name for a in parser._actions for name in a.option_strings} - {"--config", "--help", "-h"}
    words: list[str] = []
    for key, value in table.items():
        name = "--" + key.replace("_", "-")
        if name not in known:
            meant = did_you_mean(name, known)
            raise UsageError(f"--config {path}: unknown key {key!r}{meant or '; known: ' + ', '.join(sorted(known))}")
        if isinstance(value, bool) and name in switches:
            words += [name] if value else [f"--no-{name[2:]}"] if f"--no-{name[2:]}" in known else []
        elif isinstance(value, str | int | float) and not isinstance(value, bool) and name not in switches:
            if isinstance(value, int) and value.bit_length() > 64:
                raise UsageError(f"--config {path}: {key!r} must be a number of at most 64 bits")
            words += [f"{name}={value}"]
        elif name in lists and isinstance(value, list) and all(isinstance(v, str) for v in value):
            words += [f"{name}={v}" for v in value]
        else:
            wanted = "true or false" if name in switches else "text or a number"
            raise UsageError(f"--config {path}: {key!r} must be {wanted}, got {value!r:.120}")
    return words


def require(args: argparse.Namespace, *names: str) -> None:
    """Raise ``UsageError`` naming the options that neither the command line nor the option file gave."""
    absent = ["--" + n.replace("_", "-") for n in names if not getattr(args, n)]
    if absent:
        raise UsageError(f"missing option: {', '.join(absent)}")
