from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.schema import SPLITS, TABLES
from pipeline.storage import Part, RunLayout, cache_key, cached_brick_key, parse_part

RUNS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


@given(
    st.sampled_from(["debug", "canary"]),
    st.sampled_from(TABLES),
    RUNS,
    st.sampled_from([*SPLITS, "all"]),
    st.integers(0, 99_999),
)
def test_a_part_key_parses_to_what_built_it(tier, table, run_id, split, number):
    partition = RunLayout(tier, run_id).partition(table.name, split)
    assert parse_part(partition.part(number)) == Part(partition, number)


@pytest.mark.parametrize(
    "key",
    [
        "runs/a/metrics/tier=debug/run_id=b/region_split=train/part-00000.parquet",
        "runs/a/nothing/tier=debug/run_id=a/region_split=train/part-00000.parquet",
        "runs/a/metrics/tier=debug/run_id=a/region_split=train/part-0.parquet",
        "runs/a/metrics/tier=canary/run_id=a/region_split=train/part-00000.parquet",
        "runs/a/canary/metrics/tier=debug/run_id=a/region_split=train/part-00000.parquet",
        "runs/a/metrics/tier=debug/run_id=a/region_split=train/part-00000.parquet.tmp",
    ],
)
def test_a_stray_key_does_not_parse(key):
    with pytest.raises(ValueError, match="not a part"):
        parse_part(key)


@pytest.mark.parametrize("run_id", ["", "A", "a b", "a'", "../x", "-a", "a" * 64, "a_b"])
def test_an_id_that_could_break_out_of_a_key_or_of_sql_is_refused(run_id):
    with pytest.raises(InputError, match="--run-id"):
        RunLayout("debug", run_id)


def test_cached_files_of_other_content_have_other_keys():
    assert cache_key("coadd/a.fits.fz", "1" * 64) != cache_key("coadd/a.fits.fz", "2" * 64)


def test_keys_tell_sources_and_targets_apart():
    keys = {
        cached_brick_key(source, brick, targets)
        for source in ("https://a/dr9/south", "https://a/dr9/north")
        for brick in ("0001p000", "0002p000")
        for targets in ("whole", "bad", "x", "y")
    }
    assert len(keys) == 16
    assert cached_brick_key("https://a/", "b", "bad") == cached_brick_key("https://a", "b", "bad")
