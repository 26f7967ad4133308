"""Tests of where they came from."""
