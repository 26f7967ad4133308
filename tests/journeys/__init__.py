"""Journeys: several packages together, over the real wire."""
