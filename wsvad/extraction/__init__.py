"""Extraction: from a listing of videos to published, verified feature tables."""
