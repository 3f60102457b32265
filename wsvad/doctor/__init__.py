"""``wsvad doctor``: check that the machine, the stores and the cluster are fit for a long job."""

from __future__ import annotations

from wsvad.doctor.report import Check, DoctorReport, Status, render, to_json
from wsvad.doctor.run import run

__all__ = ["Check", "DoctorReport", "Status", "render", "run", "to_json"]
