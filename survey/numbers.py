"""Numbers that people write into options and tables."""


def as_number(text: str) -> float:
    """Read a number.

    Parameters
    ----------
    text : str
        As `float` takes it, but for underscores between digits: 1_0 is a slip, and no 10.

    Raises
    ------
    ValueError
        If it is none.
    """
    if "_" in text:
        raise ValueError(f"could not convert string to float: {text!r}")
    return float(text)
