"""Draw the portrait that the talking workflow animates: ``python media/make_portrait.py``. CC0."""

from collections.abc import Callable
from pathlib import Path

from painting import Colour, Painting, Point

SKIN, SKIN_SHADE, SKIN_DEEP = (240, 197, 168), (219, 160, 128), (178, 112, 88)
HAIR, HAIR_SHADE, HAIR_LIGHT = (74, 44, 34), (44, 25, 22), (140, 88, 58)
KNIT, KNIT_SHADE = (46, 111, 122), (23, 66, 78)
THROAT = (231, 182, 151)
CENTRE = 320


def mirrored(points: list[Point]) -> list[Point]:
    """``points`` down the right side, then the same up the left side."""
    return points + [(2 * CENTRE - x, y) for x, y in reversed(points) if x != CENTRE]


def draw_wall(art: Painting) -> None:
    art.backdrop((400, 230), (250, 222, 186), (196, 126, 104), 520)
    for x, y, radius, light in ((110, 150, 60, 0.16), (545, 120, 85, 0.18), (580, 380, 48, 0.14), (60, 420, 90, 0.12)):
        art.paint(art.ellipse(x, y, radius), (255, 240, 214), opacity=light, blur=5)


def draw(
    opened: float = 0.0,
    behind: Callable[[Painting], None] = draw_wall,
    coat: tuple[Colour, Colour] = (KNIT, KNIT_SHADE),
) -> Painting:
    """opened: how far the mouth is, 0 .. 1.  behind: draws what is behind her.  coat: its colour, and in the shade."""
    art = Painting(640, 640)
    behind(art)

    back_hair = art.mask(
        mirrored([(320, 78), (400, 92), (458, 150), (476, 240), (478, 340), (470, 420), (430, 470), (370, 480)])
    )
    art.paint(back_hair, HAIR_SHADE, HAIR)

    shoulders = art.mask(mirrored([(352, 492), (392, 510), (470, 532), (556, 572), (604, 660), (600, 720), (320, 740)]))
    neck = art.mask(mirrored([(366, 390), (364, 450), (372, 500), (392, 524), (340, 556)]))
    art.paint(shoulders, *coat)
    art.paint(neck, SKIN_SHADE, SKIN)
    face = art.mask(
        mirrored([(320, 138), (378, 146), (420, 190), (432, 262), (427, 320), (410, 372), (378, 420), (344, 444)])
    )
    art.paint(art.ellipse(326, 440, 92, 46), SKIN_DEEP, opacity=0.75, blur=12, within=neck)
    collar = art.mask(mirrored([(370, 494), (402, 508), (398, 530), (352, 560), (320, 566)]))
    opening = art.mask(mirrored([(368, 486), (386, 506), (352, 534), (320, 540)]))
    art.paint(collar, *coat)
    art.paint(opening, THROAT, SKIN)
    art.paint(art.ellipse(322, 486, 60, 22), SKIN_DEEP, opacity=0.35, blur=9, within=opening)
    for offset in range(-9, 10):
        x = CENTRE + offset * 30
        rib = art.stroke([(x, 560 + abs(offset) * 3), (x + offset * 4, 650)], 5, taper=False)
        art.paint(rib, coat[1], opacity=0.28, blur=2, within=shoulders)
    art.paint(art.ellipse(470, 560, 120, 40), (120, 186, 190), opacity=0.35, blur=22, within=shoulders)

    draw_face(art, face, opened)
    draw_hair(art)
    art.paint(art.ellipse(500, 150, 190, 170), (255, 226, 178), opacity=0.16, blur=70, glow=True)
    return art


def draw_face(art: Painting, face, opened: float = 0.0) -> None:
    art.paint(face, SKIN, (236, 186, 156))
    art.paint(art.ellipse(212, 330, 60, 190), SKIN_DEEP, opacity=0.42, blur=26, within=face)
    art.paint(art.ellipse(446, 340, 34, 150), SKIN_DEEP, opacity=0.22, blur=20, within=face)
    art.paint(art.ellipse(320, 452, 90, 26), SKIN_DEEP, opacity=0.35, blur=14, within=face)
    art.paint(art.ellipse(356, 208, 74, 40), (255, 232, 208), opacity=0.55, blur=22, within=face)
    art.paint(art.ellipse(320, 150, 130, 34), SKIN_DEEP, opacity=0.4, blur=16, within=face)
    for x, strength in ((252, 0.42), (390, 0.42)):
        art.paint(art.ellipse(x, 346, 34, 24), (226, 110, 96), opacity=strength, blur=14, within=face)
    art.paint(art.ellipse(396, 322, 24, 14), (255, 236, 218), opacity=0.5, blur=9, within=face)
    draw_nose(art, face)
    draw_mouth(art, opened)
    for side in (-1, 1):
        draw_eye(art, side)


