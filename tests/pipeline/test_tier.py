from __future__ import annotations

import json
from dataclasses import astuple, replace
from importlib.resources import files

import pytest

from pipeline.errors import InputError
from pipeline.tier import load_tier, parse_tier, tier_from, tier_names

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
    assert 3 * tier.hosts.per_split * tier.n_combinations == tier.expected_rows == 17_280


def test_pilot_grid_and_train_have_the_sizes_of_the_design():
    pilot, grid, train = (load_tier(name) for name in ("pilot", "grid", "train"))
    assert (pilot.expected_rows, pilot.n_bricks) == (25_200, 700)
    assert (train.expected_rows, train.n_bricks) == (10_080_000, 280_000)
    assert pilot.expected_rows / pilot.n_bricks == train.expected_rows / train.n_bricks == 36
    assert (grid.expected_rows, grid.n_combinations) == (1_014_600, 160)
    assert train.requires == ("debug", "pilot")
    assert train.row_settings() == pilot.row_settings()


@pytest.mark.parametrize("name", ["debug", "pilot", "grid", "train"])
@pytest.mark.parametrize("n_pix", [64, 96, 101])
def test_every_tier_takes_every_stamp_and_survives_a_request(name, n_pix):
    tier = replace(load_tier(name), n_pix=n_pix)
    assert tier_from(json.loads(json.dumps(tier.settings())), "x") == tier
    assert f"_stamp{n_pix}_bandsgrz_grid" in tier.experiment_id


def test_a_users_tier_is_read_by_its_path_and_may_build_on_another(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "pilot"\nname = "mine"\nn_pix = 101\n')
    assert load_tier(str(path)) == replace(load_tier("pilot"), name="mine", n_pix=101)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('base = "pilott"', "base is 'pilott'; there are: debug"),
        ('base = "pilot"\nn_pix = 101', "name 'pilot' is that of a tier of the package"),
    ],
)
def test_a_users_tier_that_cannot_be_is_named(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_tier(str(path))
    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        load_tier(str(tmp_path / "none.toml"))


def test_roles_keep_the_fractions_and_never_give_a_host_two_controls():
    pilot, grid = load_tier("pilot"), load_tier("grid")
    assert astuple(pilot.roles(18)) == (9, 18, 9, 9)
    assert astuple(grid.roles(18)) == (1, 160, 1, 17)
    for n_hosts in range(2, 200):
        roles = pilot.roles(n_hosts)
        assert roles.hosts <= n_hosts
        assert roles.paired <= roles.lenses
        assert roles.paired + roles.unpaired == roles.injections


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
        ("fraction = 0.0", "fraction = 1.2", "controls.fraction is 1.2; give a value from 0 to 0.95"),
        ("fraction = 0.0", "fraction = 0.5", "controls need hosts.per_brick"),
        ("rows = 17280", "rows = 17279", "rows is 17,279, but hosts and parameters multiply to 17,280"),
        ("shear = [0.0, 0.03]", "shear = [0.0, 0.02, 0.03]", "multiply to 25,920"),
        ("poisson_noise = false", "poisson_noise = 0", "poisson_noise is 0; give true or false"),
        ("shares = [1, 1, 1]", "shares = [70, 30]", "splits.shares has 2 values; give train, val, test"),
        ("shares = [1, 1, 1]", "shares = [100, 0, 0]", "splits.shares is 0"),
        ('deal = "balanced"', 'deal = "rows"', "splits.deal is 'rows'; give hash or balanced"),
        ("block_nside = 64", "block_nside = 48", "splits.block_nside is 48; give a power of two"),
        ("theta_e_arcsec = [", "theta_e_over_fwhm = [1.0]\ntheta_e_arcsec = [",
         "grid has theta_e_arcsec and theta_e_over_fwhm of theta_e_arcsec, theta_e_over_fwhm; give one"),
        ("src_dmag = [1.0, 2.0]", "", "grid has none of src_dmag, src_mag_r, arc_snr; give one"),
        ("[grid] ", "[prior]\n[grid] ", "field 'lens' is missing in prior"),
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


def test_a_tier_of_psf_images_is_planned_as_one_of_moffats():
    own, images = load_tier("debug"), parse_tier(DEBUG.replace('kind = "moffat"', 'kind = "image"'), "t.toml")
    assert images.psf.fwhm_over_psfsize == own.psf.fwhm_over_psfsize
    assert images.row_settings() != own.row_settings()
    assert tier_from(images.settings(), "t") == images


def test_a_whole_number_in_the_grid_is_the_same_value():
    one = parse_tier(DEBUG.replace("1.0]", "1]"), "t.toml")
    assert one == load_tier("debug")
    assert [repr(v) for v in one.grid.axes["theta_e_arcsec"]] == ["0.3", "0.6", "1.0"]


PILOT = (files("pipeline.tiers") / "pilot.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sd = 0.25", "sd = -0.25", "prior.source.color_g_r.sd is -0.25; give a value from"),
        ("reff_scatter = 0.22", "reff_scatter = -1", "prior.source.reff_scatter is -1; give"),
        ("mag_r_faint = 25.0", "mag_r_faint = 21.0", "prior.source.mag_r_faint is 21.0; give"),
        ("theta_e_high = 2.0", "theta_e_high = nan", "prior.lens.theta_e_high is nan; give"),
        ("high = 0.1 }", "high = 0.3 }", "prior.lens.shear.high is 0.3; give"),
        ("margin = 0.1 ", "margin = -0.1 ", "prior.lens.margin is -0.1; give"),
        ("{ scale = 0.24, high = 0.7 }", "{ scale = 0.24 }", "field 'high' is missing in prior.source"),
        ("{ scale = 0.24, high = 0.7 }", "0.24", "wrong type"),
        ("per_brick = 18", "per_brick = 1", "too few for one lens and its controls"),
        ("rows = 25200", "rows = 25000", "rows is 25,000, but hosts and parameters multiply to 25,200"),
    ],
)  # fmt: skip
def test_a_bad_prior_is_named(old, new, message):
    assert old in PILOT
    with pytest.raises(InputError, match=message) as caught:
        parse_tier(PILOT.replace(old, new), "mine.toml")
    assert "\n" not in str(caught.value)


def test_a_gate_that_demands_nothing_is_refused() -> None:
    settings = load_tier("debug").settings() | {"gate": {"critical": []}}
    with pytest.raises(InputError, match="gate.critical is empty"):
        tier_from(settings, "mine.toml")
