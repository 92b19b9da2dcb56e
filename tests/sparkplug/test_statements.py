"""The list of the specification's statements."""

from __future__ import annotations

from uns.sparkplug.statements import STATEMENTS, Level, Party


def test_all_statements_of_the_specification_are_listed() -> None:
    """The 299 identified statements of version 3.0 are there, each with words of ours."""
    assert 299 == len(STATEMENTS)
    assert all(key == statement.id for key, statement in STATEMENTS.items())
    assert [] == [key for key, statement in STATEMENTS.items() if len(statement.words) < 10]


def test_a_statement_says_whom_it_binds_and_how() -> None:
    """Parties and levels are parsed; what binds every client binds edge nodes and hosts."""
    assert frozenset({Party.EDGE, Party.HOST}) == STATEMENTS["tck-id-topic-structure"].who
    assert Level.SHOULD is STATEMENTS["tck-id-principles-rbe-recommended"].level
    assert 10 == STATEMENTS["tck-id-conformance-mqtt-aware-basic"].chapter
