"""Tasks with answers that can be checked. Each is a module of its own; importing this room costs nothing."""
