"""Tests of `storefront`."""
