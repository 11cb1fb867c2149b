"""When to launch what, and whom to tell. Sensors never import assets: they are built around what to launch."""
