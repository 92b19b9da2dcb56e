"""`uns export` as people and programs call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Uns = Callable[..., Any]


def test_the_schema_for_editors_is_the_one_that_ships(uns: Uns, tmp_path: Path) -> None:
    """On stdout or in a file, it is schemas/project/1.json."""
    shipped = (ROOT / "schemas/project/1.json").read_text()
    file = tmp_path / "project.schema.json"
    printed, written = uns("export", "project-schema"), uns("export", "project-schema", "-o", file)
    assert (0, shipped) == (printed.code, printed.out)
    assert (0, "", f"wrote {file}\n") == (written.code, written.out, written.err)
    assert shipped == file.read_text()
    assert "types" in json.loads(shipped)["properties"]


def test_a_file_that_cannot_be_written_is_told(uns: Uns, tmp_path: Path) -> None:
    """A folder in the way is one sentence and exit code 1."""
    ended = uns("export", "project-schema", "-o", tmp_path)
    assert (1, "") == (ended.code, ended.out)
    assert f"`{tmp_path}` cannot be written: Is a directory" in ended.err


def test_every_form_comes_on_stdout(uns: Uns) -> None:
    """Data on stdout and nothing else, exit code 0, for each export of a project."""
    begins = {
        "asyncapi": '{\n "asyncapi": "3.0.0"',
        "csv": "topic,site,area,line,",
        "json-schema": "{\n",
        "markdown": "# acme\n",
        "mermaid": "flowchart LR\n",
        "nodeset2": '<?xml version="1.0" encoding="utf-8"?>\n<UANodeSet ',
    }
    for form, beginning in begins.items():
        ended = uns("export", form, ROOT / "config/acme")
        assert (0, "") == (ended.code, ended.err)
        assert ended.out.startswith(beginning)


def test_rows_as_json(uns: Uns) -> None:
    """`--json` gives each tag as an object, with numbers as numbers."""
    table = json.loads(uns("export", "csv", ROOT / "config/acme", "--json").out)
    speed = next(row for row in table if row["topic"] == "acme/leeds/packaging/line2/filler/speed")
    assert (80, 60000, "s7") == (len(table), speed["hi"], speed["driver"])


def test_a_file_for_excel(uns: Uns, tmp_path: Path) -> None:
    """A CSV file begins with a byte order mark and ends its rows as RFC 4180 says."""
    file = tmp_path / "new" / "tags.csv"
    ended = uns("export", "csv", ROOT / "config/acme", "--separator", "semicolon", "-o", file)
    assert (0, "") == (ended.code, ended.out)
    content = file.read_bytes()
    assert content.startswith(b"\xef\xbb\xbftopic;site;")
    assert 81 == content.count(b"\r\n")


def test_a_part_of_the_machines(uns: Uns) -> None:
    """`--select` takes those below a place; a place that is not there is told."""
    one = uns("export", "csv", ROOT / "config/acme", "--select", "porto/packaging/line3")
    assert {"topic", "acme"} == {line.split(",")[0].split("/")[0] for line in one.out.splitlines()}
    assert 11 == len(one.out.splitlines())
    none = uns("export", "csv", ROOT / "config/acme", "--select", "paris")
    assert (1, "") == (none.code, none.out)
    assert "no machine of this project is below paris" in none.err


def test_schemas_as_files(uns: Uns, tmp_path: Path) -> None:
    """`-o FOLDER` writes one file per type, as a registry keeps them."""
    ended = uns("export", "json-schema", ROOT / "config/aurora", "-o", tmp_path)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json"))
    assert 0 == ended.code
    names = "checkweigher/1 filler/2 labeller/1 meter/1 mill/1 order_desk/1 palletiser/1"
    assert [f"{name}.json" for name in [*names.split(), "tank_sample/1"]] == files
    assert "filler/2" == json.loads((tmp_path / "filler/2.json").read_text())["title"]


def test_a_project_with_mistakes_is_not_exported(uns: Uns, tmp_path: Path) -> None:
    """Every mistake is drawn on stderr, stdout stays empty, exit code 1."""
    (tmp_path / "plant.yaml").write_text("enterprise: acme\ntypes: {a: {tags: {x: {unt: bar}}}}\n")
    ended = uns("export", "markdown", tmp_path)
    assert (1, "") == (ended.code, ended.out)
    assert "UNS101" in ended.err


def test_a_flow_without_relations_says_so(uns: Uns) -> None:
    """The picture has boxes only; what to write for arrows is told."""
    ended = uns("export", "mermaid", ROOT / "config/acme", "--flow")
    assert 0 == ended.code
    assert "no relations are declared" in ended.err
