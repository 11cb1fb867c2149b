"""What the project claims of its speed, measured: `make bench` prints one JSON line a figure."""
