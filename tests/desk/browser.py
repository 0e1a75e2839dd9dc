#!/usr/bin/env python3
"""A report as people meet it, in headless Chromium: what is drawn, what a click and a key do, what it asks of the network.

    tests/desk/browser.py REPORT.html [--accessibility] [--without-figures] [--screenshots FOLDER]

Exits with 1 and says what is wrong. Nothing is waited for by time: each step has a condition and a deadline.
"""

import argparse
import json
import pathlib
import shutil
import sys
import tempfile
from importlib.resources import files

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

DEADLINE_SECONDS = 60
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--window-size=1300,900", "--hide-scrollbars", "--disable-dev-shm-usage",
]

parser = argparse.ArgumentParser()
parser.add_argument("report", type=pathlib.Path)
parser.add_argument("--without-figures", action="store_true", help="it has nothing to draw")
parser.add_argument("--accessibility", action="store_true", help="ask axe too, which takes minutes for a large page")
parser.add_argument("--screenshots", type=pathlib.Path)
arguments = parser.parse_args()
address = arguments.report.resolve().as_uri()
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"wrong: {what}")


def browser(scripts=True):
    options = webdriver.ChromeOptions()
    profile = tempfile.mkdtemp()
    for flag in [*FLAGS, f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.profile_folder = profile
    return driver


def until(driver, condition, what):
    try:
        return WebDriverWait(driver, DEADLINE_SECONDS, poll_frequency=0.05).until(lambda _: condition())
    except Exception as error:  # a time-out has no words of its own
        sys.exit(f"wrong: {what} ({type(error).__name__})")


def shot(driver, name):
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(arguments.screenshots / f"{name}.png"))


def show(driver, element):
    driver.execute_script("(arguments[0].closest('figure') || arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'})", element)


def drawn(driver, place):
    """Marks that plotly has drawn in a figure."""
    show(driver, place)
    until(driver, lambda: place.get_attribute("data-points"), "a figure in sight is not drawn")
    return len(place.find_elements(By.CSS_SELECTOR, ".scatterlayer .points path"))


def with_scripts(driver):
    driver.get(address)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#table tbody"), "no table of results")
    places = driver.find_elements(By.CSS_SELECTOR, ".interactive")
    check(bool(places) != arguments.without_figures, f"{len(places)} figures")
    shot(driver, "top")
    for number, place in enumerate(places):
        marks = drawn(driver, place)
        name = place.get_attribute("data-figure")
        check(marks > 0 and marks == int(place.get_attribute("data-points")), f"{name}: {marks} marks drawn")
        check(place.get_attribute("role") == "img" and place.get_attribute("aria-label"), f"{name} has no name")
        shot(driver, f"{number:02}-{name}")
    if places:
        interaction(driver, places)
    results(driver)
    structure(driver)
    printed(driver)
    errors = [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    check(not errors, f"console: {errors}")
    requests = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    # Of the page, and not of the browser's own first tab.
    sent = [one["params"] for one in requests if one["method"] == "Network.requestWillBeSent"]
    asked = [one["request"]["url"] for one in sent if one["documentURL"].split("#")[0] == address]
    outside = [one for one in asked if not one.startswith(("data:", "blob:")) and one.split("#")[0] != address]
    check(asked and not outside, f"requests: {outside}")


def interaction(driver, places):
    # A filter changes what is drawn, and nothing is left when all are off.
    blocks = driver.find_elements(By.CSS_SELECTOR, "input[name=block]")
    if blocks:
        driver.find_element(By.CSS_SELECTOR, ".filters summary").click()
        name = blocks[0].get_attribute("value")
        place = next(one for one in places if one.get_attribute("data-figure").find("-blocks-") > 0 or len(places) == 1)
        before = drawn(driver, place)
        blocks[0].click()
        until(driver, lambda: 0 <= drawn(driver, place) < before, f"without {name} there is as much as with it")
        for other in blocks[1:]:
            other.click()
        until(driver, lambda: drawn(driver, place) == 0, "marks of no block")
        check("filters hide all of them" in place.text, "an empty figure says nothing")
        for one in blocks:
            one.click()
        until(driver, lambda: drawn(driver, place) == before, "not all came back")
        verdicts = driver.find_elements(By.CSS_SELECTOR, "input[name=verdict]")
        shown = []
        for one in verdicts:
            one.click()
            shown.append(drawn(driver, place))
            one.click()
        # Each click hides one of them.
        check(sum(before - rest for rest in shown) == before, f"without valid, unverified, suspect: {shown} of {before}")
    # The mouse finds a point, and so does the keyboard.
    place = places[0]
    drawn(driver, place)
    mark = place.find_elements(By.CSS_SELECTOR, ".scatterlayer .points path")[0]
    ActionChains(driver).move_to_element(mark).perform()
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".hoverlayer .hovertext"), "no tooltip")
    shot(driver, "tooltip")
    driver.execute_script("arguments[0].focus()", place)
    place.send_keys(Keys.ARROW_RIGHT)
    spoken = driver.find_element(By.ID, "spoken")
    until(driver, lambda: spoken.get_attribute("textContent"), "an arrow key tells nothing")
    colours(driver, place)


