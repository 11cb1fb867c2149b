"""The asset graph and the ``btc`` command line: wiring of the pure core to Dagster."""
