"""Tests of the bench: that it runs and reads right, never how fast anything is."""
