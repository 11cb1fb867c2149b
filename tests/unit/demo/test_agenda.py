"""What is to be done when."""

from demo.agenda import Agenda


def test_things_come_in_the_order_of_their_time():
    """Those of one instant in the order in which they were added; nothing before its time; everybody is woken."""
    woken: list[bool] = []
    agenda = Agenda(lambda: woken.append(True))
    done: list[str] = []
    for at_ms, name in ((20, "c"), (10, "a"), (10, "b"), (30, "d")):
        agenda.add(at_ms, lambda name=name: done.append(name))
    assert (len(woken), agenda.next_ms) == (4, 10)
    times = []
    while (due := agenda.take(20)) is not None:
        times.append(due[0])
        due[1]()
    assert (done, times, agenda.next_ms) == (["a", "b", "c"], [10, 10, 20], 30)


def test_an_empty_agenda_has_no_next():
    """There is nothing to wait for."""
    agenda = Agenda(lambda: None)
    assert (agenda.next_ms, agenda.take(10**15)) == (None, None)