def colours(driver, place):
    def painted():
        body = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        paper = driver.execute_script(
            "return getComputedStyle(arguments[0].querySelector('.main-svg')).backgroundColor", place)
        return body, paper

    light = painted()
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    until(driver, lambda: len(set(painted())) == 1 and painted() != light, "dark mode changes nothing")
    shot(driver, "dark")
    accessibility(driver, "dark")
    choice = driver.find_element(By.ID, "theme")
    choice.send_keys("light")
    until(driver, lambda: painted() == light, "the switch does not switch")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    accessibility(driver, "light")


def accessibility(driver, theme):
    if not arguments.accessibility:
        return
    driver.execute_script((files("axe_core_python") / "axe.min.js").read_text())
    result = driver.execute_async_script("""
        const done = arguments[arguments.length - 1];
        axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'], resultTypes: ['violations']}).then(done, (error) => done(String(error)));
    """)
    check(isinstance(result, dict), f"axe: {result}")
    wrong = [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in result["violations"]]
    check(not wrong, f"accessibility, {theme}: {wrong}")


def image_files():
    """Figures as files: XML with names, and texts that are texts."""
    from xml.etree import ElementTree
    folder = arguments.report.with_name(arguments.report.stem + "-figures")
    for file in sorted(folder.glob("*.svg")):
        root = ElementTree.parse(file).getroot()
        space = "{http://www.w3.org/2000/svg}"
        named = root.find(f"{space}title").text and root.find(f"{space}desc").text
        check(named and len(root.findall(f".//{space}text")) > 5, f"{file.name} has no names or texts")


def results(driver):
    def lines():
        return len(driver.find_elements(By.CSS_SELECTOR, "#table tbody tr"))

    count = driver.execute_script("return JSON.parse(document.getElementById('report').textContent).rows.length")
    check(lines() == min(count, 50), f"{lines()} lines of {count} results")
    driver.execute_script("arguments[0].scrollIntoView()", driver.find_element(By.ID, "results"))
    shot(driver, "results")
    search = driver.find_element(By.ID, "search")
    search.send_keys("no result is called this")
    until(driver, lambda: lines() == 0, "a search finds what is not there")
    search.clear()
    search.send_keys(" ", Keys.BACKSPACE)
    until(driver, lambda: lines() == min(count, 50), "a search ends nothing")
    heading = driver.find_element(By.CSS_SELECTOR, "#table th button")
    heading.send_keys(Keys.ENTER)
    first = driver.find_element(By.CSS_SELECTOR, "#table th")
    until(driver, lambda: first.get_attribute("aria-sort") == "ascending", "a heading does not sort")
    findings = driver.find_elements(By.CSS_SELECTOR, "a[data-finding]")
    if findings:
        link = findings[-1]
        behind = int(link.get_attribute("textContent").split(" ")[0].replace("one", "1"))
        driver.execute_script("arguments[0].click()", link)
        until(driver, lambda: lines() == min(behind, 50), "a finding does not lead to its results")
    numbers = driver.find_elements(By.CSS_SELECTOR, "a[data-rows]")
    for link in [*[one for one in numbers if " " in one.get_attribute("data-rows")][:1], *[one for one in numbers if " " not in one.get_attribute("data-rows")][:1]]:
        behind = link.get_attribute("data-rows").split()
        driver.execute_script("arguments[0].click()", link)
        wanted = (lambda: lines() == min(len(behind), 50)) if len(behind) > 1 else (lambda: driver.find_elements(By.CSS_SELECTOR, "tr.marked"))
        until(driver, wanted, f"a number does not lead to its results {behind}")
    opened = driver.find_elements(By.CSS_SELECTOR, "#table tbody button")
    if opened:
        driver.execute_script("arguments[0].click()", opened[0])
        until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#latencies .scatterlayer .points path"), "latencies are not drawn in their order")
        until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#latencies .barlayer path"), "no histogram")
        shot(driver, "latencies")
        driver.find_element(By.CSS_SELECTOR, "#latencies button").send_keys(Keys.ENTER)
    tables(driver)


