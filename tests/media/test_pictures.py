"""Still pictures: truth is what was drawn, turned by numpy and not by Pillow's own ImageOps."""

import sys

import numpy as np
import pytest
from PIL import Image, features

from avsearch import media
from avsearch.errors import MediaError
from avsearch.media import pictures
from avsearch.moments import MediaKind
from tests.media.clips import ffmpeg

RED, LIME, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
BLACK, GREY, YELLOW = (0, 0, 0), (128, 128, 128), (255, 255, 0)
ORIENTATION = 0x0112
AS_SEEN = {  # EXIF 2.3, tag 274: which side of the stored picture its first row and first column are seen at
    1: lambda rows: rows,  # top, left
    2: lambda rows: rows[:, ::-1],  # top, right
    3: lambda rows: rows[::-1, ::-1],  # bottom, right
    4: lambda rows: rows[::-1],  # bottom, left
    5: lambda rows: rows.transpose(1, 0, 2),  # left, top
    6: lambda rows: rows.transpose(1, 0, 2)[:, ::-1],  # right, top
    7: lambda rows: rows.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
    8: lambda rows: rows.transpose(1, 0, 2)[::-1],  # left, bottom
}
LOSSLESS = {"a.png": {}, "a.tif": {}, "a.webp": {"lossless": True}}
NEARLY = {"a.jpg": {"quality": 95, "subsampling": 0}, "a.avif": {"quality": 100, "subsampling": "4:4:4"}}


def patches():
    """(160, 240, 3): two rows of three colours, no two the same."""
    rows = [[RED, LIME, BLUE], [GREY, YELLOW, BLACK]]
    return np.array(rows, np.uint8).repeat(80, axis=0).repeat(80, axis=1)


