"""Live pictures: sources, the slot between threads, and a stylizer that can be steered."""
