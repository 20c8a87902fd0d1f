"""Debugging information entries: one node of a unit's tree each, decoded when somebody asks for it."""

from typing import TYPE_CHECKING

from esperd.decode.program import constants as dw
from esperd.decode.program.errors import DamagedProgramError
from esperd.decode.program.forms import Value
from esperd.decode.program.limits import MAX_ORIGIN_HOPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esperd.decode.program.units import Unit


class Die:
    """A node; ``offset`` is in .debug_info, ``end`` after its attributes, attributes are ``{name: (form, value)}``."""

    __slots__ = ("attributes", "end", "has_children", "offset", "parts", "tag", "unit")

    def __init__(
        self,
        unit: "Unit",
        offset: int,
        end: int,
        tag: int,
        has_children: bool,
        attributes: dict[int, tuple[int, Value]],
    ) -> None:
        self.unit = unit
        self.offset = offset
        self.end = end
        self.tag = tag
        self.has_children = has_children
        self.attributes = attributes
        #: The children of a type, once somebody has read them.
        self.parts: list[Die] | None = None

    def has(self, attribute: int) -> bool:
        """Whether the DIE itself has the attribute."""
        return attribute in self.attributes

    def flag(self, attribute: int) -> bool:
        """Whether the DIE itself has the flag, and it is set."""
        return bool(self.attributes.get(attribute, (0, 0))[1])

    def number(self, attribute: int) -> int | None:
        """The attribute's value where it is a number."""
        entry = self.attributes.get(attribute)
        return entry[1] if entry is not None and isinstance(entry[1], int) else None

    def block(self, attribute: int) -> bytes | None:
        """The attribute's value where it is a block or an expression."""
        entry = self.attributes.get(attribute)
        return entry[1] if entry is not None and isinstance(entry[1], bytes) else None

    def address(self, attribute: int) -> int | None:
        """The attribute's value where it is an address (and not an offset from one)."""
        form, value = self.attributes.get(attribute, (0, None))
        if not isinstance(value, int):
            return None
        if form == dw.FORM_ADDR:
            return value
        return self.unit.address_at(value) if form in dw.ADDRX_FORMS else None

    def string(self, attribute: int) -> str | None:
        """The attribute's value where it is a string."""
        entry = self.attributes.get(attribute)
        return None if entry is None else self.unit.string(entry[0], entry[1])

    def reference(self, attribute: int) -> "Die | None":
        """The DIE that the attribute refers to."""
        entry = self.attributes.get(attribute)
        if entry is None or not isinstance(entry[1], int):
            return None
        return self.unit.referenced(entry[0], entry[1])

    def origins(self) -> "Iterator[Die]":
        """The DIE itself, then what it is an instance or a definition of; raises when that runs in a circle."""
        die: Die | None = self
        for _ in range(MAX_ORIGIN_HOPS):
            if die is None:
                return
            yield die
            die = die.reference(dw.AT_ABSTRACT_ORIGIN) or die.reference(dw.AT_SPECIFICATION)
        raise DamagedProgramError("an abstract origin refers to itself")

    def inherited(self, attribute: int) -> "Die | None":
        """The first of `origins` that has the attribute."""
        return next((die for die in self.origins() if attribute in die.attributes), None)

    def name(self) -> str | None:
        """DW_AT_name, its own or inherited."""
        die = self.inherited(dw.AT_NAME)
        return None if die is None else die.string(dw.AT_NAME)

    def linkage_name(self) -> str | None:
        """The name in the symbol table, where it differs from the source's."""
        for attribute in (dw.AT_LINKAGE_NAME, dw.AT_MIPS_LINKAGE_NAME):
            die = self.inherited(attribute)
            if die is not None:
                return die.string(attribute)
        return None

    def children(self) -> "Iterator[Die]":
        """The DIEs directly below."""
        return self.unit.children(self)
