"""Draw the singer on stage that the music workflow animates: ``python media/make_stage.py``. CC0."""

from pathlib import Path

import numpy as np
from painting import Painting, Point

WIDTH, HEIGHT = 832, 480
SKIN, SKIN_SHADE = (214, 150, 116), (150, 84, 74)
HAIR, HAIR_LIGHT = (30, 20, 34), (112, 66, 96)
DRESS, DRESS_SHADE = (196, 38, 84), (96, 14, 62)


def draw() -> Painting:
    art = Painting(WIDTH, HEIGHT)
    art.backdrop((416, 210), (92, 46, 128), (14, 12, 38), 520)
    draw_lights(art)
    draw_floor(art)
    draw_singer(art)
    draw_microphone(art)
    art.paint(art.ellipse(416, 90, 210, 150), (255, 196, 140), opacity=0.2, blur=60, glow=True)
    return art


def draw_lights(art: Painting) -> None:
    beams = [
        (150, 300, (74, 128, 255)),
        (285, 372, (214, 74, 255)),
        (416, 416, (255, 190, 120)),
        (547, 460, (214, 74, 255)),
        (682, 532, (74, 128, 255)),
    ]
    for top, bottom, colour in beams:
        cone = art.mask([(top - 7, -10), (top + 7, -10), (bottom + 78, 430), (bottom - 78, 430)], smooth=False)
        art.paint(cone, colour, opacity=0.2, blur=9, glow=True)
        art.paint(art.ellipse(top, 4, 26, 12), colour, opacity=0.7, blur=8, glow=True)
        art.paint(art.ellipse(top, 3, 10, 5), (255, 255, 255), opacity=0.9, blur=2, glow=True)
    bars = np.random.default_rng(5)
    for side in (-1, 1):
        for index in range(15):
            x = 416 + side * (190 + index * 16)
            height = 26 + 82 * bars.random() * (1 - index / 26)
            bar = art.mask([(x - 4, 318), (x + 4, 318), (x + 4, 318 - height), (x - 4, 318 - height)], smooth=False)
            art.paint(bar, (255, 120, 200), (84, 110, 255), opacity=0.55, blur=0.8, glow=True)
            art.paint(bar, (200, 90, 255), opacity=0.35, blur=7, glow=True)
    for _ in range(70):
        x, y, radius = bars.random() * WIDTH, bars.random() * 330, 0.6 + 1.8 * bars.random()
        art.paint(art.ellipse(x, y, radius), (255, 226, 200), opacity=0.25 + 0.4 * bars.random(), blur=0.8, glow=True)


def draw_floor(art: Painting) -> None:
    floor = art.mask([(0, 392), (WIDTH, 392), (WIDTH, HEIGHT), (0, HEIGHT)], smooth=False)
    art.paint(floor, (44, 24, 74), (12, 9, 30))
    art.paint(art.ellipse(416, 428, 250, 34), (255, 170, 150), opacity=0.4, blur=20, within=floor, glow=True)
    art.paint(art.ellipse(160, 440, 170, 20), (80, 110, 255), opacity=0.3, blur=18, within=floor, glow=True)
    art.paint(art.ellipse(672, 440, 170, 20), (80, 110, 255), opacity=0.3, blur=18, within=floor, glow=True)


def mirrored(points: list[Point]) -> list[Point]:
    return points + [(832 - x, y) for x, y in reversed(points) if x != 416]


