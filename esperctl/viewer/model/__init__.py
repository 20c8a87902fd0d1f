"""The viewer's state: messages in, effects and a view out. Pure."""
