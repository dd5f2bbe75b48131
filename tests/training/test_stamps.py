from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.parquet import from_rows
from pipeline.schema import STAMPS
from pipeline.storage import RunLayout
from training import load_batches


@pytest.fixture
def run_dir(tmp_path):
    """A run of two splits, whose images hold their own number."""
    for split, numbers in (("train", range(5)), ("val", range(5, 7))):
        key = RunLayout("debug", "run-1").partition(STAMPS.name, split).part(0)
        path = tmp_path / key
        path.parent.mkdir(parents=True)
        rows = [
            {
                "task_id": f"t{i}", "brickname": "b", "host_id": "h", "is_control": i % 2 == 1, "n_pix": 16,
                "image": np.full((3, 16, 16), i, "<f4").tobytes(), "raw_image": b"", "image_hash": "",
                "raw_hash": "",
            }
            for i in numbers
        ]  # fmt: skip
        pq.write_table(from_rows(STAMPS, rows), path)
    folder = tmp_path / "runs" / "run-1"
    (folder / "_SUCCESS.json").write_text("{}")
    return folder


def test_a_split_comes_in_batches_with_labels(run_dir):
    batches = list(load_batches(run_dir, "train", batch_size=2))
    assert [len(batch.task_id) for batch in batches] == [2, 2, 1]
    images = np.concatenate([batch.image for batch in batches])
    assert images.shape == (5, 3, 16, 16)
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert np.concatenate([batch.label for batch in batches]).tolist() == [1, 0, 1, 0, 1]
    assert [i for batch in load_batches(run_dir, "val") for i in batch.task_id] == ["t5", "t6"]


def test_a_run_without_a_go_does_not_train(run_dir):
    (run_dir / "_SUCCESS.json").unlink()
    with pytest.raises(InputError, match=r"has no _SUCCESS\.json, so no GO"):
        next(load_batches(run_dir, "train"))


def test_an_unknown_split_is_named(run_dir):
    with pytest.raises(InputError, match="split 'valid': there are train, val, test"):
        next(load_batches(run_dir, "valid"))
