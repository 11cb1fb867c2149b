"""REST, live stream and dashboard: what the database holds, for programs and for people. It writes nothing."""
