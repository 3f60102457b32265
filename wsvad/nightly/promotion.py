"""Promotion of another model to champion: a new pointer to data that already exists."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from wsvad.errors import DamagedError, ObjectNotFound, UsageError
from wsvad.nightly.layout import CURRENT, DRIVERS
from wsvad.nightly.pointers import point, pointer_key, read_pointer
from wsvad.nightly.published import FIELDS, Current, require_current
from wsvad.storage import Store, StoreOptions, open_store
from wsvad.work.lease import Lease
from wsvad.work.record import new_run_id
from wsvad.work.summary import Summary
from wsvad.work.target import probe_target


@dataclass(frozen=True)
class PromoteOptions:
    """Options of a promotion; ``wsvad promote --help`` explains the same options."""

    root: str
    """Root of the nightly job."""
    model: str | None = None
    """First digits of the model's digest."""
    back: bool = False
    """Promote the previous champion instead."""
    drop: bool = False
    """Stop scoring with the model instead; its data is kept."""
    store: StoreOptions = field(default_factory=StoreOptions)
    dry_run: bool = False


@dataclass(frozen=True)
class PromoteSummary(Summary):
    """Result of a promotion."""

    root: str
    pointer: str
    before: str
    champion: str
    models: tuple[str, ...]
    """Digests of the models that are scored every night, including the champion."""
    changed: bool
    dry_run: bool

    @property
    def exit_code(self) -> int:
        """Always 0; problems raise an exception."""
        return 0

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        done = "nothing to do" if not self.changed else "nothing (dry run)" if self.dry_run else "published"
        beside = ", ".join(digest[:19] for digest in self.models if digest != self.champion) or "none"
        return [
            ("champion", f"{self.champion[:19]} (before: {self.before[:19]})"),
            ("beside it", beside),
            (done, f"{self.root}/{self.pointer}"),
        ]


def promote(options: PromoteOptions) -> PromoteSummary:
    """Publish a copy of the newest night with another champion, atomically.

    Only a model that the nightly job already scores can become champion. The previous champion is still scored, so
    ``back`` is equally fast.

    Raises:
        UsageError: no model or several models match, there is no previous champion, or the champion would be dropped.
        DamagedError: a published night needed to find the previous champion is damaged.
        ConflictError: a nightly run or another promotion is in progress.
        StorageError: the store failed; nothing was changed.
    """
    if sum((options.model is not None, options.back)) != 1:
        raise UsageError("give either --model or --back")
    if options.drop and options.back:
        raise UsageError("--drop requires --model, not --back")
    root = open_store(options.root, options.store)
    base = require_current(root)
    if options.dry_run:
        return _result(options, base, *_after(options, root, base))
    root = probe_target(root)
    with Lease(root, DRIVERS, "an archive") as lease:
        base = require_current(root)
        champion, models = _after(options, root, base)
        summary = _result(options, base, champion, models)
        if not summary.changed:
            return summary
        body = {
            **base.pointer.body,
            "champion": champion,
            "models": {digest: base.pointer.body["models"][digest] for digest in models},
            "run_id": new_run_id(),
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if models != tuple(sorted(base.models)):
            body["inputs"] = ""  # makes the next night run, because its models changed
        lease.check()
        point(root, CURRENT, base.pointer, body)
        return summary


def _result(options: PromoteOptions, base: Current, champion: str, models: tuple[str, ...]) -> PromoteSummary:
    changed = champion != base.champion or models != tuple(sorted(base.models))
    number = base.number + 1 if changed and not options.dry_run else base.number
    return PromoteSummary(
        root=options.root,
        pointer=pointer_key(CURRENT, number),
        before=base.champion,
        champion=champion,
        models=models,
        changed=changed,
        dry_run=options.dry_run,
    )


def _after(options: PromoteOptions, root: Store, base: Current) -> tuple[str, tuple[str, ...]]:
    """Return the champion and the models after the promotion."""
    models = tuple(sorted(base.models))
    if options.back:
        return _champion_before(root, base), models
    named = str(options.model).removeprefix("sha256:")
    found = [digest for digest in models if named and digest.removeprefix("sha256:").startswith(named)]
    known = ", ".join(_known(base))
    if len(found) != 1:
        problem = f"{len(found)} models have a digest that begins" if found else "no model has a digest that begins"
        raise UsageError(
            f"{problem} with {named!r:.80}; models scored here: {known}. To add a model, score it first with "
            "`wsvad rescore --candidate CHECKPOINT`"
        )
    if not options.drop:
        return found[0], models
    if found[0] == base.champion:
        raise UsageError("the champion cannot be dropped; promote another model first")
    return base.champion, tuple(digest for digest in models if digest != found[0])


def _known(base: Current) -> list[str]:
    return [digest.removeprefix("sha256:")[:12] for digest in sorted(base.models)]


def _champion_before(root: Store, base: Current) -> str:
    """Return the most recent champion other than the current one, if it is still scored."""
    for number in range(base.number - 1, 0, -1):
        try:
            champion = str(read_pointer(root, CURRENT, number, FIELDS).body["champion"])
        except ObjectNotFound:
            continue  # deleted by hand, as the error message of a damaged pointer advises
        except DamagedError as error:
            raise DamagedError(f"{error}; or name the model: --model {' or --model '.join(_known(base))}") from error
        if champion == base.champion:
            continue
        if champion not in base.models:
            raise UsageError(
                f"the previous champion {champion[:19]} is no longer scored; add it with `wsvad rescore --candidate`"
            )
        return champion
    raise UsageError(f"{root.uri} has no previous champion")