def exif_of(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def read(path):
    """The picture at its own size, and what the probe says of it."""
    info = media.probe(path)
    assert (info.kind, info.duration_us, info.audio) == (MediaKind.PICTURE, 0, None)
    (frame,) = media.read_frames(path, info, [0], short_side=min(info.video.width, info.video.height))
    assert frame.time_us == 0
    assert frame.rgb.shape == (info.video.height, info.video.width, 3)
    return frame.rgb, info


def needs_avif():
    if not features.check("avif"):
        pytest.skip("this build of Pillow has no AVIF")


def heif():
    return pytest.importorskip("pillow_heif", reason="the extra [heic] is not installed")


def write_heic(path, *, orientation=1):
    """A HEIC file that turns itself (irot and imir); the camera's note, which says the same, is in it too."""
    plugin = heif()
    image = plugin.from_pillow(Image.fromarray(patches()))
    image.info["exif"] = exif_of(orientation).tobytes()
    image.save(path, quality=95)
    return path


@pytest.mark.parametrize("orientation", AS_SEEN)
@pytest.mark.parametrize("name", [*LOSSLESS, *NEARLY])
def test_a_picture_is_seen_as_its_camera_was_held(tmp_path, name, orientation):
    if name == "a.avif":
        needs_avif()
    options = {**LOSSLESS, **NEARLY}[name]
    Image.fromarray(patches()).save(tmp_path / name, exif=exif_of(orientation), **options)
    rgb, info = read(tmp_path / name)
    expected = AS_SEEN[orientation](patches())
    assert (info.video.height, info.video.width) == expected.shape[:2]
    assert np.abs(rgb.astype(int) - expected).max() <= (0 if name in LOSSLESS else 6)


@pytest.mark.parametrize("orientation", AS_SEEN)
def test_a_heic_that_turns_itself_is_turned_once(tmp_path, orientation):
    path = write_heic(tmp_path / "a.heic", orientation=orientation)
    turns_itself = any(box in path.read_bytes() for box in (b"irot", b"imir"))
    assert turns_itself == (orientation != 1)
    rgb, info = read(path)
    expected = AS_SEEN[orientation](patches())
    assert (info.video.codec, info.video.height, info.video.width) == ("heif", *expected.shape[:2])
    assert np.abs(rgb[40::80, 40::80].astype(int) - expected[40::80, 40::80]).max() <= 12


def test_in_a_heic_the_cameras_note_alone_turns_nothing(tmp_path):
    heif().register_heif_opener()
    Image.fromarray(patches()).save(tmp_path / "a.heic", exif=exif_of(6), quality=95)
    assert b"irot" not in (tmp_path / "a.heic").read_bytes()
    rgb, _ = read(tmp_path / "a.heic")
    assert np.abs(rgb[40::80, 40::80].astype(int) - patches()[40::80, 40::80]).max() <= 12


def test_without_the_extra_a_heic_is_a_failure_that_names_the_command(tmp_path, monkeypatch):
    path = write_heic(tmp_path / "a.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MediaError) as caught:
        media.probe(path)
    assert str(caught.value) == (
        f"{path}: decoding HEIC needs pillow-heif, which is not installed. "
        "Run `python -m pip install 'avsearch[heic]'`."
    )


def test_a_build_without_avif_says_so(tmp_path, monkeypatch):
    needs_avif()
    Image.fromarray(patches()).save(tmp_path / "a.avif")
    monkeypatch.setattr(features, "check", lambda _: False)
    with pytest.raises(MediaError, match=r"cannot decode AVIF.*pip install"):
        media.probe(tmp_path / "a.avif")


def test_the_content_decides_and_not_the_name(tmp_path):
    write_heic(tmp_path / "a.jpg")
    assert read(tmp_path / "a.jpg")[1].video.codec == "heif"
    Image.fromarray(patches()).save(tmp_path / "a.heic", "JPEG")
    assert read(tmp_path / "a.heic")[1].video.codec == "jpeg"


def test_a_heic_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = write_heic(tmp_path / "a.heic")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 160 * 240 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(MediaError, match="240 x 160 pixels are too many"):
        media.probe(path)


@pytest.mark.parametrize("brand", [b"heic", b"avif"])
def test_a_damaged_heic_or_avif_says_that_it_cannot_be_read(tmp_path, brand):
    heif()
    needs_avif()
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x14ftyp" + brand + b"\0\0\0\0" + brand + bytes(range(256)) * 4)
    with pytest.raises(MediaError, match="cannot be read as a picture"):
        media.probe(tmp_path / "a.heic")


def test_a_film_named_jpg_is_no_picture(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:duration=1", "-f", "mp4", tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="begins like none of the known formats"):
        media.probe(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.avif"])
def test_of_an_animated_picture_the_first_frame_is_read(tmp_path, name):
    if name == "a.avif":
        needs_avif()
    first, *rest = (Image.new("RGB", (64, 48), color) for color in (RED, LIME, BLUE))
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=100)
    rgb, _ = read(tmp_path / name)
    assert np.abs(rgb.astype(int) - RED).max() <= 4


def test_a_jpeg_with_a_second_picture_behind_it_is_read_as_its_first(tmp_path):
    first, second = (Image.fromarray(patches()[:, start : start + 80]) for start in (0, 160))
    first.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[second], quality=95, subsampling=0)
    rgb, info = read(tmp_path / "phone.jpg")
    assert info.video.codec == "mpo"
    assert np.abs(rgb[40::80, 40].astype(int) - [RED, GREY]).max() <= 4


@pytest.mark.parametrize(("ink", "color"), [((0, 0, 0, 0), RED), ((255, 0, 0, 0), LIME), ((0, 255, 255, 0), BLUE)])
def test_a_cmyk_jpeg_shows_what_its_inks_leave_of_the_light(tmp_path, ink, color):
    expected = [255 - min(amount + ink[3], 255) for amount in ink[:3]]
    Image.new("CMYK", (64, 64), ink).save(tmp_path / "a.jpg", quality=95)
    rgb, _ = read(tmp_path / "a.jpg")
    assert np.abs(rgb.astype(int) - expected).max() <= 4


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_grey_of_16_bits_keeps_its_shades(tmp_path, name):
    shades = np.array([[0, 0x2000, 0x8000], [0xC000, 0xE0FF, 0xFFFF]], np.uint16)
    Image.fromarray(shades.repeat(40, axis=0).repeat(40, axis=1)).save(tmp_path / name)
    rgb, _ = read(tmp_path / name)
    assert rgb[20::40, 20::40, 0].tolist() == [[0, 0x20, 0x80], [0xC0, 0xE0, 0xFF]]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_colour_of_16_bits_is_read(tmp_path, name):
    pixels = np.tile(np.array([0xFF00, 0x8000, 0x1000], "<u2"), (48, 64, 1))
    pipe = ["-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", "64x48", "-i", "pipe:0", "-frames:v", "1"]
    ffmpeg(*pipe, "-pix_fmt", "rgb48be" if name == "a.png" else "rgb48le", tmp_path / name, stdin=pixels.tobytes())
    rgb, _ = read(tmp_path / name)
    assert np.abs(rgb.astype(int) - [0xFF, 0x80, 0x10]).max() <= 1


@pytest.mark.parametrize(("largest", "expected"), [(1.0, [0, 64, 255]), (4.0, [0, 64, 255]), (0.5, [0, 32, 128])])
def test_a_tiff_of_floats_counts_from_black_to_one_or_to_its_largest(tmp_path, largest, expected):
    shades = np.array([[-1.0, largest / 4, largest], [np.nan, largest / 4, largest]], np.float32)
    Image.fromarray(shades.repeat(40, axis=0).repeat(40, axis=1)).save(tmp_path / "a.tif")
    rgb, _ = read(tmp_path / "a.tif")
    assert rgb[20::40, 20::40, 0].tolist() == [expected, expected]


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white_and_never_the_colour_beneath(tmp_path, name, mode):
    picture = Image.new("RGBA", (120, 60), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 40, 60))
    picture.paste((0, 0, 0, 128), (40, 0, 80, 60))
    picture.convert(mode).save(tmp_path / name, **LOSSLESS[name])
    rgb, _ = read(tmp_path / name)
    assert rgb[30, [20, 60, 100]].tolist() == [[0] * 3, [127] * 3, [255] * 3]


def test_a_palette_is_looked_up_and_its_transparent_colour_is_white(tmp_path):
    picture = Image.fromarray(patches()).quantize(8)
    picture.save(tmp_path / "a.png", transparency=picture.getpixel((0, 0)))
    rgb, _ = read(tmp_path / "a.png")
    assert rgb[40, 40::80].tolist() == [list(WHITE), list(LIME), list(BLUE)]
    assert rgb[120, 40::80].tolist() == [list(GREY), list(YELLOW), list(BLACK)]


def test_black_and_white_of_one_bit_is_read(tmp_path):
    Image.new("1", (40, 40), 1).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0].min() == 255


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_the_smallest_and_the_narrowest_pictures_are_read(tmp_path, size):
    Image.new("RGB", size, RED).save(tmp_path / "a.png")
    info = media.probe(tmp_path / "a.png")
    assert (info.video.width, info.video.height) == size
    (frame,) = media.read_frames(tmp_path / "a.png", info, [0], short_side=32)
    assert min(frame.rgb.shape[:2]) == 32
    assert (frame.rgb == RED).all()


def test_a_picture_that_breaks_off_says_so(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:2000])
    info = media.probe(tmp_path / "a.jpg")
    with pytest.raises(MediaError, match="truncated"):
        list(media.read_frames(tmp_path / "a.jpg", info, [0], short_side=32))


def test_whatever_a_reader_of_pillows_stumbles_over_is_a_reason(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "open", lambda *_, **__: (_ for _ in ()).throw(IndexError()))
    with pytest.raises(MediaError, match=r"cannot be read as a picture \(IndexError\)"):
        media.probe(tmp_path / "a.png")
