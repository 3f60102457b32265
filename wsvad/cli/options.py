"""Options that several verbs share, and option files."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

from wsvad.errors import UsageError
from wsvad.storage import StoreOptions


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """Add how to reach object storage; credentials come from the standard AWS environment, never from options."""
    group = parser.add_argument_group("object storage (credentials: the standard AWS environment of every node)")
    group.add_argument("--s3-endpoint-url", metavar="URL", help="of an S3-compatible store; or AWS_ENDPOINT_URL")
    group.add_argument("--s3-profile", metavar="NAME", help="AWS profile; or AWS_PROFILE")
    group.add_argument("--s3-region", metavar="NAME", help="AWS region; or AWS_REGION")
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
    )


def positive_int(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def natural(text: str) -> int:
    """Parse a whole number of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {value}")
    return value


def size_bytes(text: str) -> int:
    """Parse bytes: a whole number, or one with KiB, MiB or GiB behind it."""
    for unit, factor in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * factor)
    return int(text)


def option_words(path: str, parser: argparse.ArgumentParser) -> list[str]:
    """Read an option file and return it as command-line words.

    The file is TOML; its keys are the options' names, with ``-`` or ``_``. Options on the command line win over it.

    Raises:
        UsageError: unreadable, an unknown key, or a value that no option takes.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--config {path}: {error}") from error
    known = {name for action in parser._actions for name in action.option_strings} - {"--config", "--help"}
    words: list[str] = []
    for key, value in table.items():
        name = "--" + key.replace("_", "-")
        if name not in known:
            raise UsageError(f"--config {path}: unknown key {key!r}; known: {', '.join(sorted(known))}")
        if value is False:
            words += [f"--no-{name[2:]}"] if f"--no-{name[2:]}" in known else []
        elif value is True:
            words += [name]
        elif isinstance(value, str | int | float):
            words += [f"{name}={value}"]
        else:
            raise UsageError(f"--config {path}: {key!r} must be text, a number or true/false, got {value!r}")
    return words


def require(args: argparse.Namespace, *names: str) -> None:
    """Raise ``UsageError`` naming the options that neither the command line nor the option file gave."""
    absent = ["--" + n.replace("_", "-") for n in names if getattr(args, n) is None]
    if absent:
        raise UsageError(f"missing option: {', '.join(absent)}")
