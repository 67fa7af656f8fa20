"""Folders with models and images that measure another machine, and what they bring home."""
