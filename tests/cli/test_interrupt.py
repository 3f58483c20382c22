import os
import signal
import threading
import time

import pytest
import typer

from avsearch.cli.interrupt import (
    FINISHING,
    Terminated,
    clean_up_on_sigterm,
    exit_code_after,
    known_as_interrupt,
    stop_on_signal,
)


def send(number):
    os.kill(os.getpid(), number)


def send_and_wait(number):
    send(number)
    time.sleep(5)


@pytest.fixture(autouse=True)
def reactions_come_back():
    """Whatever the tests were started with (in the background SIGINT is ignored), they begin with Python's own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    for number, reaction in before.items():
        signal.signal(number, reaction)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_sets_the_event_and_says_so(capsys, number, code):
    with stop_on_signal() as request:
        assert request.exit_code == 0
        send(number)
        assert request.event.wait(5)
    assert request.exit_code == code
    assert capsys.readouterr().err.splitlines() == [FINISHING]


def test_the_second_signal_interrupts():
    def told_twice():
        with stop_on_signal() as request:
            requests.append(request)
            send(signal.SIGINT)
            request.event.wait(5)
            send(signal.SIGTERM)
            time.sleep(5)

    requests = []
    with pytest.raises(KeyboardInterrupt):
        told_twice()
    assert requests[0].exit_code == 130


def test_a_signal_never_waits_for_a_lock_that_the_interrupted_code_holds():
    """Event.set() in the signal's handler would: the test holds the lock of the event itself."""
    with stop_on_signal() as request:
        with request.event._cond:
            send(signal.SIGINT)
            time.sleep(0.05)
            assert request.received == [signal.SIGINT]
        assert request.event.wait(5)


def test_a_signal_that_was_ignored_before_stays_ignored():
    """As under nohup, and for what a script puts into the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_on_signal() as request:
        send(signal.SIGINT)
        assert not request.event.wait(0.1)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_without_a_signal_nothing_is_said(capsys):
    with stop_on_signal() as request:
        pass
    assert (request.event.is_set(), capsys.readouterr().err) == (False, "")


def test_sigterm_ends_a_command_as_ctrl_c_does_unless_whoever_started_it_ignores_it():
    clean_up_on_sigterm()
    with pytest.raises(Terminated) as ended:
        send_and_wait(signal.SIGTERM)
    assert (exit_code_after(ended.value), exit_code_after(KeyboardInterrupt())) == (143, 130)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    clean_up_on_sigterm()
    send(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), Terminated()])
def test_an_interrupt_within_a_lock_stays_one(interrupt):
    """As CPython's Condition.wait ends where a signal comes before it has its lock again."""

    def be_interrupted(lock):
        with lock:
            lock.release()
            raise interrupt

    with pytest.raises(KeyboardInterrupt) as raised, known_as_interrupt():
        be_interrupted(threading.Lock())
    assert raised.value is interrupt


def test_leaving_with_a_code_because_of_an_interrupt_stays_that():
    with pytest.raises(typer.Exit) as left, known_as_interrupt():
        raise typer.Exit(130) from KeyboardInterrupt()
    assert left.value.exit_code == 130


def test_another_complaint_about_a_lock_is_none():
    with pytest.raises(RuntimeError, match="unlocked"), known_as_interrupt():
        threading.Lock().release()
