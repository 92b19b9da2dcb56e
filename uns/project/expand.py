"""Expanding: types, bindings, instances and overrides become machines and connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uns.equipment import Asset, Connection, Machine, Source, SparkplugId, Tag
from uns.errors import AddressError
from uns.hierarchy import MAX_LEVELS, MAX_TOPIC_BYTES
from uns.project.addresses import check_addresses
from uns.project.advice import check_advice
from uns.project.assets import assets_of, check_assets
from uns.project.capitals import check_capitals
from uns.project.catalogue import Catalogue
from uns.project.checks import check_nested
from uns.project.connections import Connections, Link, Settings
from uns.project.findings import Findings
from uns.project.kinds import Feed, Kind, Kinds, KindTag
from uns.project.library import Library
from uns.project.lineage import Shapes
from uns.project.parameters import Parameters
from uns.project.readers import check_readers, check_schemas
from uns.project.relations import Relating
from uns.project.secrets import Secrets
from uns.project.stamps import Stamp, machine_parameters, stamps
from uns.project.style import check_style
from uns.project.template import MissingParameterError, TemplateError
from uns.topic import Topic

__all__ = ["MAX_TAGS", "Expanded", "expand"]

MAX_TAGS = 1_000_000  # one project; a site with more is several projects


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a library's equipment comes to."""

    machines: tuple[Machine, ...]
    connections: Mapping[str, Connection]


def expand(
    library: Library,
    catalogue: Catalogue,
    secrets: Secrets,
    findings: Findings,
    *,
    given: Mapping[str, Any],
) -> Expanded:
    """Every machine that can be made; what cannot is in `findings`."""
    shapes = Shapes(library, findings)
    shapes.check_all()
    connections = Connections(catalogue, secrets, findings)
    for binding in library.bindings.values():
        connections.find_driver(binding)
    if library.enterprise is None:
        return Expanded((), {})
    kinds = Kinds(library, shapes, findings)
    enterprise = library.enterprise.words
    relating = Relating(library, findings)
    planned = _planned(stamps(library, enterprise, given, findings), kinds, findings)
    machines = []
    for stamp, kind in planned:
        parameters = machine_parameters(stamp, library, enterprise, given, findings)
        builder = _Builder(stamp, kind, parameters, connections, findings)
        machines.append(builder.machine(enterprise))
        relating.add(machines[-1], stamp, parameters)
    machines = relating.joined(machines)
    _check_places(library, planned, machines, findings)
    made = list(zip(machines, [kind for _, kind in planned], strict=True))
    check_addresses(made, connections.by_key, catalogue.drivers, findings)
    check_advice(made, connections.by_key, catalogue.drivers, findings)
    check_readers(library, machines, findings)
    check_schemas(library, findings)
    kinds.check_unused_types()
    kinds.report_unused_addresses()
    return Expanded(tuple(machines), connections.by_key)


def _check_places(
    library: Library,
    planned: Sequence[tuple[Stamp, Kind]],
    machines: Sequence[Machine],
    findings: Findings,
) -> None:
    """What shows only when every machine is there; `planned` says where they come from."""
    places = [stamp.entry.at.at("path") for stamp, _ in planned]
    check_nested(machines, places, findings)
    check_capitals(machines, places, findings)
    check_assets(machines, [stamp.asset_at.at for stamp, _ in planned], findings)
    paths = [stamp.path for stamp, _ in planned]
    check_style(library, zip(paths, places, strict=True), findings)


def _planned(
    stamped: Iterable[Stamp], kinds: Kinds, findings: Findings
) -> list[tuple[Stamp, Kind]]:
    """The machines that can be made, with their kinds; none where they are far too many."""
    planned = [(stamp, kind) for stamp in stamped if (kind := kinds.find(stamp)) is not None]
    count = sum(len(kind.tags) for _, kind in planned)
    if count <= MAX_TAGS:
        return planned
    at = planned[-1][0].entry.at.at("path")
    message = f"with this the project has {count:,} tags"
    findings.add("UNS106", message, at, hint=f"at most {MAX_TAGS:,} in one project")
    return []


