"""The docs are held to the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from cli.main import darkhalo
from pipeline.schema import TABLES
from pipeline.tier import tier_names

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _generated():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PAGES


@pytest.mark.parametrize(("name", "text"), list(_generated().items()))
def test_a_generated_page_is_what_its_source_says(name, text):
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text(), "run `make docs`"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=str)
def test_every_local_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_is_documented():
    missing = [name for name in darkhalo.commands if f"darkhalo {name}" not in README]
    assert not missing


def test_every_documented_command_exists():
    assert set(re.findall(r"^\s*darkhalo ([a-z]+)", README, re.MULTILINE)) <= set(darkhalo.commands)


def test_every_command_and_option_says_what_it_does():
    for name, command in darkhalo.commands.items():
        assert command.help, name
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert parameter.help or parameter.name in ("seed",), f"{name} {parameter.name}"


def test_every_column_has_a_meaning_and_every_measured_quantity_a_unit_in_its_name_or_entry():
    for table in TABLES:
        for column in table.columns:
            assert column.meaning, f"{table.name}.{column.name}"
            if column.name.endswith("_arcsec"):
                assert column.unit == "arcsec"
            if column.name.endswith("_rad"):
                assert column.unit == "rad"
            if column.name.endswith("_nmgy"):
                assert column.unit == "nmgy"


def test_the_tiers_there_are_stand_in_the_readme():
    assert all(f"`{name}`" in README for name in tier_names())


def test_the_library_page_runs_as_printed():
    """All but the part that reads a run, which tests/training covers."""
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "library.md").read_text(encoding="utf-8"), re.DOTALL
    )
    ran = [block for block in blocks if "load_batches" not in block]
    assert len(ran) == 3
    for block in ran:
        names: dict = {}
        exec(block, names)  # noqa: S102 (our own page)
        assert names.keys() & {"arc", "batch", "mu"}
