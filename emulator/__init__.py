"""WeChat on our desk, over real HTTP with real signatures: WeChat Pay v3, the account APIs, a cashier, a control plane.

It stands on the far side of the wire: it imports nothing of the shop and the shop imports nothing of it. What plugs the
two together is a file of settings, exactly as it would be with the real WeChat.
"""
