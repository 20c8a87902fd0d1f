"""Views into pictures of exactly the terminal's size. Pure."""
