"""Who is in the simulated fleet, and what will go wrong with it.

Values only: shops with opening hours, their boards, and the troubles that are laid upon them. Troubles are
told in days before today and minutes of the local day, so one fleet serves every end date and every zone.
The same seed and size always make the same fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Every board has the same three: visitors since the last reading, room temperature, cabinet temperature
#: (both in tenths of a degree Celsius).
SENSORS = (1, 2, 3)
MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop; it opens and closes at minutes of the local day, and 0 to 1440 never closes."""

    name: str
    opens: int
    closes: int
    open_on_sundays: bool


@dataclass(frozen=True, slots=True)
class Board:
    """A device in a shop (its index), which reads its sensors ``phase`` seconds into each interval."""

    device: str
    shop: int
    phase: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A local wall time relative to a day that is not known yet: today."""

    days_ago: int
    minute: int


@dataclass(frozen=True, slots=True)
class PowerCut:
    """All boards of a shop (its index) are dark; what they would have read is lost."""

    shop: int
    since: Moment
    until: Moment


@dataclass(frozen=True, slots=True)
class Death:
    """A board (its index) falls silent for good."""

    board: int
    at: Moment


@dataclass(frozen=True, slots=True)
class Absence:
    """A board (its index) is without network: it goes on reading, and sends it all once it is back."""

    board: int
    since: Moment
    back: Moment


@dataclass(frozen=True, slots=True)
class Strangers:
    """Devices that send no readings: not approved yet, not registered, never seen, slow to call."""

    waiting: tuple[str, ...]
    foreign: tuple[str, ...]
    unseen: tuple[str, ...]
    sluggish: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that the readings of any day are made from; ``interval`` is in seconds."""

    seed: int
    shops: tuple[Shop, ...]
    boards: tuple[Board, ...]
    power_cuts: tuple[PowerCut, ...]
    deaths: tuple[Death, ...]
    absences: tuple[Absence, ...]
    strangers: Strangers
    channel: str = "shop-floor"
    interval: int = 300

    def shop_of(self, board: int) -> Shop:
        return self.shops[self.boards[board].shop]


def make_fleet(seed: int = 1, shops: int = 46, boards_per_shop: tuple[int, int] = (2, 6), interval: int = 300) -> Fleet:
    """Make a fleet whose shops have between the first and the second number of boards, both included.

    The defaults give about a million readings in twelve days. Three boards die, four lose their network for
    hours or days, and the first shop, the only one that never closes, loses its power.
    """
    rng = np.random.default_rng([seed, 0])
    made_shops = tuple(_shop(rng, number) for number in range(shops))
    boards = _boards(rng, shops, boards_per_shop, interval)
    troubled = _troubled(rng, made_shops, boards)
    return Fleet(
        seed=seed,
        shops=made_shops,
        boards=boards,
        power_cuts=(PowerCut(0, *_POWER_CUT),),
        deaths=tuple(map(Death, troubled, _DEATHS)),
        absences=tuple(Absence(board, *spell) for board, spell in zip(troubled[3:], _ABSENCES, strict=False)),
        strangers=_strangers(rng, len(boards)),
        interval=interval,
    )


_POWER_CUT = (Moment(4, 9 * 60 + 10), Moment(4, 15 * 60 + 40))
_DEATHS = (Moment(8, 16 * 60 + 25), Moment(3, 11 * 60 + 50), Moment(1, 15 * 60 + 5))
_ABSENCES = (
    (Moment(10, 14 * 60 + 5), Moment(7, 9 * 60 + 30)),
    (Moment(9, 10 * 60), Moment(1, 12 * 60 + 15)),
    (Moment(6, 17 * 60), Moment(5, 8 * 60 + 20)),
    (Moment(2, 11 * 60 + 10), Moment(2, 16 * 60 + 45)),
)


def _shop(rng: np.random.Generator, number: int) -> Shop:
    opens, closes = (int(rng.choice(hours)) * 60 for hours in ((8, 9, 10), (19, 20, 22)))
    if number == 0:
        return Shop(_shop_name(number), 0, MINUTES_OF_DAY, open_on_sundays=True)
    return Shop(_shop_name(number), opens, closes, open_on_sundays=number % 3 > 0)


def _shop_name(number: int) -> str:
    return f"shop-{number + 1:03d}"


def _boards(rng: np.random.Generator, shops: int, boards_per_shop: tuple[int, int], interval: int) -> tuple[Board, ...]:
    low, high = boards_per_shop
    counts = rng.integers(low, high, shops, endpoint=True)
    counts[:1] = high  # the shop that loses its power is one where this is noticed
    shop_of = np.repeat(np.arange(shops), counts)
    phases = rng.integers(0, interval, len(shop_of))
    return tuple(
        Board(_device(rng, index), int(shop), int(phase))
        for index, (shop, phase) in enumerate(zip(shop_of, phases, strict=True))
    )


def _troubled(rng: np.random.Generator, shops: tuple[Shop, ...], boards: tuple[Board, ...]) -> list[int]:
    """Draw boards to lay trouble upon: not the dark shop's, which have enough, and none that Sunday hides."""
    eligible = [i for i, board in enumerate(boards) if board.shop != 0 and shops[board.shop].open_on_sundays]
    return [int(index) for index in rng.permutation(eligible)]


def _strangers(rng: np.random.Generator, boards: int) -> Strangers:
    names = tuple(_device(rng, boards + index) for index in range(6))
    return Strangers(waiting=names[:3], foreign=names[3:4], unseen=names[4:5], sluggish=names[5:])


def _device(rng: np.random.Generator, index: int) -> str:
    """Make up a MAC-like name: 02 marks it as locally administered, and the index keeps it unique."""
    octets = (0x02, *rng.integers(0, 256, 2), *index.to_bytes(3, "big"))
    return ":".join(f"{octet:02X}" for octet in octets)
