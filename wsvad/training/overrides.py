"""Parse model settings of the form ``key=value`` to values of the fields' types."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from wsvad.errors import UsageError
from wsvad.models.contract import ModelConfig
from wsvad.suggest import did_you_mean

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_overrides(words: Sequence[str], config: type[ModelConfig]) -> dict[str, Any]:
    """Parse model settings such as ``k=4``.

    Args:
        words: settings, each ``key=value``. The last one of a key applies, so that the command line overrides an
            option file.
        config: configuration class of the model.

    Raises:
        UsageError: no ``=``, an unknown setting, or a value that is invalid for its type.
    """
    hints = get_type_hints(config)
    known = [f.name for f in dataclasses.fields(config) if f.name != "input_dim"]
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"expected --set key=value, got {word!r}")
        if key not in known:
            meant = did_you_mean(key, known) or f"; it has {', '.join(known)}"
            raise UsageError(f"model {config.name} has no setting {key!r}{meant}")
        found[key] = _value(key, text.strip(), hints[key])
    return found


def _value(key: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        by_text = {str(choice): choice for choice in get_args(kind)}
        if text not in by_text:
            meant = did_you_mean(text, by_text)
            raise UsageError(f"--set {key}: expected one of {', '.join(by_text)}, got {text!r:.80}{meant}")
        return by_text[text]
    if kind is bool:
        if text.lower() not in _TRUTH:
            raise UsageError(f"--set {key}: expected true or false, got {text!r}")
        return _TRUTH[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        raise UsageError(f"--set {key}: expected a value of type {kind.__name__}, got {text!r:.80}") from error
