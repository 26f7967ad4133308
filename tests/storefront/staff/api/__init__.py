"""Tests of the staff's JSON face."""
