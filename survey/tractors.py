"""The source catalogues (tractor files) of a whole sky, wherever it lies."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from survey.sources import FolderSource, Source


@contextmanager
def tractor_files(source: Source) -> Iterator[list[Path]]:
    """Local paths of every tractor file of a sky, in the order of their names.

    Files of a folder are given where they lie; those of a bucket are copied to a temporary folder, which is
    gone after the `with` block.

    Parameters
    ----------
    source : Source
        The sky.

    Raises
    ------
    SurveyError
        If the source refuses access.
    TransientError
        If another try may help.
    """
    names = sorted(source.list_tractors())
    if isinstance(source, FolderSource):
        yield [source.folder / name for name in names]
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name in names:
            path = Path(folder) / Path(name).name
            source.copy_to(name, path)
            paths.append(path)
        yield paths
