"""``wsvad doctor``: are this machine, this store and this cluster fit for a long job? Better asked before."""

from __future__ import annotations

from wsvad.doctor.report import Check, DoctorReport, Status, render, to_json
from wsvad.doctor.run import run

__all__ = ["Check", "DoctorReport", "Status", "render", "run", "to_json"]
