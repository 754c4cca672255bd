"""The directory of agencies: from a department and a place to the concrete office that answers there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from app.receivers import DeliveryMode, SigningSecret, Tls

# Statistical codes: province 2 digits, prefecture 4, county 6, township 9.
_LEVELS = (9, 6, 4, 2)
COUNTY_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Agency:
    """`inbox`: it holds a key with which it can fetch its handoffs itself."""

    code: str
    department: str
    division_code: str
    name_zh: str
    name_en: str
    phone: str | None
    endpoint: str | None
    active: bool
    secrets: tuple[SigningSecret, ...] = ()
    inbox: bool = False
    delivery_mode: DeliveryMode = DeliveryMode.FULL
    max_in_flight: int | None = None
    per_second: int | None = None
    tls: Tls | None = None

    @property
    def contact(self) -> dict[str, str | None]:
        """Who it is, and by which number it is reached."""
        return {"agency": self.code, "name_zh": self.name_zh, "name_en": self.name_en, "phone": self.phone}

    @property
    def is_told(self) -> bool:
        """Whether messages are sent to it; else it reads its inbox."""
        return self.endpoint is not None and self.delivery_mode is not DeliveryMode.PULL


@dataclass(frozen=True, eq=False)
class Directory:
    """`revision` names the state of the directory that a decision was made with."""

    agencies: Mapping[str, Agency]
    revision: int = 0

    @classmethod
    def of(cls, agencies: Iterable[Agency], revision: int = 0) -> Directory:
        return cls({agency.code: agency for agency in agencies}, revision)

    @cached_property
    def _seats(self) -> Mapping[str, Mapping[str, Agency]]:
        """Of each department, the active agency of each division."""
        seats: dict[str, dict[str, Agency]] = {}
        for agency in sorted(self.agencies.values(), key=lambda a: a.code, reverse=True):
            if agency.active:
                seats.setdefault(agency.department, {})[agency.division_code] = agency
        return seats

    @cached_property
    def _offices(self) -> frozenset[tuple[str, str]]:
        """Where each department has an agency, active or not."""
        return frozenset((agency.department, agency.division_code) for agency in self.agencies.values())

    @cached_property
    def place(self) -> str:
        """The smallest division that holds the agencies of all its counties and townships: where the service is."""
        counties = {
            each.division_code[:COUNTY_DIGITS]
            for each in self.agencies.values()
            if len(each.division_code) >= COUNTY_DIGITS
        }
        shared = ({county[:digits] for county in counties} for digits in _LEVELS[1:])
        return next((places.pop() for places in shared if len(places) == 1), "")

    def resolve(self, department: str, division_code: str) -> Agency | None:
        """The active agency of `department` whose jurisdiction is nearest above `division_code`, or None."""
        if seats := self._seats.get(department):
            for place in upward(division_code):
                if place in seats:
                    return seats[place]
        return None

    def superior(self, agency: Agency) -> Agency | None:
        """The same department, one level up or more; None if there is none."""
        _, *above = upward(agency.division_code)
        return self.resolve(agency.department, above[0]) if above else None

    def suspended(self, department: str, division_code: str) -> bool:
        """Whether the department has an agency there or above, and none that is active."""
        known = any((department, place) in self._offices for place in upward(division_code))
        return known and self.resolve(department, division_code) is None

    def of_county(self, division_code: str) -> list[Agency]:
        """Every agency, active or not, of the county that `division_code` lies in or above it."""
        county = division_code[:COUNTY_DIGITS]
        return [
            agency
            for agency in self.agencies.values()
            if agency.division_code.startswith(county) or county.startswith(agency.division_code)
        ]


@lru_cache(4096)
def upward(division_code: str) -> tuple[str, ...]:
    """A division and every division that it lies in: `360803101`, `360803`, `3608`, `36`."""
    return tuple(division_code[:length] for length in _LEVELS if length <= len(division_code))
