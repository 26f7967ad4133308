"""Tests of `storefront.staff`."""
