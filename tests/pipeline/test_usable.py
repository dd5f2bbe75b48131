"""A run without a usable brick is refused before 4c; one usable brick, in whatever chunk, is enough."""

import pytest

from pipeline.errors import InputError
from pipeline.events import CACHE_PHASE, ChunkRecord, RunRequest
from pipeline.store import publish_json
from pipeline.usable import refuse_unusable, refuse_unusable_run

BAD = {
    "reason": "missing_file",
    "file": "a.fits.fz",
    "message": "absent: a.fits.fz; put it there [missing_file]",
}
OLD = {"reason": "corrupt", "file": "b.fits.fz"}  # as records without a message


def planned(store, *chunks):
    request = RunRequest("debug", "a-run", "hosts/x.parquet", "file:///sky")
    records = [ChunkRecord(f"train-{n:05d}", "train", n, tuple(chunk), 1) for n, chunk in enumerate(chunks)]
    publish_json(store, request.layout.chunks, [record.to_event() for record in records])
    for record, bricks in zip(records, chunks, strict=True):
        publish_json(store, request.layout.receipt(CACHE_PHASE, record.chunk_id), {"bricks": bricks})
    return request


def test_a_usable_brick_of_another_chunk_is_enough(store):
    refuse_unusable_run(
        store, planned(store, {"0001p020": BAD}, {"0003p020": {"files": {}}}), {"0001p020": BAD}
    )


def test_a_run_without_any_is_refused_with_counts_and_a_mend(store):
    own = {"0001p020": BAD, "0002p020": BAD}
    with pytest.raises(InputError) as caught:
        refuse_unusable_run(store, planned(store, own, {"0003p020": OLD}), own)
    assert str(caught.value) == (
        "--sky file:///sky: none of 3 bricks can be used (missing_file 2, corrupt 1); "
        "brick 0001p020: a.fits.fz: absent: a.fits.fz; put it there [missing_file]"
    )


def test_nothing_asked_is_nothing_refused():
    refuse_unusable("file:///sky", [])
