"""A row for each tag, in a form that spreadsheets and our own tag lists read."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from uns.cli.catalogue import catalogue
from uns.export.tag_rows import COLUMNS, csv_text, rows
from uns.project.columns import COLUMNS as LISTED
from uns.project.load import load
from uns.project.project import Project


def test_every_tag_is_a_row(aurora: Project) -> None:
    """As many rows as tags, each with its topic, in the order of the machines."""
    made = list(csv.DictReader(io.StringIO(csv_text(rows(aurora, aurora.machines)))))
    topics = [tag.topic.text for machine in aurora.machines for tag in machine.tags]
    assert topics == [row["topic"] for row in made]
    assert list(COLUMNS) == list(made[0])


def test_columns_of_tag_lists_keep_their_names() -> None:
    """What a tag list can say is called as there."""
    assert {"is", "array"} == set(LISTED) - set(COLUMNS)


def test_a_machines_rows_are_a_tag_list(plant: Project, tmp_path: Path) -> None:
    """The rows of one machine, its own columns left out, say the same again in a type."""
    machine = plant.machines[0]
    made = csv.DictReader(io.StringIO(csv_text(rows(plant, [machine]), ";")), delimiter=";")
    listed = [name for name in COLUMNS if name in LISTED]
    with (tmp_path / "tags.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, listed, delimiter=";", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(made)
    (tmp_path / "plant.yaml").write_text(
        "enterprise: acme\ntypes: {filler: {tags: tags.csv}}\n"
        "bindings: {plc: {driver: modbus, connection: {host: 10.0.0.1}, tags: tags.csv}}\n"
        "instances: [{path: leeds/packaging/line1/filler, is: filler, bind: plc}]\n"
    )
    found = load(tmp_path, catalogue())
    assert found.project is not None, found.errors
    again = rows(found.project, found.project.machines)
    before, after = ([[row[name] for name in listed] for row in table]
                     for table in (rows(plant, [machine]), again))  # fmt: skip
    assert before == after


def test_numbers_are_written_as_the_country_writes_them(plant: Project) -> None:
    """With `;` between cells a decimal comma, else a point; whole numbers have neither."""
    row = {**next(rows(plant, plant.machines)), "lo": 0.5, "hi": 1e-07, "deadband": 50.0}
    points = next(csv.DictReader(io.StringIO(csv_text([row]))))
    commas = next(csv.DictReader(io.StringIO(csv_text([row], ";")), delimiter=";"))
    assert ("0.5", "1e-07", "50") == (points["lo"], points["hi"], points["deadband"])
    assert ("0,5", "1e-07", "50") == (commas["lo"], commas["hi"], commas["deadband"])
