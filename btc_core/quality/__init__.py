"""Quality checks: one a file, each with the constant ``CHECK``. ``btc_core.check`` says what one is."""