def draw_nose(art: Painting, face) -> None:
    art.paint(art.stroke([(300, 276), (299, 312), (292, 336), (296, 350)], 13), SKIN_DEEP, opacity=0.3, blur=6)
    art.paint(art.stroke([(326, 262), (328, 300), (326, 334)], 16), (255, 236, 216), opacity=0.55, blur=6)
    art.paint(art.ellipse(326, 340, 12, 9), (255, 240, 224), opacity=0.65, blur=4)
    art.paint(art.ellipse(320, 360, 30, 8), SKIN_DEEP, opacity=0.42, blur=5, within=face)
    for side in (-1, 1):
        wing = [(320 + side * 21, 338), (320 + side * 25, 350), (320 + side * 17, 358)]
        art.paint(art.stroke(wing, 3.6), SKIN_DEEP, opacity=0.65, blur=1.2)
        art.paint(art.ellipse(320 + side * 10.5, 356, 6, 3), (120, 62, 52), opacity=0.75, blur=1.4)


def draw_mouth(art: Painting, opened: float = 0.0) -> None:
    if opened:
        draw_open_mouth(art, opened)
        return
    art.paint(art.ellipse(320, 412, 34, 8), SKIN_DEEP, opacity=0.4, blur=6)
    upper = [(274, 386), (298, 380), (312, 376), (320, 379), (328, 376), (342, 380), (366, 386), (342, 391), (320, 393)]
    upper += [(298, 391)]
    lower = [(276, 387), (298, 391), (320, 393), (342, 391), (364, 387), (346, 404), (320, 409), (294, 404)]
    art.paint(art.mask(lower), (206, 96, 92), (186, 80, 80), blur=0.6)
    art.paint(art.mask(upper), (188, 80, 80), (160, 62, 66), blur=0.6)
    art.paint(art.ellipse(328, 399, 18, 4), (250, 186, 176), opacity=0.6, blur=2.5)
    seam = [(271, 384), (294, 390), (312, 393), (320, 392.4), (328, 393), (346, 390), (369, 384)]
    art.paint(art.stroke(seam, 3.4), (104, 38, 44), opacity=0.85, blur=0.6)
    for x in (272, 368):
        art.paint(art.ellipse(x, 384, 5, 4), SKIN_DEEP, opacity=0.7, blur=2.5)


def draw_open_mouth(art: Painting, opened: float) -> None:
    fall = 30 * opened  # of the lower lip
    art.paint(art.ellipse(320, 414 + fall, 34, 8), SKIN_DEEP, opacity=0.4, blur=6)
    inside = art.mask(
        [(278, 387), (300, 384), (320, 386), (340, 384), (362, 387), (348, 394 + fall), (320, 399 + fall)]
    )
    art.paint(inside, (70, 18, 26), (44, 10, 18))
    art.paint(art.ellipse(320, 398 + fall, 26, 10), (196, 84, 88), opacity=0.9, blur=2, within=inside)
    art.paint(art.ellipse(320, 384, 34, 4 + 5 * opened), (250, 246, 240), within=inside)
    upper = [(272, 386), (298, 378), (312, 374), (320, 377), (328, 374), (342, 378), (368, 386), (342, 387), (320, 389)]
    art.paint(art.mask([*upper, (298, 387)]), (188, 80, 80), (160, 62, 66), blur=0.6)
    lower = [(274, 388), (296, 393 + 0.8 * fall), (320, 396 + fall), (344, 393 + 0.8 * fall), (366, 388)]
    lower += [(350, 402 + fall), (320, 411 + fall), (290, 402 + fall)]
    art.paint(art.mask(lower), (206, 96, 92), (186, 80, 80), blur=0.6)
    art.paint(art.ellipse(328, 402 + fall, 18, 4), (250, 186, 176), opacity=0.6, blur=2.5)


