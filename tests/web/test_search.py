"""Queries over HTTP: the same hits as without a server, for every way of asking."""

import copy
from dataclasses import asdict

import pytest

from avsearch.library import open_library
from avsearch.moments import SECOND_US, Box, Modality, Moment
from avsearch.query import STAGES, Query, Source, Term, ask
from tests.web.conftest import XSS

PICTURE = "of the still picture"  # stands for its moment, whose id differs from library to library
FIELDS = ("rank", "media_id", "moment_id", "modality", "start_s", "end_s", "from_s", "to_s", "duration_s", "kind")


def plain(hits):
    """What of a hit is the same however it travels."""
    return [tuple(hit[name] for name in FIELDS) for hit in hits]


def asked_here(library, *terms, find, **options):
    found = ask(open_library(library), Query(find, terms, **options), device="cpu")
    return [asdict(hit) for hit in found.hits]


@pytest.mark.parametrize("find", Modality)
@pytest.mark.parametrize("name", ["one.mp4", "tones.wav", "still.png"])
def test_an_upload_finds_what_the_file_itself_finds(server, made_library, footage, name, find):
    answer = server.search(find, {"upload_id": server.upload(footage / name)})
    here = asked_here(made_library, Term(Source(footage / name)), find=find)
    assert plain(answer["hits"]) == plain(here)
    assert [hit["score"] for hit in answer["hits"]] == pytest.approx([hit["score"] for hit in here], abs=1e-5)


def test_terms_of_all_kinds_are_added_up_as_without_a_server(server, made_library, footage, media_ids):
    film = media_ids["one.mp4"]
    terms = [
        {"upload_id": server.upload(footage / "two.mp4"), "start_s": 1.0, "end_s": 2.5, "by": "audio"},
        {"upload_id": server.upload(footage / "still.png"), "crop": [0.1, 0.2, 0.7, 0.9], "weight": 0.5},
        {"moment_id": f"{film}:audio:1000000", "weight": -0.7},
    ]
    answer = server.search("audio", *terms, k=4, per_media=2, duplicates=True, exclude_self=True)
    here = asked_here(
        made_library,
        Term(Source(footage / "two.mp4", SECOND_US, 5 * SECOND_US // 2), by=Modality.AUDIO),
        Term(Source(footage / "still.png", crop=Box(0.1, 0.2, 0.7, 0.9)), 0.5, Modality.IMAGE),
        Term(Moment(film, Modality.AUDIO, SECOND_US), -0.7),
        find=Modality.AUDIO,
        k=4,
        per_media=2,
        duplicates=True,
        exclude_self=True,
    )
    assert plain(answer["hits"]) == plain(here)


def test_a_part_of_a_stored_picture_asks_with_its_file(server, made_library, footage, media_ids):
    moment = f"{media_ids['still.png']}:image:0"
    answer = server.search("image", {"moment_id": moment, "crop": [0, 0, 0.5, 1]})
    here = asked_here(
        made_library, Term(Source(footage / "still.png", 0, crop=Box(0, 0, 0.5, 1))), find=Modality.IMAGE
    )
    assert plain(answer["hits"]) == plain(here)


def test_a_moment_finds_itself_first_and_a_hit_says_all_that_a_page_shows(server, footage, media_ids):
    answer = server.search("audio", {"moment_id": f"{media_ids['one.mp4']}:audio:2000000"}, k=1)
    (hit,) = answer["hits"]
    assert hit["score"] == pytest.approx(1.0, abs=1e-5)
    assert (hit["name"], hit["path"], hit["root"]) == ("one.mp4", str(footage / "one.mp4"), str(footage))
    assert (hit["has_picture"], hit["has_sound"], hit["kind"], hit["labels"]) == (
        True,
        True,
        "video",
        ["brass", "drum"],
    )
    assert set(answer["timings"]) == {f"{stage}_s" for stage in ("queue", *STAGES, "total")}
    assert answer["timings"]["total_s"] >= answer["timings"]["search_s"] > 0


def test_a_hostile_name_travels_as_the_text_that_it_is(server, media_ids):
    answer = server.post(
        "/v1/search", json={"find": "audio", "terms": [{"moment_id": f"{media_ids[XSS]}:audio:0"}], "k": 1}
    )
    assert answer.json()["hits"][0]["name"] == XSS
    assert answer.headers["content-type"] == "application/json"


def test_filters_are_applied(server, footage):
    upload = {"upload_id": server.upload(footage / "still.png")}
    labelled = server.search("audio", upload, where="label=drum")["hits"]
    assert {hit["name"] for hit in labelled} == {"one.mp4", "tones.wav"}
    scores = sorted(hit["score"] for hit in labelled)
    assert [
        it["score"] for it in server.search("audio", upload, where="label=drum", min_score=scores[1])["hits"]
    ] == scores[1:]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"terms": [{"upload_id": "A" * 22}]}, 404, "upload"),
        ({"terms": [{"moment_id": "999999:audio:0"}]}, 404, "no such moment"),
        ({"terms": [{"moment_id": "1:image:7"}]}, 404, "no such moment"),
        ({"terms": [{}]}, 422, "either an upload or a moment"),
        ({"terms": [{"moment_id": PICTURE, "upload_id": "A" * 22}]}, 422, "either an upload or a moment"),
        ({"terms": []}, 422, "terms"),
        ({"where": "label=="}, 422, ""),
        ({"where": "label='\0'"}, 422, "filter"),
        ({"where": "(" * 3000}, 422, ""),
        ({"k": 0}, 422, "k"),
        ({"k": 10**9}, 422, "k"),
        ({"find": "smell"}, 422, "find"),
        ({"url": "http://example.com/a.jpg"}, 422, "url"),
        ({"terms": [{"moment_id": PICTURE, "weight": 0}]}, 422, "weight"),
        ({"terms": [{"moment_id": PICTURE, "crop": [0.5, 0, 0.5, 1]}]}, 422, "crop"),
        ({"terms": [{"moment_id": PICTURE, "start_s": 2, "end_s": 1}]}, 422, "ends before it begins"),
        ({"terms": [{"moment_id": PICTURE, "start_s": -1}]}, 422, "start_s"),
        ({"terms": [{"moment_id": "99999999999999999999:audio:0"}]}, 422, "moment_id"),
        ({"terms": [{"moment_id": "../../etc/passwd"}]}, 422, "moment_id"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(server, media_ids, fields, status, words):
    asked = copy.deepcopy({"find": "audio", "terms": [{"moment_id": PICTURE}], **fields})
    for term in asked["terms"]:
        if term.get("moment_id") == PICTURE:
            term["moment_id"] = f"{media_ids['still.png']}:image:0"
    answer = server.post("/v1/search", json=asked)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]["message"]
    assert set(answer.json()["error"]) == {"message", "hint"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"find": "audio", "terms": [{"weight": NaN}]}', b"\xff\xfe", b'"\\ud800"']
)
def test_bodies_that_are_no_query_are_refused(server, body):
    answer = server.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]["message"]


def test_half_characters_in_a_query_are_refused_and_in_a_name_replaced(server):
    answer = server.post(
        "/v1/search",
        content=b'{"find": "audio", "terms": [{"moment_id": PICTURE}], "where": "label=\\ud800", "\\udfff": 1}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422


def test_a_side_that_an_upload_lacks_is_named(server, footage):
    sound = server.upload(footage / "tones.wav")
    answer = server.post("/v1/search", json={"find": "image", "terms": [{"upload_id": sound, "by": "image"}]})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == "tones.wav: has no pictures."
