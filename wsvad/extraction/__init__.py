"""Extraction: computes, publishes and verifies feature tables for a listing of videos."""
