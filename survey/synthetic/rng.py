"""Random numbers of the synthetic sky: counter-based, so that a brick does not depend on the others."""

import numpy as np

STREAMS = (
    "window",
    "conditions",
    "sources",
    "hosts",
    "neighbour",
    "catalogue",
    "noise_g",
    "noise_r",
    "noise_z",
)


def generator(seed: int, brickid: int, stream: str) -> np.random.Generator:
    """Give the random numbers of one ingredient of one brick.

    Parameters
    ----------
    seed : int
        The sky's seed, from 0.
    brickid : int
        The brick's number.
    stream : str
        One of `STREAMS`.
    """
    key = np.array([seed, brickid * len(STREAMS) + STREAMS.index(stream)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
