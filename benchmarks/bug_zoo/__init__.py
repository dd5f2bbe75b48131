"""Known bugs, planted one at a time in the code or in its tables, and whether the gate stops them."""
