from __future__ import annotations

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.parquet import from_rows
from pipeline.schema import STAMPS
from pipeline.store import FolderStore
from tests.pipeline.judged_run import judge_as, planned_run
from training import load_batches


@pytest.fixture
def run_dir(tmp_path):
    """A published run of two splits, whose images hold their own number."""
    store = FolderStore(tmp_path / "bucket")
    request = planned_run(store)
    shutil.rmtree(store.root / request.layout.prefix / STAMPS.name)
    for split, numbers in (("train", range(5)), ("val", range(5, 7))):
        path = store.path(request.layout.partition(STAMPS.name, split).part(0))
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
    judge_as(store, request).publish(store)
    return store.root / request.layout.prefix


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


@pytest.mark.parametrize("table", ["manifest", "metrics", "stamps"])
def test_a_run_of_which_a_bit_changed_does_not_train(run_dir, table):
    path = sorted((run_dir / table).rglob("*.parquet"))[-1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"changed since the verdict: {table}; train on a published run"):
        next(load_batches(run_dir, "train"))


@pytest.mark.parametrize("content", ["{}", "[]", '{"verdict": "GO"}'])
def test_a_success_that_nobody_published_does_not_train(run_dir, content):
    (run_dir / "_SUCCESS.json").write_text(content)
    with pytest.raises(InputError, match="not the one that publishing this verdict writes"):
        next(load_batches(run_dir, "train"))


def test_an_unknown_split_is_named(run_dir):
    with pytest.raises(InputError, match="split 'valid': there are train, val, test"):
        next(load_batches(run_dir, "valid"))
