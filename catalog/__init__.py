"""What we sell: regions, halls, suppliers, products, stock, prices and freight.

Invariant: this package knows neither orders nor payments nor campaigns. Others call its modules by name
(`from catalog import stock`) and pass values, never its rows.
"""
