"""Journeys of a real Chromium through a real shop."""
