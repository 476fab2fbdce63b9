"""Takes the pictures of docs/report.md: `make pictures`, or `python docs/pictures.py REPORT FOLDER`.

In 256 colours, a fifth of the bytes: a report has hardly more of them.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.report.test_browser import FLAGS, PROGRAM

SIZE = {"width": 1280, "height": 1000}
SCALE = 1.5
"""Pixels of the picture for one of the page: sharp where it is shown smaller."""


def taken(page: Page, path: Path) -> None:
    image = Image.open(io.BytesIO(page.screenshot()))
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


def opened(browser: Browser, report: Path, scheme: str) -> Page:
    page = browser.new_context(viewport=SIZE, device_scale_factor=SCALE, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(report.resolve().as_uri())
    page.wait_for_selector("#rows li")
    return page


def main(report: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=PROGRAM, args=FLAGS[1:], env={"HOME": home})
        page = opened(browser, report, "light")
        taken(page, folder / "report.png")
        page.select_option("#reason", "low_cosine")
        page.evaluate(
            "document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('samples').scrollIntoView()"
        )
        taken(page, folder / "report-samples.png")
        page = opened(browser, report, "dark")
        page.evaluate(
            "document.documentElement.style.scrollBehavior = 'auto'; document.getElementById('similarity').scrollIntoView()"
        )
        taken(page, folder / "report-dark.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
