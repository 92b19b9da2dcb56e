"""A catalogue in Markdown: which machines there are, what they tell, and who reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uns.equipment import Asset, Machine, Tag
from uns.export.machine_type import MachineType, TypeTag, machine_types
from uns.project.project import Project

__all__ = ["catalogue"]


def catalogue(project: Project, machines: tuple[Machine, ...]) -> str:
    """The page; the same project always makes the same page."""
    types = machine_types(machines)
    tags = sum(len(machine.tags) for machine in machines)
    parts = [
        f"# {project.enterprise}\n",
        f"{_count(len(machines), 'machine')} of {_count(len(types), 'type')}, {_count(tags, 'tag')}.\n",
    ]
    parts += _machines(project, machines)
    for one in types:
        parts += _type(one)
    parts += _consumers(project)
    parts += _routes(project)
    return "\n".join(parts)


def _machines(project: Project, machines: tuple[Machine, ...]) -> Iterator[str]:
    yield "## Machines\n"
    rows = (
        (
            f"`{machine.topic}`",
            f"[{machine.type_name}/{machine.version}](#{_anchor(machine)})",
            _drivers(project, machine),
            ", ".join(_relations(machine)),
            ", ".join(map(_asset, machine.assets)),
        )
        for machine in machines
    )
    yield _table(("machine", "type", "read by", "relations", "asset"), rows)


def _type(one: MachineType) -> Iterator[str]:
    yield f"## {one.name} {one.version}\n"
    told = [_count(len(one.machines), "machine")]
    if one.ancestors:
        told.append("extends " + ", ".join(f"`{name}`" for name in one.ancestors))
    if one.semantic_id:
        told.append(f"is `{one.semantic_id}`")
    yield "; ".join(told) + ".\n"
    rows = (_tag(tag, variant) for tag in one.tags for variant in tag.variants)
    heads = ("tag", "type", "unit", "range", "alarm", "write", "what it is", "meaning")
    yield _table(heads, rows)


def _tag(tag: TypeTag, form: Tag) -> tuple[str, ...]:
    """One row; a form that only some machines have says so."""
    name = f"`{tag.name}`"
    if not tag.is_everywhere:
        name += " (optional)"
    if form is not tag.usual:
        name += f", as `{form.topic}` has it"
    return (
        name,
        form.datatype.label,
        f"`{form.unit}`" if form.unit else "",
        _between(form.low, form.high),
        _alarm(form),
        ", ".join(form.write.roles) or "yes" if form.write else "",
        "; ".join(_told(form)),
        f"`{form.semantic_id}`" if form.semantic_id else "",
    )


def _told(tag: Tag) -> Iterator[str]:
    if tag.desc:
        yield tag.desc
    if tag.is_counter:
        yield f"counter, rolls over at {tag.rollover:,}" if tag.rollover else "counter"
    if tag.states:
        yield ", ".join(f"{number} {name}" for number, name in tag.states.items())
    if tag.calc:
        yield f"= `{tag.calc}`"


def _consumers(project: Project) -> Iterator[str]:
    if not project.consumers:
        return
    yield "## Consumers\n"
    rows = (
        (name, ", ".join(f"`{text}`" for text in one.reads), one.owner, one.contact, one.desc)
        for name, one in project.consumers.items()
    )
    yield _table(("consumer", "reads", "owner", "contact", "what it is"), rows)


def _routes(project: Project) -> Iterator[str]:
    if not project.routes:
        return
    yield "## Routes\n"
    rows = []
    for route in project.routes:
        template = project.templates.get(route.use)
        ends = ", ".join(template.deliver) if template else ""
        about = template.desc if template else ""
        rows.append((route.name or route.use, f"`{route.for_each.class_}`", ends, about))
    yield _table(("route", "for each", "delivers to", "what it is"), rows)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _drivers(project: Project, machine: Machine) -> str:
    keys = dict.fromkeys(tag.source.connection for tag in machine.tags if tag.source)
    return ", ".join(f"`{key}` ({project.connections[key].driver})" for key in keys)


def _relations(machine: Machine) -> Iterator[str]:
    for relation in machine.relations:
        name = relation.name
        yield f"{name} `{'/'.join(relation.target.levels[1:])}`"


def _asset(asset: Asset) -> str:
    if asset.since is None and asset.until is None:
        return asset.id
    return f"{asset.id} ({asset.since or '…'} to {asset.until or '…'})"


def _alarm(tag: Tag) -> str:
    if tag.alarm is None:
        return ""
    limits = {name: getattr(tag.alarm, name) for name in ("lolo", "lo", "hi", "hihi")}
    return ", ".join(f"{name} {limit:g}" for name, limit in limits.items() if limit is not None)


def _between(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    ends = ("…" if end is None else f"{end:.15g}" for end in (low, high))
    return " to ".join(ends)


def _anchor(machine: Machine) -> str:
    """The heading of its type, as GitHub and GitLab make anchors."""
    return f"{machine.type_name.lower()}-{machine.version}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table without the columns that are empty in every row."""
    listed = list(rows)
    kept = [n for n, _ in enumerate(heads) if n == 0 or any(row[n] for row in listed)]
    lines = [
        "| " + " | ".join(heads[n] for n in kept) + " |",
        "|" + "---|" * len(kept),
        *("| " + " | ".join(_cell(row[n]) for n in kept) + " |" for row in listed),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
