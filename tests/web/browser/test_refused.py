"""What cannot ask is refused with the reason, and with what to do."""

import wave

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_what_is_no_media_is_refused_with_the_reason(desk, asked):
    desk.drop(asked / "letter.png")
    desk.page.wait_for_selector(".notice")
    assert "letter.png" in desk.find(".notice").inner_text()
    assert desk.page.evaluate("document.body.classList.contains('is-empty')")


def test_an_empty_file_is_refused(desk, tmp_path):
    (tmp_path / "nothing.wav").touch()
    desk.drop(tmp_path / "nothing.wav")
    desk.page.wait_for_selector(".notice")
    assert "nothing.wav is empty" in desk.find(".notice").inner_text()


def test_a_file_over_the_limit_is_refused_before_it_is_sent(own_server, open_desk, tmp_path):
    with wave.open(str(tmp_path / "long.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(300_000))
    with own_server(upload_bytes=200_000) as server:
        desk = open_desk(server)
        desk.page.set_input_files("#file", tmp_path / "long.wav")
        desk.page.wait_for_selector(".notice")
        assert "long.wav has 300 kB; the server takes up to 200 kB" in desk.find(".notice").inner_text()
        assert "ffmpeg -ss" in desk.find(".notice").inner_text()
