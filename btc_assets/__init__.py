"""btc_assets."""
