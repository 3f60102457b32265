"""Pipelines that combine commands: from videos directly to scores, for one video in memory and for an archive."""
