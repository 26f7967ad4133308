import pytest

from subway_campaign import media

SHORT = "HTTPS://HF1.CN/S/7K3M9X2P"
LINK = "HTTPS://HALL.EXAMPLE/S/7K3M9X2P"


@pytest.mark.parametrize(
    ("placement", "side_mm", "module_mm", "width_mm"),
    [
        ("METRO.HF.L1.T01.C1.H03", 50, 2, 66),
        ("METRO.HF.L1.T01.C1.P01", 100, 4, 132),
        ("METRO.HF.L1.S04.LB1", 250, 10, 330),
        ("METRO.HF.L1.TV.S1A", 250, 10, 330),
        ("SERVICE.AH.R01.A001.P1", 50, 2, 66),
        (None, 100, 4, 132),
    ],
)
def test_the_side_is_a_tenth_of_the_distance(
    placement: str | None, side_mm: float, module_mm: float, width_mm: float
) -> None:
    planned = media.plan(LINK, placement=placement)
    assert (planned.side_mm, planned.module_mm, planned.width_mm) == (side_mm, module_mm, width_mm)


@pytest.mark.parametrize(
    ("placement", "level"),
    [("METRO.HF.L1.T01.C1.DL1", "Q"), ("METRO.HF.L1.T01.C1.F1", "Q"), ("METRO.HF.L1.S04.LB1", "M")],
)
def test_what_wears_corrects_more_if_the_link_leaves_room(placement: str, level: str) -> None:
    assert media.plan(SHORT, placement=placement).correction == level
    assert media.plan(LINK, placement=placement).correction == "M"


def test_every_symbol_is_version_2() -> None:
    for link in (SHORT, LINK, LINK + "ABCDEFG"):
        _, modules = media.symbol(link, wanted="Q")
        assert {len(modules), *(len(row) for row in modules)} == {media.MODULES}


@pytest.mark.parametrize("link", ["HTTPS://ANHUI-LOCAL-HALL.EXAMPLE.COM/S/7K3M9X2P", LINK.lower()])
def test_a_link_that_would_need_smaller_modules_is_refused(link: str) -> None:
    with pytest.raises(ValueError):
        media.plan(link, placement=None)
