"""Summary of a training run, as a table or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wsvad.documents import build
from wsvad.metrics.samples import few_videos
from wsvad.work.summary import Summary


@dataclass(frozen=True)
class TrainSummary(Summary):
    """Result of a training run, or of a dry run."""

    out: str
    model: str
    features: str
    features_fingerprint: str
    banner: str
    """Prominent warning if the features are from an untrained network, else empty."""
    train_anomalous: int
    """Number of anomalous training videos; the next three fields are alike."""
    train_normal: int
    val_anomalous: int
    val_normal: int
    val_is_cut: bool
    """Whether the validation videos were split off from the training videos."""
    missing: int
    """Videos of the manifest that were skipped because they have no features."""
    steps: int
    """Requested steps."""
    steps_before: int
    """Steps done by earlier runs."""
    steps_done: int = 0
    finished: str = ""
    """``steps`` or ``patience``."""
    selected_by: str = ""
    """``validation videos``, or ``last step`` and why."""
    selected_step: int = 0
    val_auc: float | None = None
    """Video-level AUC of the selected step on the validation videos, 0 to 1."""
    best_on_test_frame_auc: float | None = None
    """Best frame-level AUC of any evaluated step on the test videos, never used to select. With ``--report-test``."""
    best_on_test_step: int | None = None
    test_frame_auc: float | None = None
    """Frame-level AUC of the selected step on the test videos, over frames covered by clips."""
    checkpoint: str | None = None
    """URI of the checkpoint folder."""
    checkpoint_digest: str | None = None
    workers: int = 1
    device: str = "cpu"
    elapsed_s: float = 0.0
    steps_per_s: float = 0.0
    """Steps done by this run divided by the time of the loop."""
    dry_run: bool = False
    nothing_to_do: bool = False
    features_made_by: str = ""
    """Backbone, weights, geometry and precision of the features; empty in records of earlier versions."""
    exit_code: int = 0

    @classmethod
    def from_dict(cls, values: Any) -> TrainSummary:
        """Inverse of :meth:`to_dict`; ignores fields of later versions. Raises ``DocumentError``."""
        return build(cls, values)

    def lines(self) -> list[tuple[str, str]]:
        """Return the lines of the table."""
        cut = ", split off from training" if self.val_is_cut and self.val_anomalous else ""
        rows = [
            ("model", self.model),
            ("training", f"{self.train_anomalous} anomalous and {self.train_normal} normal videos"),
            ("validation", f"{self.val_anomalous} anomalous and {self.val_normal} normal videos{cut}"),
        ]
        if self.features_made_by:
            rows.append(("features", self.features_made_by))
        if self.missing:
            rows.append(("skipped", f"{self.missing} videos without features"))
        if self.dry_run:
            left = self.steps - self.steps_before
            return [*rows, ("to do", f"{left} of {self.steps} steps (dry run: nothing was written)")]
        rows.append(("steps", f"{self.steps_done} of {self.steps}" + self._why()))
        rows.append(("kept", f"step {self.selected_step} ({self.selected_by})"))
        if self.val_auc is not None:
            few = few_videos(self.val_anomalous, self.val_normal)
            rows.append(("video AUC", f"{self.val_auc:.4f} on the validation videos" + (f" ({few})" if few else "")))
        if self.best_on_test_frame_auc is not None:
            kept = "" if self.test_frame_auc is None else f"{self.test_frame_auc:.4f} at the kept step; "
            best = f"{self.best_on_test_frame_auc:.4f} best-on-test (step {self.best_on_test_step}, not used to select)"
            rows.append(("frame AUC", kept + best))
        if self.nothing_to_do:
            rows.append(("done", "nothing to do: this run was finished before"))
        else:
            rows.append(("done", f"{self.elapsed_s:.1f} s, {self.steps_per_s:.1f} steps/s, {self.workers} workers"))
        rows.append(("checkpoint", str(self.checkpoint)))
        return rows

    def _why(self) -> str:
        before = f"{self.steps_before} were done before" if self.steps_before else ""
        early = "stopped early, validation no longer improved" if self.finished == "patience" else ""
        text = ", ".join(t for t in (before, early) if t)
        return f" ({text})" if text else ""