def draw_eye(art: Painting, side: int) -> None:
    x = CENTRE + side * 52

    def at(dx: float, dy: float) -> Point:
        """``dx`` outwards from the eye's centre."""
        return (x + side * dx, 282 + dy)

    art.paint(art.ellipse(*at(0, -4), 36, 22), SKIN_DEEP, opacity=0.34, blur=9)
    white = art.mask([at(-29, 6), at(-16, -7), at(2, -14), at(20, -9), at(31, 1), at(18, 11), at(0, 14), at(-16, 12)])
    art.paint(white, (248, 244, 240), (226, 222, 222))
    gaze = x + 1
    art.paint(art.ellipse(gaze, 281, 14.5), (40, 58, 52), within=white)
    art.paint(art.ellipse(gaze, 282, 13), (66, 108, 88), (132, 168, 122), within=white)
    art.paint(art.ellipse(gaze, 281, 6.2), (14, 14, 16), within=white)
    lid_shadow = art.stroke([at(-32, 2), at(-14, -11), at(4, -16), at(22, -10), at(34, 2)], 12)
    art.paint(lid_shadow, (60, 34, 34), opacity=0.5, blur=3, within=white)
    art.paint(art.ellipse(gaze + 5, 276, 3.8), (255, 255, 255))
    art.paint(art.ellipse(gaze - 5, 287, 2), (255, 255, 255), opacity=0.7)
    lashes = art.stroke([at(-31, 7), at(-16, -8), at(2, -15), at(20, -10), at(34, -1), at(41, -8)], 5.6)
    art.paint(lashes, (34, 18, 18), blur=0.5)
    art.paint(art.stroke([at(-24, 11), at(0, 15), at(19, 12), at(32, 2)], 2.2), (126, 70, 62), opacity=0.7, blur=0.8)
    art.paint(art.stroke([at(-26, -8), at(-8, -22), at(14, -23), at(34, -12)], 3), SKIN_DEEP, opacity=0.7, blur=1.2)
    brow = [at(-34, -32), at(-16, -44), at(8, -48), at(28, -43), at(44, -31)]
    art.paint(art.stroke(brow, 10.5), HAIR, opacity=0.9, blur=1.8)


def draw_hair(art: Painting) -> None:
    left = [(392, 126), (340, 146), (276, 176), (232, 228), (212, 290), (208, 360), (214, 430), (196, 470), (164, 440)]
    left += [(158, 360), (160, 250), (180, 160), (232, 96), (300, 74), (366, 84), (398, 104)]
    right = [(352, 104), (388, 140), (414, 184), (427, 240), (430, 310), (430, 380), (424, 436), (446, 472), (478, 440)]
    right += [(484, 350), (480, 240), (458, 152), (408, 92), (344, 74), (318, 88)]
    for outline in (right, left):
        art.paint(art.mask([(x, y + 7) for x, y in outline]), SKIN_DEEP, opacity=0.35, blur=6)
        lock = art.mask(outline)
        art.paint(lock, HAIR, HAIR_SHADE)
        light = art.ellipse(420 if outline is right else 214, 176, 52, 40)
        art.paint(light, HAIR_LIGHT, opacity=0.5, blur=16, within=lock)
    strands = [
        ([(372, 100), (300, 124), (236, 184), (196, 290), (184, 420)], 3.0),
        ([(338, 86), (262, 112), (206, 176), (178, 280), (176, 400)], 3.0),
        ([(380, 114), (312, 142), (240, 204), (206, 300), (202, 430)], 2.4),
        ([(344, 96), (396, 132), (436, 200), (452, 300), (456, 420)], 3.0),
        ([(350, 88), (414, 122), (452, 186), (468, 290), (466, 400)], 3.0),
    ]
    for path, width in strands:
        art.paint(art.stroke(path, width), HAIR_LIGHT, opacity=0.42, blur=1.0)
        shifted = [(px - 7, py + 5) for px, py in path]
        art.paint(art.stroke(shifted, width), (26, 14, 14), opacity=0.45, blur=1.2)


if __name__ == "__main__":
    draw().finished().save(Path(__file__).with_name("sound_to_video_portrait.png"), optimize=True)
