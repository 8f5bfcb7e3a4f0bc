from service.brake import ENOUGH, LATEST, Brake


def test_a_topic_that_is_wrong_from_its_first_batch_on_goes_no_further():
    brake = Brake(50)
    assert brake.holds(500, 500)
    assert brake.holds(500, 251), "it stays so while nothing else comes"


def test_half_is_not_most():
    assert not Brake(50).holds(500, 250)


def test_of_a_few_records_nothing_can_be_said():
    brake = Brake(50)
    assert not any(brake.holds(1, 1) for _ in range(ENOUGH - 1))
    assert brake.holds(1, 1)


def test_a_topic_that_turns_bad_is_held_once_that_outweighs_its_past():
    brake = Brake(50)
    assert not any(brake.holds(100, 0) for _ in range(100))
    held = [brake.holds(100, 100) for _ in range(LATEST // 100)]
    assert held.index(True) <= LATEST // 200 + 1


def test_an_operator_may_let_everything_go():
    brake = Brake(100)
    assert not any(brake.holds(1000, 1000) for _ in range(5))
