"""What the importers' tests share: a plant with our drivers, and drafts that are loaded."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from uns.cli.catalogue import catalogue
from uns.importers import get_importer
from uns.importers.draft import Draft, draft
from uns.importers.found import Found
from uns.importers.reading import Plant
from uns.project.load import load
from uns.project.project import Project


@pytest.fixture
def plant() -> Plant:
    """Our drivers, and no word of the engineer's."""
    return Plant(catalogue().drivers)


@pytest.fixture
def drafted() -> Callable[..., Draft]:
    """Draft what was found, below `acme/leeds/packaging/line1` where the files do not say."""

    def make(found: Found) -> Draft:
        return draft(
            found, title="Drafted.", enterprise="acme", under=("leeds", "packaging", "line1")
        )

    return make


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], Project]:
    """The project in a draft's text; not one problem is in it, and no warning but one.

    Where a file has numbers of OPC UA namespaces, so has the draft, and `uns check` says that.
    """

    def read(text: str) -> Project:
        file = tmp_path / "draft.yaml"
        file.write_text(text, encoding="utf-8")
        result = load(file, catalogue())
        assert [] == [d for d in result.diagnostics if d.code != "UNS255"], text
        assert result.project is not None
        return result.project

    return read


@pytest.fixture
def imported(plant: Plant, drafted: Callable[..., Draft]) -> Callable[..., Draft]:
    """Draft files of a kind: `imported("csv", ("a.csv", text), …)`."""

    def make(kind: str, *files: tuple[str, str | bytes]) -> Draft:
        found = Found()
        for name, text in files:
            raw = text.encode() if isinstance(text, str) else text
            found = found.plus(get_importer(kind)(name, raw, plant))
        return drafted(found)

    return make


@pytest.fixture
def workbook() -> Callable[..., bytes]:
    """An .xlsx with sheets of texts, as ECMA-376 part 1 §18.3 has it: `workbook(Tags=[[…]])`."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

    def cell(at: int, row: int, text: str) -> str:
        where = f"{chr(ord('A') + at)}{row}"
        return f'<c r="{where}" t="inlineStr"><is><t>{escape(text)}</t></is></c>' if text else ""

    def make(**sheets: Sequence[Sequence[str]]) -> bytes:
        out = io.BytesIO()
        names = "".join(f'<sheet name="{name.replace("_", " ")}"/>' for name in sheets)
        with zipfile.ZipFile(out, "w") as book:
            book.writestr(
                "xl/workbook.xml", f'<workbook xmlns="{main}"><sheets>{names}</sheets></workbook>'
            )
            for number, rows in enumerate(sheets.values(), 1):
                lines = "".join(
                    f'<row r="{at}">{"".join(cell(k, at, text) for k, text in enumerate(row))}</row>'
                    for at, row in enumerate(rows, 1)
                )
                book.writestr(
                    f"xl/worksheets/sheet{number}.xml",
                    f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
                )
        return out.getvalue()

    return make
