"""One file an exchange, named after it, with one constant ``EXCHANGE``. A venue's own words stay in its file."""
