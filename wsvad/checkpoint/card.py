"""The model card of a checkpoint: what others must know before they use the model."""

from __future__ import annotations

from typing import Any

from wsvad.checkpoint.trained import Checkpoint

UNTRAINED = (
    "> **Trained on features of an untrained network.** They test the machinery; the scores of this model mean nothing "
    "for detection.\n\n"
)


def model_card(checkpoint: Checkpoint) -> str:
    """Return the ``README.md`` of a checkpoint."""
    config, training = checkpoint.model_config.to_dict(), checkpoint.training
    title = f"# {checkpoint.model_config.name}: an anomaly model of wsvad\n\n"
    banner = UNTRAINED if checkpoint.untrained_features else ""
    return (
        title
        + banner
        + "Scores clips of surveillance video from 0 (normal) to 1 (anomalous); learned from video-level labels.\n\n"
        + _table("Model", config)
        + _table("Training", {k: v for k, v in training.items() if not isinstance(v, dict)})
        + "".join(
            _table(k.capitalize().replace("_", " "), v)
            for k, v in sorted(training.items())
            if isinstance(v, dict) and v
        )
        + _table(
            "Data",
            {
                "videos seen": len(checkpoint.training_ids),
                "features fingerprint": checkpoint.features_fingerprint,
                **checkpoint.features_config,
            },
        )
        + _table("Versions", checkpoint.versions)
        + _USE.format(digest=checkpoint.digest)
    )


_USE = """## Use

```console
$ wsvad score --features FEATURES --checkpoint THIS_FOLDER --out SCORES
```

Give it features of the same fingerprint. Digest: `{digest}`. `config.json` lists the ids of every video that training
and selection saw; a test on any of them is refused.

## Limits and licence

A high score says "unlike the normal videos of the training set, like its anomalous ones", not that something happened.
Let a person look before anybody acts on it. Whether the footage may be used, and under which licence this model may be
passed on, depends on the data it was trained on, and is the responsibility of whoever trained it.
"""


def _table(title: str, rows: dict[str, Any]) -> str:
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in sorted(rows.items())]
    return "\n".join([f"## {title}", "", "| | |", "|---|---|", *lines, "", ""]) if lines else ""


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
