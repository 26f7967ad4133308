"""Own the express lane: the server-rendered pages from a scan to a paid order; reading them needs no script."""
