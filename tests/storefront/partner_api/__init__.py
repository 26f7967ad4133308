"""Tests of the partners' JSON face."""
