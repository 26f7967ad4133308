"""The wire to WeChat Pay API v3: what is sent, what is believed, and what stays unknown.

Nothing here touches the database, and no call is made while a transaction is open.
"""
