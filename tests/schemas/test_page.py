"""The page of the tables is what the schemas say."""

import subprocess
import sys
from pathlib import Path

from poolkit.schemas import TABLES
from poolkit.schemas.page import markdown

ROOT = Path(__file__).parents[2]


def test_the_page_in_docs_is_printed_from_the_schemas():
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == markdown()


def test_every_table_and_column_is_on_the_page():
    page = markdown()
    for table in TABLES.values():
        section = page.split(f"## {table.name}\n")[1].split("\n## ")[0]
        for column in table.columns:
            assert f"| {column.name} | `" in section
            assert column.doc in section


def test_the_module_prints_the_page():
    done = subprocess.run(
        [sys.executable, "-m", "poolkit.schemas.page"], cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
    )
    assert done.stdout == markdown()
