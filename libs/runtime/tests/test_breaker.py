from polku_runtime.breaker import Breaker


def test_a_few_dead_records_among_others_do_not_open_it() -> None:
    breaker = Breaker(3)
    assert breaker.feed([True, True, False, True, True]) == 5
    assert breaker.feed([False]) == 1
    assert not breaker.open


def test_too_many_in_a_row_open_it_across_batches_and_finish_only_up_to_there() -> None:
    breaker = Breaker(3)
    assert breaker.feed([False, True]) == 2
    assert breaker.feed([True, True, True, False]) == 2
    assert breaker.open