def draw_singer(art: Painting) -> None:
    hair = art.mask(mirrored([(416, 82), (462, 92), (490, 132), (496, 196), (508, 262), (486, 306), (452, 312)]))
    art.paint(art.ellipse(416, 190, 110, 140), (255, 176, 130), opacity=0.35, blur=24, glow=True)
    art.paint(hair, HAIR, (46, 24, 46))
    bust = art.mask(mirrored([(436, 262), (444, 282), (498, 300), (530, 334), (540, 400), (548, 500), (416, 520)]))
    dress = art.mask(mirrored([(416, 352), (446, 336), (474, 318), (506, 352), (520, 420), (528, 520), (416, 540)]))
    art.paint(bust, SKIN, SKIN_SHADE)
    art.paint(dress, DRESS, DRESS_SHADE)
    for x in (352, 380, 408, 436, 464):
        fold = art.stroke([(x, 372), (x + (x - 416) * 0.12, 430), (x + (x - 416) * 0.2, 500)], 9)
        art.paint(fold, (255, 110, 150), opacity=0.28, blur=4, within=dress)
    for side in (-1, 1):
        art.paint(art.stroke([(416 + side * 56, 322), (416 + side * 58, 294)], 6, taper=False), DRESS)
        collarbone = [(416 + side * 14, 304), (416 + side * 44, 298), (416 + side * 76, 306)]
        art.paint(art.stroke(collarbone, 4), SKIN_SHADE, opacity=0.6, blur=2)
    neck = art.mask(mirrored([(440, 226), (438, 262), (446, 288), (416, 300)]))
    art.paint(neck, SKIN_SHADE, SKIN)
    face = art.mask(mirrored([(416, 108), (452, 116), (472, 150), (472, 186), (460, 222), (436, 248), (416, 254)]))
    art.paint(face, SKIN, (196, 128, 100))
    art.paint(art.ellipse(416, 262, 52, 18), (96, 44, 50), opacity=0.6, blur=8, within=neck)
    art.paint(art.ellipse(366, 200, 22, 80), (110, 40, 96), opacity=0.5, blur=12, within=face)
    art.paint(art.ellipse(466, 200, 20, 80), (110, 40, 96), opacity=0.45, blur=12, within=face)
    art.paint(art.ellipse(416, 136, 40, 18), (255, 214, 174), opacity=0.55, blur=10, within=face)
    art.paint(art.ellipse(416, 184, 7, 26), (255, 214, 180), opacity=0.5, blur=4, within=face)
    draw_features(art)
    fringe = [(416, 96), (454, 104), (480, 140), (486, 200), (476, 214), (470, 168), (452, 132), (418, 116)]
    for outline in (fringe, [(832 - x, y) for x, y in fringe]):
        lock = art.mask(outline)
        art.paint(art.mask([(x, y + 5) for x, y in outline]), (90, 40, 60), opacity=0.4, blur=4, within=face)
        art.paint(lock, HAIR, (52, 28, 52))
        art.paint(art.ellipse(outline[1][0], 118, 24, 16), HAIR_LIGHT, opacity=0.7, blur=8, within=lock)
    for side in (-1, 1):
        wave = [(416 + side * 72, 150), (416 + side * 74, 210), (416 + side * 86, 258), (416 + side * 68, 300)]
        art.paint(art.stroke(wave, 3), HAIR_LIGHT, opacity=0.6, blur=1.4, within=hair)
        rim = [(416 + side * 82, 186), (416 + side * 92, 262), (416 + side * 72, 304)]
        art.paint(art.stroke(rim, 3), (120, 150, 255), opacity=0.6, blur=2.5, glow=True)
        arm = [(416 + side * 84, 302), (416 + side * 114, 338), (416 + side * 124, 402), (416 + side * 130, 480)]
        art.paint(art.stroke(arm, 4, taper=False), (130, 150, 255), opacity=0.5, blur=3, glow=True)


def draw_features(art: Painting) -> None:
    for side in (-1, 1):
        x = 416 + side * 25

        def at(dx: float, dy: float, x=x, side=side) -> Point:
            return (x + side * dx, 174 + dy)

        art.paint(art.ellipse(*at(0, -3), 18, 10), (110, 44, 70), opacity=0.6, blur=4)
        white = art.mask([at(-13, 2), at(-6, -5), at(3, -7), at(11, -3), at(15, 1), at(6, 6), at(-5, 6)])
        art.paint(white, (240, 232, 232))
        art.paint(art.ellipse(*at(0, 0), 6.2), (70, 42, 32), within=white)
        art.paint(art.ellipse(*at(0, 0), 3), (8, 6, 8), within=white)
        art.paint(art.ellipse(x + 2, 171, 1.7), (255, 255, 255))
        lashes = [at(-14, 3), at(-6, -6), at(4, -8), at(12, -4), at(19, -5)]
        art.paint(art.stroke(lashes, 3.4), (16, 8, 14), blur=0.4)
        brow = [at(-15, -15), at(-4, -21), at(8, -22), at(20, -15)]
        art.paint(art.stroke(brow, 4.6), (34, 20, 30), opacity=0.9, blur=0.8)
        art.paint(art.ellipse(416 + side * 5, 205, 3, 1.6), (96, 40, 40), opacity=0.8, blur=0.8)
    art.paint(art.ellipse(416, 207, 14, 4), (120, 60, 60), opacity=0.45, blur=3)
    lips = mirrored([(416, 219), (426, 216), (438, 223), (430, 235), (416, 239)])
    art.paint(art.mask(lips), (196, 40, 70), (156, 26, 58), blur=0.4)
    opening = mirrored([(416, 223), (426, 222.5), (433, 224), (426, 230), (416, 232)])
    art.paint(art.mask(opening), (54, 10, 24), blur=0.3)
    art.paint(art.mask(mirrored([(416, 223.4), (425, 223), (424, 225.5), (416, 226)])), (240, 232, 230), blur=0.3)
    art.paint(art.ellipse(418, 235.5, 7, 1.5), (255, 170, 180), opacity=0.7, blur=0.8)


def draw_microphone(art: Painting) -> None:
    art.paint(art.stroke([(470, 480), (459, 380), (448, 284)], 6, taper=False), (26, 26, 34))
    art.paint(art.stroke([(471, 480), (460, 380), (449, 284)], 1.6, taper=False), (150, 160, 200), opacity=0.8)
    body = art.mask([(440, 262), (455, 258), (456, 292), (444, 293)])
    art.paint(body, (70, 72, 88), (22, 22, 30))
    head = art.ellipse(446, 254, 13, 14)
    art.paint(head, (176, 180, 200), (62, 64, 80))
    for offset in range(-12, 13, 4):
        for path in ([(446 + offset, 238), (446 + offset, 270)], [(432, 254 + offset), (460, 254 + offset)]):
            art.paint(art.stroke(path, 0.9, taper=False), (40, 42, 54), opacity=0.7, within=head)
    art.paint(art.ellipse(442, 248, 5, 5), (255, 255, 255), opacity=0.6, blur=2, within=head)


if __name__ == "__main__":
    draw().finished().save(Path(__file__).with_name("sound_to_video_stage.png"), optimize=True)
