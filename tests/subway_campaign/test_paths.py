"""Paths as counts, and how many nodes become few."""

import pytest

from subway_campaign import paths
from subway_campaign.paths import OTHERS, Path


def test_twelve_nodes_stay_and_of_more_the_smallest_are_one() -> None:
    twelve = [Path((f"N{at:02}",), 0, 3 * at + 1) for at in range(12)]
    assert paths.fold(twelve) == (twelve, [])
    found, folded = paths.fold([*twelve, Path(("N03", "N13", "N00", "N11"), 1, 0)])
    assert folded == ["N00", "N13"]
    assert len(paths.nodes(found)) == paths.MOST_NODES
    assert Path(("N03", OTHERS, "N11"), 1, 0) in found
    assert Path((OTHERS,), 0, 1) in found
    assert sum(path.paid + path.lost for path in found) == 211


@pytest.mark.parametrize(("nodes", "paid", "lost"), [((), 1, 0), (("A",), -1, 0), (("A",), 0, -1)])
def test_what_no_rider_can_have_done_is_refused(nodes: tuple[str, ...], paid: int, lost: int) -> None:
    with pytest.raises(ValueError, match="no path"):
        Path(nodes, paid, lost)
