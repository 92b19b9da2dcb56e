"""Templates: the structured types of an edge node, and their instances made whole or partial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from uns.errors import ProjectError
from uns.metric import DataType, Quality
from uns.sparkplug.compiled import CompiledMetric
from uns.sparkplug.datatypes import BASIC, fit
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.metrics import Metric, Parameter, Template
from uns.sparkplug.names import BD_SEQ, REBIRTH, NodeId
from uns.sparkplug.payload import Payload, encode
from uns.sparkplug.profile import WireProfile
from uns.sparkplug.properties import quality_properties

__all__ = ["Templates"]


class Templates:
    """The definitions of one edge node, by the name of their metric in the NBIRTH.

    A member that is an instance itself has a Template value whose `reference` names its
    definition; other members' values, and the parameters', are what an instance has that says
    nothing else. Raises ProjectError for a type that cannot be.
    """

    def __init__(self, node: NodeId, definitions: Mapping[str, Template]) -> None:
        self._node = node
        self._definitions = {
            # tck-id-payloads-template-definition-is-definition, -ref
            name: replace(template, is_definition=True, reference=None)
            for name, template in definitions.items()
        }
        for name in self._definitions:
            self._check(name, ())
            self._check_bytes(name)

    @property
    def names(self) -> Mapping[str, Template]:
        """The definitions by name."""
        return self._definitions

    def check(self, device_id: str, definitions: Iterable[MetricDefinition]) -> None:
        """Raise ProjectError where an instance has no definition here.

        tck-id-payloads-template-definition-nbirth.
        """
        for definition in definitions:
            is_template = definition.datatype is DataType.TEMPLATE
            if is_template and definition.template not in self._definitions:
                raise ProjectError(
                    f"`{self._node}/{device_id}`: the metric `{definition.name}` is an instance of "
                    f"the template `{definition.template}`, which is not defined",
                    hint=f"defined are: {', '.join(self._definitions) or 'none'}",
                )

    def birth(self, now_ms: int, profile: WireProfile) -> list[bytes]:
        """The definitions as metrics of an NBIRTH; they have no alias, for no data carries them.

        A member that is an instance is whole here too (…-template-instance-members-birth).
        """
        births = []
        for name, template in self._definitions.items():
            metric = CompiledMetric(MetricDefinition(name, DataType.TEMPLATE), None, profile)
            stamped = (replace(member, timestamp_ms=now_ms) for member in template.metrics)
            members = (self._whole_member(member, member, now_ms) for member in stamped)
            shape = replace(template, metrics=tuple(members))
            births.append(metric.birth(shape, Quality.GOOD, now_ms))
        return births

    def whole(self, name: str, said: Template | None, now_ms: int) -> Template:
        """An instance with every member and parameter, as births carry it.

        tck-id-payloads-template-instance-members-birth; what was never said is the definition's,
        as of now.
        """
        shape = self._definitions[name]
        members = {metric.name: metric for metric in said.metrics} if said else {}
        parameters = {entry.name: entry for entry in said.parameters} if said else {}
        return Template(
            tuple(self._whole_member(m, members.get(m.name), now_ms) for m in shape.metrics),
            tuple(parameters.get(one.name, one) for one in shape.parameters),
            version=shape.version,
            reference=name,
        )

    def partial(self, name: str, value: Any, at_ms: int) -> Template | None:
        """What may travel of an instance in data: members named and typed by the definition.

        A member without a time has that of the instance; one whose value does not fit is null
        and Bad. None where `value` is no instance of this type:
        tck-id-payloads-template-instance-members allows no member that the definition lacks.
        """
        if not isinstance(value, Template) or value.reference not in (None, "", name):
            return None
        shape = self._definitions[name]
        known = {member.name: member for member in shape.metrics}
        defaults = {entry.name: entry for entry in shape.parameters}
        if any(metric.name not in known for metric in value.metrics):
            return None
        if any(entry.name not in defaults for entry in value.parameters):
            return None
        return Template(
            tuple(self._fitted(known[metric.name], metric, at_ms) for metric in value.metrics),
            tuple(_fitted_parameter(defaults[entry.name], entry) for entry in value.parameters),
            version=shape.version,
            reference=name,
        )

    def merged(self, old: Template | None, new: Template) -> Template:
        """What is known of an instance after `new`: its members over the old ones."""
        if old is None:
            return new
        members = {metric.name: metric for metric in old.metrics}
        for metric in new.metrics:
            before = members.get(metric.name)
            value = metric.value
            if isinstance(value, Template) and before and isinstance(before.value, Template):
                metric = replace(metric, value=self.merged(before.value, value))
            members[metric.name] = metric
        parameters = {entry.name: entry for entry in (*old.parameters, *new.parameters)}
        return replace(new, metrics=(*members.values(),), parameters=(*parameters.values(),))

    def _whole_member(self, member: Metric, said: Metric | None, now_ms: int) -> Metric:
        reference = _reference_of(member)
        metric = said or replace(member, timestamp_ms=now_ms)
        if not reference:
            return metric
        value = said.value if said and isinstance(said.value, Template) else None
        return replace(metric, value=self.whole(reference, value, now_ms))

    def _fitted(self, member: Metric, metric: Metric, at_ms: int) -> Metric:
        """A member's new value, under the definition's name and type."""
        at_ms = metric.timestamp_ms or at_ms
        metric = replace(metric, datatype=member.datatype, alias=None, timestamp_ms=at_ms)
        reference = _reference_of(member)
        if reference:
            value, why = self.partial(reference, metric.value, at_ms), "Type"
        else:
            value, why = fit(member.datatype, metric.value)
        if value is not None or metric.value is None:
            return replace(metric, value=value)
        properties = {**metric.properties, **quality_properties(Quality.BAD, why)}
        return replace(metric, value=None, properties=properties)

    def _check(self, name: str, above: Sequence[str]) -> None:
        """Raise ProjectError for a definition that cannot be; `above` are those it stands in."""
        template = self._definitions.get(name)
        if template is None:
            raise self._refused(above[-1], f"its member type `{name}` is not defined")
        if name in above:
            raise self._refused(name, "it is a member of itself")
        if not name or name in (BD_SEQ, REBIRTH):
            raise self._refused(name, "a template needs a name of its own")
        _check_unique(self, name, [metric.name for metric in template.metrics])
        _check_unique(self, name, [entry.name for entry in template.parameters])
        for entry in template.parameters:
            # tck-id-payloads-template-parameter-type-value: a basic type
            if entry.datatype not in BASIC or fit(entry.datatype, entry.value)[1]:
                raise self._refused(name, f"its parameter `{entry.name}` has no such value or type")
        for member in template.metrics:
            self._check_member(name, member, above)

    def _check_member(self, name: str, member: Metric, above: Sequence[str]) -> None:
        if member.datatype is DataType.TEMPLATE:
            self._check(_reference_of(member), (*above, name))
        elif member.datatype is DataType.UNKNOWN or fit(member.datatype, member.value)[1]:
            raise self._refused(name, f"its member `{member.name}` has no such value or type")

    def _check_bytes(self, name: str) -> None:
        """Half a surrogate pair, a property of no type: found now, and not in an NBIRTH."""
        try:
            encode(Payload(0, (Metric(name, self._definitions[name], DataType.TEMPLATE),)))
        except (TypeError, ValueError) as error:
            raise self._refused(repr(name), f"it cannot be written: {error}") from None

    def _refused(self, name: str, why: str) -> ProjectError:
        return ProjectError(f"`{self._node}`: the template `{name}` cannot be used: {why}")


def _check_unique(templates: Templates, name: str, names: Sequence[str | None]) -> None:
    if not all(names) or len({*names}) < len(names):
        raise templates._refused(name, "a member has no name, or another's")  # noqa: SLF001 - ours


def _reference_of(member: Metric) -> str:
    """The definition of a member that is an instance itself; empty for others."""
    value = member.value
    return (value.reference or "") if isinstance(value, Template) else ""


def _fitted_parameter(default: Parameter, entry: Parameter) -> Parameter:
    value, _ = fit(default.datatype, entry.value)
    return Parameter(default.name, default.datatype, value)