def tables(driver):
    """Tables sort by their numbers, and a platform's parts are shown alone."""
    sorted_by = driver.execute_script("""
        const heading = document.querySelector('.forest thead th.n');
        if (!heading) return null;
        heading.querySelector('button').click();
        const lines = [...heading.closest('table').tBodies[0].rows];
        return lines.map((line) => Number.parseFloat(line.cells[heading.cellIndex].textContent.replace('−', '-')));
    """)
    check(sorted_by is None or sorted_by == sorted(sorted_by), f"sorted: {sorted_by}")
    select = driver.find_elements(By.ID, "platform")
    if select:
        shown = driver.execute_script("""
            const select = document.getElementById('platform');
            const alone = (value) => {
                select.value = value;
                select.dispatchEvent(new Event('change'));
                return new Set([...document.querySelectorAll('[data-platform]:not([hidden])')].map((one) => one.dataset.platform)).size;
            };
            const first = alone('0');
            return [first, alone('')];
        """)
        check(shown[0] <= 1 < shown[1], f"platforms shown: {shown}")


def structure(driver):
    page = driver.execute_script("""
        return {
            lang: document.documentElement.lang,
            levels: [...document.querySelectorAll('h1,h2,h3,h4')].map((one) => Number(one.tagName[1])),
            scripts: document.querySelectorAll('script').length,
            links: [...document.querySelectorAll('[href],[src]')].map((one) => one.getAttribute('href') || one.getAttribute('src')),
            handlers: document.querySelectorAll('[onclick],[onerror],[onload],[onmouseover]').length,
            broken: window.broken === undefined,
        }
    """)
    check(page["lang"] == "en", "no language")
    steps = zip([0, *page["levels"]], page["levels"])
    check(page["levels"].count(1) == 1 and all(after <= before + 1 for before, after in steps), f"headings {page['levels']}")
    check(page["scripts"] == 3 and page["handlers"] == 0 and page["broken"], f"something was injected: {page['scripts']} scripts")
    odd = [one for one in page["links"] if not one.startswith(("#", "./"))]
    check(not odd, f"links to elsewhere: {odd}")
    driver.refresh()
    driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    check(driver.switch_to.active_element.get_attribute("class") == "skip", "the first stop is not the skip link")


def printed(driver):
    document = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False, "preferCSSPageSize": True})
    check(len(document["data"]) > 10_000, "nothing was printed")
    if arguments.screenshots:
        import base64
        (arguments.screenshots / "print.pdf").write_bytes(base64.b64decode(document["data"]))


def without_scripts(driver):
    driver.get(address)
    figures = driver.find_elements(By.CSS_SELECTOR, ".static svg")
    tables = driver.find_elements(By.CSS_SELECTOR, "noscript tbody tr")
    check(bool(figures) != arguments.without_figures, "no figure without scripts")
    check(all(one.is_displayed() for one in figures), "a figure is hidden without scripts")
    check(tables, "no table of results without scripts")
    shown = driver.find_elements(By.CSS_SELECTOR, ".interactive, .controls, .filters")
    check(not any(one.is_displayed() for one in shown), "what needs scripts is shown without")


image_files()
for scripts, look in [(True, with_scripts), (False, without_scripts)]:
    driver = browser(scripts)
    try:
        look(driver)
    finally:
        driver.quit()
        shutil.rmtree(driver.profile_folder, ignore_errors=True)
print(f"{checks} checks")
