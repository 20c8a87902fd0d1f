"""The configuration: a TOML file and flags into checked values, what a changed file changes, and what is told of it."""
