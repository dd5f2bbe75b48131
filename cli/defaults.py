"""Defaults that several commands share. Nothing heavy is imported for them."""

SYNTHETIC = "synthetic"
BRICK_PIXELS = 900  # a sixteenth of a real brick's area: a laptop is not kept waiting; 3600 works
BRICK_PIXELS_HELP = "Side of a synthetic brick, 400 to 3600, which is the survey's."
SKY_SEED = 20240607
