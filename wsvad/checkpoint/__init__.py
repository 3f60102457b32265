"""Checkpoints of trained models: a folder of ``model.safetensors``, ``config.json`` and ``README.md``. Never pickle."""

from wsvad.checkpoint.folder import load_checkpoint, save_checkpoint
from wsvad.checkpoint.trained import Checkpoint

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]
