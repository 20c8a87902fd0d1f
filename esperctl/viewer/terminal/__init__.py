"""The terminal, by prompt_toolkit: keys in, pictures out."""
