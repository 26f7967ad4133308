"""WeChat's mini-program and official-account side, behind one wire.

Invariant: nothing outside this package imports wechatpy.
"""
