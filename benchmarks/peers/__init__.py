"""The peers' libraries on the same market in the same run, each in an environment of its own; none is a dependency."""
