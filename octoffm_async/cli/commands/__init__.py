"""Commands for single calls and lists: access, products, supply orders, stocks, orders, returns, the sandbox."""
