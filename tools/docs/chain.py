"""The picture of the one-stop chain (一站式服务). Its colours are readable on light and dark pages."""

from html import escape
from typing import NamedTuple

from domain.case.actions import TABLE
from domain.shared.actors import Role

WIDTH, HEIGHT = 1000, 398
BOX_WIDTH, BOX_HEIGHT, TOP = 160, 96, 118
GREY = "#6f8090"


class Link(NamedTuple):
    """One step of the chain: its box, its role and its actions."""

    zh: str
    en: str
    role: Role
    actions: tuple[str, ...]
    colour: str


LINKS = (
    Link("投诉", "complaint", Role.AGENT, ("register",), "#1f6feb"),
    Link("派单", "dispatch", Role.DISPATCHER, ("dispatch",), "#0b7285"),
    Link("处理", "handling", Role.CREW, ("sign_for", "arrive", "complete"), "#2b7a3d"),
    Link("回复", "reply", Role.OWNER, ("reply",), "#9a5b00"),
    Link("回访", "follow-up", Role.FOLLOW_UP, ("follow_up",), "#7c4dbd"),
)

_STYLE = """
  text { font-family: system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif; }
  text { text-anchor: middle; }
  .big { font-size: 24px; font-weight: 600; fill: #fff; }
  .in { font-size: 15px; fill: #fff; }
  .on { font-size: 13px; fill: #6f8090; }
"""


def picture() -> str:
    """Draw the chain as an SVG document."""
    gap = (WIDTH - 40 - BOX_WIDTH * len(LINKS)) / (len(LINKS) - 1)
    lefts = [20 + place * (BOX_WIDTH + gap) for place in range(len(LINKS))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        '<title id="t">The one-stop chain 一站式服务</title>',
        f'<desc id="d">{escape(_description())}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">',
        f'<path d="M0 0 L10 5 L0 10 z" fill="{GREY}"/></marker></defs>',
    ]
    for left, link in zip(lefts, LINKS, strict=True):
        parts += _box(left, link)
    parts += [_arrow(left + BOX_WIDTH, TOP + BOX_HEIGHT / 2, left + BOX_WIDTH + gap) for left in lefts[:-1]]
    parts += _loops(lefts)
    parts += _clocks(lefts)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _description() -> str:
    return ", ".join(f"{link.en} by the {link.role.value.replace('_', ' ')}" for link in LINKS)


def _text(x: float, y: float, kind: str, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(words)}</text>'


def _box(left: float, link: Link) -> list[str]:
    middle = left + BOX_WIDTH / 2
    rows = [f"{TABLE[action].zh} {action}" for action in link.actions]
    return [
        f'<rect x="{left:g}" y="{TOP}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="12" fill="{link.colour}"/>',
        _text(middle, TOP + 36, "big", link.zh),
        _text(middle, TOP + 58, "in", link.en),
        _text(middle, TOP + 82, "in", f"{link.role.zh} {link.role.value.replace('_', ' ')}"),
        *(_text(middle, TOP + BOX_HEIGHT + 22 + 18 * place, "on", row) for place, row in enumerate(rows)),
    ]


def _arrow(x: float, y: float, to: float) -> str:
    return (
        f'<path d="M{x + 4:g} {y:g} H{to - 4:g}" stroke="{GREY}" stroke-width="2" fill="none" marker-end="url(#tip)"/>'
    )


def _loops(lefts: list[float]) -> list[str]:
    """Draw the two arrows back: dissatisfied to handling, returned to dispatch."""
    centres = [left + BOX_WIDTH / 2 for left in lefts]
    return [
        *_back(centres[4], centres[2] + 40, 34, "不满意 → 重办 dissatisfied: rework"),
        *_back(centres[2] - 40, centres[1], 62, "退单 returned"),
    ]


def _back(start: float, end: float, height: float, words: str) -> list[str]:
    path = f"M{start:g} {TOP - 4} V{height + 14:g} Q{start:g} {height:g} {start - 14:g} {height:g}"
    path += f" H{end + 14:g} Q{end:g} {height:g} {end:g} {height + 14:g} V{TOP - 6}"
    line = f'stroke="{GREY}" stroke-width="2" stroke-dasharray="6 5"'
    return [
        f'<path d="{path}" {line} fill="none" marker-end="url(#tip)"/>',
        _text((start + end) / 2, height - 9, "on", words),
    ]


def _clocks(lefts: list[float]) -> list[str]:
    """Draw the span of each clock under the boxes."""
    edges = [*lefts, lefts[-1] + BOX_WIDTH]
    spans = (
        (edges[1] + BOX_WIDTH, edges[2] + 55, "签收 acknowledge", 318),
        (edges[1] + BOX_WIDTH, edges[2] + 110, "到场 arrive", 342),
        (edges[0] + 80, edges[2] + BOX_WIDTH, "处理 resolve", 366),
        (edges[0] + 80, edges[3] + BOX_WIDTH / 2, "回复 reply", 390),
        (edges[3] + BOX_WIDTH / 2, edges[4] + BOX_WIDTH / 2, "回访 follow_up", 390),
    )
    parts = []
    for start, end, words, y in spans:
        parts.append(
            f'<path d="M{start:g} {y - 5} v10 M{start:g} {y} H{end:g} M{end:g} {y - 5} v10" stroke="{GREY}" '
            'stroke-width="1.5" fill="none"/>'
        )
        parts.append(_text((start + end) / 2, y - 9, "on", words))
    return parts
