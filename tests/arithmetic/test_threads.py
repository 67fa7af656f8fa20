"""Work that is divided: what comes of it, and what a part that divides its own work does."""

import threading

import pytest
import threadpoolctl

from precision.arithmetic import threads


def test_results_come_in_the_order_of_the_items():
    assert threads.mapped(lambda i: i * i, range(9), 3) == [i * i for i in range(9)]


def test_a_part_does_what_it_divides_by_itself():
    """With as many parts as threads, each of which would wait for the others, nothing would ever end."""

    def part(_):
        inner = []
        threads.divide(lambda first, last: inner.append((first, last, threading.get_ident())), 8, 4, 2)
        return inner, threading.get_ident(), threads.processors()

    for inner, thread, processors in threads.mapped(part, range(4), 2):
        assert [ends[:2] for ends in inner] == [(0, 2), (2, 4), (4, 6), (6, 8)]
        assert {ends[2] for ends in inner} == {thread} and processors == 1


def test_an_error_of_a_part_is_that_of_the_whole():
    with pytest.raises(ZeroDivisionError):
        threads.mapped(lambda i: 1 // i, [1, 0], 2)


def test_the_last_one_to_leave_gives_the_matrix_products_their_threads_back():
    def allowed():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        first, second = threads.one_blas_thread(), threads.one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert allowed() == {1}
        second.__exit__(None, None, None)
        assert allowed() == {2}
