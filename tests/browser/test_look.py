"""What a thumb and an eye need at phone size, on every kind of page."""

from collections.abc import Callable

import pytest

from tests.browser.conftest import Phone
from tests.shop import Shop

pytestmark = [pytest.mark.browser]

PATHS = (
    "/",
    "/halls/anqing-shi",
    "/halls/yaohai-qu",
    "/search?q=茶",
    "/p/dangshansuli",
    "/orders",
    "/addresses",
    "/privacy",
    "/terms",
    "/nowhere",
)

# Links within sentences are exempt, and so are boxes whose whole line can be tapped.
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
  .filter((e) => e.checkVisibility() && !e.closest(".skip, .text, .tick span") && e.type !== "hidden")
  .map((e) => [e.closest("label.tick, label.choice, .field") || e, e])
  .map(([box, e]) => [box.getBoundingClientRect(), e])
  .filter(([box]) => box.height < 44 || box.width < 44)
  .map(([box, e]) => `${e.outerHTML.slice(0, 80)} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


FIELDS = "input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea"
TEXT_SIZES = f"() => [...document.querySelectorAll('{FIELDS}')].map((e) => parseFloat(getComputedStyle(e).fontSize))"


@pytest.mark.parametrize("width", [360, 390])
def test_pages_fit_the_phone_and_the_thumb(phone: Callable[..., Phone], shop: Shop, width: int) -> None:
    page = phone(width=width, height=640).page
    for path in PATHS:
        page.goto(shop.url + path)
        assert page.evaluate("() => document.documentElement.scrollWidth") == width, path
        assert page.evaluate(SMALL_TARGETS) == [], path


def test_a_field_never_makes_the_phone_zoom(phone: Callable[..., Phone], shop: Shop) -> None:
    page = phone().page
    for path in ("/", "/p/dangshansuli"):
        page.goto(shop.url + path)
        assert min(page.evaluate(TEXT_SIZES)) >= 16


@pytest.mark.parametrize("width", [320, 1280])
def test_a_cart_is_laid_out_alike_on_the_smallest_phone_and_at_a_desk(
    phone: Callable[..., Phone], shop: Shop, width: int
) -> None:
    page = phone(width=width, height=640).page
    page.goto(f"{shop.url}/cart")
    middle = page.locator(".blank h2").evaluate(
        "(e) => { const r = document.createRange(); r.selectNodeContents(e);"
        " const [text, box] = [r.getBoundingClientRect(), e.parentElement.getBoundingClientRect()];"
        " return text.left + text.width / 2 - box.left - box.width / 2; }"
    )
    assert abs(middle) < 2
    for slug in ("wangjiangwuchanghudazhaxie", "yuanguzhenwanxiyurongbei"):
        page.goto(f"{shop.url}/p/{slug}")
        page.click("text=加入购物车")
        page.wait_for_url("**/cart/added?**")
    page.goto(f"{shop.url}/cart")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    for line in page.locator(".cart-line").all():
        step, drop = (line.locator(each).bounding_box() for each in (".step", ".drop"))
        assert step is not None
        assert drop is not None
        # Beside each other, and not under each other.
        assert abs(step["y"] + step["height"] / 2 - drop["y"] - drop["height"] / 2) < 3
        assert step["x"] + step["width"] <= drop["x"]
