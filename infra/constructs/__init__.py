"""One construct a file; the stack wires them."""
