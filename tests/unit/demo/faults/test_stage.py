"""What faults share."""


def test_a_stage_begins_with_nothing_used(stage):
    """Two meters of their own."""
    assert (stage.connects.log, stage.weights.log) == ([], [])
    assert stage.connects is not stage.weights
