"""Tests of `storefront.wechat`."""
