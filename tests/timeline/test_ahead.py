"""Items that a thread works out beforehand come as they would without it: all, in order, errors in their place."""

import threading

import pytest

from pipeline.timeline.ahead import ahead


def test_items_come_in_order_and_are_worked_out_beforehand():
    here, made = threading.get_ident(), []

    def items():
        for i in range(20):
            made.append((i, threading.get_ident() != here))
            yield i

    found = []
    for item in ahead(items(), 3):
        found.append(item)
        assert len(made) <= len(found) + 4
    assert found == list(range(20))
    assert made == [(i, True) for i in range(20)]
    assert list(ahead([], 2)) == []
    assert list(ahead([None, False, None])) == [None, False, None]


def test_the_next_item_is_begun_before_it_is_asked_for():
    begun = threading.Event()

    def items():
        yield 0
        begun.set()
        yield 1

    found = ahead(items())
    assert next(found) == 0
    assert begun.wait(5)
    assert list(found) == [1]


def test_an_error_comes_where_its_item_would_have():
    def items():
        yield 1
        yield 2
        raise KeyError("third")

    found = ahead(items(), 5)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(KeyError, match="third"):
        next(found)


def test_who_stops_early_leaves_no_thread():
    before, made = threading.active_count(), []
    found = ahead((made.append(i) for i in range(100)), 2)
    next(found)
    found.close()
    assert threading.active_count() == before
    assert len(made) <= 4
