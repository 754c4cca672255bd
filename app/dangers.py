"""Dangers (急难情形): the kinds of emergency, the needs that each is acted on by, and what to do meanwhile; pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

Words = tuple[str, str]


class Kind(StrEnum):
    FIRE = "fire"
    ILLNESS = "illness"
    HOMELESS = "homeless"
    DISASTER = "disaster"
    CHILD = "child"
    VIOLENCE = "violence"
    HUNGER = "hunger"
    UNDETERMINED = "undetermined"


class Danger(StrEnum):
    """A fact, stated by somebody who is answerable for it, that makes a request an emergency."""

    LIFE_THREATENING_ILLNESS = "life_threatening_illness"
    VIOLENCE = "violence"
    CHILD_ALONE = "child_alone"
    FIRE = "fire"
    DISASTER = "disaster"
    NO_SHELTER_IN_WINTER = "no_shelter_in_winter"
    NO_FOOD = "no_food"


# In the order in which they are asked: of several facts the first says which kind it is.
KIND_OF: dict[Danger, Kind] = {
    Danger.LIFE_THREATENING_ILLNESS: Kind.ILLNESS,
    Danger.VIOLENCE: Kind.VIOLENCE,
    Danger.CHILD_ALONE: Kind.CHILD,
    Danger.FIRE: Kind.FIRE,
    Danger.DISASTER: Kind.DISASTER,
    Danger.NO_SHELTER_IN_WINTER: Kind.HOMELESS,
    Danger.NO_FOOD: Kind.HUNGER,
}

FAST_AID = "temp_aid_fast"
LARGER_AID = "temp_aid_emergency"
# A fire at home is no natural disaster. Who flees from violence is sheltered by the rescue station (Anti-Domestic
# Violence Law art. 18), which the police and the township are told with.
NEEDS_OF: dict[Kind, str] = {
    Kind.FIRE: LARGER_AID,
    Kind.ILLNESS: "disease_emergency_aid",
    Kind.HOMELESS: "homeless_rescue",
    Kind.DISASTER: "disaster_transition",
    Kind.CHILD: "child_protection",
    Kind.VIOLENCE: "homeless_rescue",
    Kind.HUNGER: FAST_AID,
    Kind.UNDETERMINED: FAST_AID,
}

_WAIT: Words = (
    "留在安全、好找的地方,保持电话畅通;乡镇或承办单位会打来,若没人打来就打下列单位的电话。",
    "Stay where you are safe and easy to find, and keep the phone free: the township or another agency calls; if "
    "nobody does, call the numbers listed.",
)
_ADVICE: dict[Kind, tuple[Words, ...]] = {
    Kind.FIRE: (
        (
            "还在着火:先离开,打 119;有人受伤打 120。不要回去取东西。",
            "If it still burns: get out, call 119; if somebody is hurt, 120. Do not go back for things.",
        ),
    ),
    Kind.ILLNESS: (
        (
            "马上打 120;先救治后付费,不必等审批。",
            "Call 120 now: treatment comes first and payment later; do not wait for an approval.",
        ),
        ("不要让病人独处。", "Do not leave the ill person alone."),
    ),
    Kind.HOMELESS: (
        (
            "有人受冻、受伤或昏迷打 120;可先到救助站,不需要证件。",
            "If somebody is freezing, hurt or unconscious, call 120. The rescue station takes people in without papers.",
        ),
    ),
    Kind.DISASTER: (
        (
            "离开危险房屋和低洼、山坡地带,听村(居)安排转移;被困打 119。",
            "Leave damaged houses, low ground and slopes; go where the village directs; if trapped, call 119.",
        ),
    ),
    Kind.CHILD: (
        (
            "有人正在受伤害打 110,受伤打 120;请一位可靠的成年人陪着孩子,直到有人来。",
            "If somebody is being harmed call 110, if hurt 120. Let an adult you trust stay with the child.",
        ),
    ),
    Kind.VIOLENCE: (
        (
            "先离开施暴的人,打 110;受伤打 120。不要告诉对方您在哪里。",
            "Get away from the violent person and call 110; if hurt, 120. Do not tell that person where you are.",
        ),
    ),
    Kind.HUNGER: (
        (
            "今天没有吃的,请直接告诉打来电话的人,当天先给食物;身体撑不住打 120。",
            "Say to whoever calls that there is nothing to eat today: food comes first. If you feel faint, call 120.",
        ),
    ),
    Kind.UNDETERMINED: (
        (
            "有生命危险:火灾打 119,受伤或急病打 120,受到侵害打 110。",
            "If life is in danger: fire 119, injury or illness 120, attack 110.",
        ),
    ),
}


def advice(kind: Kind) -> tuple[Words, ...]:
    """What the person should do now, to be read aloud: (Chinese, English)."""
    return (*_ADVICE[kind], _WAIT)


def kind_of(facts: Iterable[Danger]) -> Kind:
    """`facts` is not empty."""
    stated = set(facts)
    return next(kind for danger, kind in KIND_OF.items() if danger in stated)
