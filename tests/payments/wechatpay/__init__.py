"""Tests of the wire to WeChat Pay."""
