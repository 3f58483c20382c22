import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.errors import UsageError
from avsearch.moments import Modality, Moment
from avsearch.query import Query, Term, parse_moment

TERM = (Term(Moment(1, Modality.IMAGE, 0)),)


@given(st.integers(0, 10**15), st.sampled_from(list(Modality)), st.integers(0, 10**15))
def test_a_moments_id_names_it(media_id, modality, start_us):
    moment = Moment(media_id, modality, start_us)
    assert parse_moment(moment.id) == moment


@pytest.mark.parametrize(
    "text", ["", "1:image", "1:text:0", "-1:image:0", "1:image:0 ", "\u0661:image:0", "1:image:1.5"]
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(UsageError, match="names no moment"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"k": 0}, "0 hits"),
        ({"k": 10_001}, "10001 hits"),
        ({"per_media": 0}, "at least one hit"),
        ({"terms": TERM * 33}, "at most 32 terms"),
        ({"terms": (Term(TERM[0].source, float("nan")),)}, "weight"),
        ({"terms": (Term(TERM[0].source, 0.0),)}, "weight"),
    ],
)
def test_a_question_that_means_nothing_is_refused_with_a_sentence(wishes, told):
    with pytest.raises(UsageError, match=told):
        Query(**{"find": Modality.IMAGE, "terms": TERM} | wishes)