class _Builder:
    """One machine in the making."""

    def __init__(
        self,
        stamp: Stamp,
        kind: Kind,
        parameters: Parameters,
        connections: Connections,
        findings: Findings,
    ) -> None:
        self._stamp = stamp
        self._kind = kind
        self._parameters = parameters
        self._connections = connections
        self._findings = findings
        self._own: dict[tuple[str, int], Link | None] = {}

    def machine(self, enterprise: str) -> Machine:
        """The machine with every tag whose topic and address could be made."""
        path = self._stamp.path
        topic = Topic(f"{enterprise}/{path}")
        self._check_size(topic)
        values = {name: self._parameters[name] for name in self._parameters}
        site, area, line, *rest = path.split("/")
        return Machine(
            topic,
            self._kind.shape.name,
            self._kind.shape.version,
            self._kind.shape.lineage,
            tuple(self._tags(topic.text, values)),
            SparkplugId(f"{enterprise}:{site}", f"{area}:{line}", ":".join(rest)),
            values,
            _description(self._stamp),
            self._kind.shape.semantic_id,
            tuple(self._was(enterprise)),
            assets=self._assets(),
            place=self._stamp.entry.at.place,
        )

    def _was(self, enterprise: str) -> Iterator[Topic]:
        """The topics that the machine had before: the last entry that says so."""
        for entry in reversed(self._stamp.levels):
            at = entry.at.at("was")
            for number, text in enumerate(entry.words.was):
                place = at.at(number) if at.at(number).is_written else at
                path = self._parameters.fill(text, place)
                if path is not None:
                    yield Topic(f"{enterprise}/{path}")
            if entry.words.was:
                return

    def _assets(self) -> tuple[Asset, ...]:
        """What stands there: the last entry that says so."""
        at = self._stamp.asset_at
        return assets_of(at.words.asset, at.at.at("asset"), self._parameters, self._findings)

    def _tags(self, topic: str, values: dict[str, Any]) -> Iterator[Tag]:
        for tag in self._kind.tags:
            name = tag.draft.name
            source = None
            if tag.feed is not None:
                values["tag"] = name
                if tag.index is not None:
                    values["i"] = tag.index
                source = self._source(tag, tag.feed, values)
            yield tag.draft.tag(Topic(f"{topic}/{name}"), source, tag.place)
        values.pop("tag", None)
        values.pop("i", None)

    def _source(self, tag: KindTag, feed: Feed, values: dict[str, Any]) -> Source | None:
        link = self._link(feed)
        if link is None:
            return None
        try:
            text = feed.address.fill(values)
        except MissingParameterError as error:
            self._parameters.missing(error.field, feed.at)
            return None
        except TemplateError as error:
            place = feed.at.inside(error.column)
            self._findings.add(error.code, str(error), place, hint=error.hint)
            return None
        try:
            return Source(link.key, link.parse(text), text)
        except AddressError as error:
            self._bad_address(error, feed, text, tag, values)
        return None

    def _bad_address(
        self, error: AddressError, feed: Feed, text: str, tag: KindTag, values: dict[str, Any]
    ) -> None:
        """Point at the column of the template that the wrong part of the address came from."""
        message = str(error)
        if text != feed.address.text:
            message += f" (`{tag.draft.name}` of `{self._stamp.path}` is at `{text}`)"
        column = feed.address.origin(error.column, values)
        self._findings.add("UNS110", message, feed.at.inside(column), hint=error.hint)

    def _link(self, feed: Feed) -> Link | None:
        """The link of a feed; looked up once per machine and binding."""
        known = (feed.binding.name, id(feed.settings))
        if known not in self._own:
            self._own[known] = self._connect(feed)
        return self._own[known]

    def _connect(self, feed: Feed) -> Link | None:
        binding = feed.binding
        layers: list[Settings] = [(binding.words.connection, binding.at.at("connection"))]
        layers += [(e.words.connection, e.at.at("connection")) for e in self._stamp.levels]
        if feed.settings:
            layers.append((feed.settings, feed.settings_at))
        return self._connections.find(binding, layers, self._parameters)

    def _check_size(self, topic: Topic) -> None:
        """The limits beyond which some brokers do not follow (docs/reference/topics.md)."""
        self._check_birth(topic)
        levels = len(topic.levels) + self._kind.deepest
        size = len(topic.text) + 1 + self._kind.longest
        at = self._stamp.entry.at.at("path")
        if levels > MAX_LEVELS:
            self._findings.warn(
                "UNS216",
                f"topics below `{topic}` have up to {levels} levels",
                at,
                hint=f"some brokers (AWS IoT Core) carry at most {MAX_LEVELS}",
            )
        if size > MAX_TOPIC_BYTES:
            self._findings.warn(
                "UNS216",
                f"topics below `{topic}` have up to {size} bytes",
                at,
                hint=f"keep them within {MAX_TOPIC_BYTES}",
            )

    def _check_birth(self, topic: Topic) -> None:
        """A birth says everything at once, in one message."""
        count = len(self._kind.tags)
        names = sum(len(tag.draft.name) for tag in self._kind.tags)
        size = 2 * names + count * (len(topic.text) + _METRIC_BYTES)
        if size > _LARGEST_BIRTH:
            self._findings.warn(
                "UNS253",
                f"`{topic}` has {count:,} tags: its birth is about {size // 1024} KB",
                self._stamp.entry.at.at("path"),
                hint="some brokers and gateways carry 256 KB; make parts of it machines",
            )


_METRIC_BYTES = 100  # of a metric in a birth without its names: measured on the demo plant's filler
_LARGEST_BIRTH = 256 * 1024  # HiveMQ Cloud's, and the usual advice, for one message


def _description(stamp: Stamp) -> str:
    return next((e.words.desc for e in reversed(stamp.levels) if e.words.desc), "")
