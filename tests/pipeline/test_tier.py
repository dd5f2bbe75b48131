from __future__ import annotations

from importlib.resources import files

import pytest

from pipeline.errors import InputError
from pipeline.tier import load_tier, parse_tier, tier_names

DEBUG = (files("pipeline.tiers") / "debug.toml").read_text()


def test_every_tier_file_loads_under_its_own_name():
    assert "debug" in tier_names()
    for name in tier_names():
        assert load_tier(name).name == name


def test_debug_is_the_earlier_grid():
    tier = load_tier("debug")
    assert tier.n_combinations == len(list(tier.combinations())) == 48
    assert tier.experiment_id == "debug_stamp64_bandsgrz_gridgrid_small"
    assert tier.n_bricks == 20
    assert 3 * tier.hosts_per_split * tier.n_combinations == 17_280


def test_a_changed_setting_changes_the_hash():
    changed = parse_tier(DEBUG.replace("seed = 13", "seed = 14"), "t.toml")
    assert changed.config_hash() != load_tier("debug").config_hash()
    assert parse_tier(DEBUG, "t.toml").config_hash() == load_tier("debug").config_hash()


def test_an_unknown_tier_names_those_there_are():
    with pytest.raises(InputError, match="unknown tier 'debgu'; there are: .*debug"):
        load_tier("debgu")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 13", "seed = 13\nsede = 1", "unknown field 'sede'"),
        ("seed = 13", "", "field 'seed' is missing"),
        ("seed = 13", "seed = -1", "seed is -1; give a value from 0"),
        ("seed = 13", 'seed = "x"', "seed is 'x'; give a whole number"),
        ("seed = 13", "seed = 13.5", "seed is 13.5; give a whole number"),
        ("theta_e_arcsec = [0.3, 0.6, 1.0]", 'theta_e_arcsec = ["x"]', "wrong type"),
        ("e_max = 0.3", "e_max = 0.9", "lens.e_max is 0.9; give a value from 0 to 0.66"),
        ("src_e = [0.0, 0.3]", "src_e = [0.9]", "grid.src_e is 0.9; give a value from 0 to 0.81"),
        ("n_pix = 64", "n_pix = 16", "n_pix is 16; give a value from 32"),
        ('critical = ["schema"', 'critical = ["scheme"', "gate.critical: no check 'scheme'; there are: "),
        ("control_fraction = 0.0", "control_fraction = 1.2", "control_fraction is 1.2; give"),
        ("theta_e_arcsec = [0.3, 0.6, 1.0]", "theta_e_arcsec = [0.3, 0.0]", "grid.theta_e_arcsec is 0.0"),
        ("src_e = [0.0, 0.3]", "src_e = []", "grid.src_e needs at least one value"),
        ("src_e = [0.0, 0.3]", "src_e = [0.3, 0.3]", "grid.src_e needs at least one value, each once"),
        ('kind = "moffat"', 'kind = "airy"', "psf.kind is 'airy'"),
        ("n_sersic = 1.0", "n_sersic = 9.0", "source.n_sersic is 9.0"),
        ("[lens]", "[lense]", "field 'e_max' is missing in lens"),
        ('name = "debug"', 'name = "De bug"', "tier name 'De bug'"),
        ("[gate]", "gate]", "not TOML"),
    ],
)  # fmt: skip
def test_a_bad_tier_file_is_named(old, new, message):
    assert old in DEBUG
    with pytest.raises(InputError, match=message) as caught:
        parse_tier(DEBUG.replace(old, new), "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert "\n" not in str(caught.value)


def test_a_whole_number_in_the_grid_is_the_same_value():
    one = parse_tier(DEBUG.replace("1.0]", "1]"), "t.toml")
    assert one == load_tier("debug")
    assert [repr(v) for v in one.grid["theta_e_arcsec"]] == ["0.3", "0.6", "1.0"]
