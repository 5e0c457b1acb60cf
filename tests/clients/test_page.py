"""The page at `/` in a real browser: headless Chromium, driven by its own driver."""

import hashlib
import signal

import pytest
from conftest import running
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

WAIT_SECONDS = 60
SCRIPT = """
[[rule]]
when = { contains = "slowly" }
pieces = ["tick "]
repeat = 100000
delay_ms = 5

[[rule]]
text = "One two three."
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.toml"
    path.write_text(SCRIPT)
    with running("--script", str(path)) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    profile = tmp_path_factory.mktemp("chromium")
    for argument in [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
        f"--user-data-dir={profile}",
    ]:  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def wait(browser, what):
    return WebDriverWait(browser, WAIT_SECONDS, poll_frequency=0.05).until(what)


def opened(browser, site):
    browser.get(site.http("/"))
    wait(browser, lambda page: page.find_elements(By.CSS_SELECTOR, "#agent option"))
    return lambda id: browser.find_element(By.ID, id)


def errors(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_an_answer_streams_with_its_figures(browser, site):
    at = opened(browser, site)
    assert [option.text for option in Select(at("agent")).options] == ["page"]
    at("input").send_keys("Count.")
    at("send").click()
    wait(browser, lambda _: at("answer").text == "One two three.")
    wait(browser, lambda _: at("send").is_enabled())
    assert "first token" in at("figures").text and "3 tokens" in at("figures").text
    assert not errors(browser)


def test_a_long_answer_is_cancelled_and_the_next_one_runs(browser, site):
    at = opened(browser, site)
    at("input").send_keys("Count slowly.")
    at("send").click()
    wait(browser, lambda _: at("answer").text.count("tick") >= 3)
    assert not at("send").is_enabled()
    at("cancel").click()
    wait(browser, lambda _: "cancelled" in at("state").text)
    assert at("answer").text.count("tick") < 100000
    at("input").clear()
    at("input").send_keys("Count.")
    at("send").click()
    wait(browser, lambda _: at("answer").text == "One two three.")
    assert not errors(browser)


def test_an_answer_goes_on_after_its_server_was_killed(browser, start, tmp_path):
    (tmp_path / "page.toml").write_text(
        '[[rule]]\nwhen = { contains = "again" }\npieces = ["tick "]\nrepeat = 150\ndelay_ms = 10\n'
    )
    kept = ["--script", str(tmp_path / "page.toml"), "--store", "sqlite", "--data-dir", str(tmp_path / "data")]
    site = start(*kept)
    at = opened(browser, site)
    at("input").send_keys("Count again.")
    at("send").click()
    wait(browser, lambda _: at("answer").text.count("tick") >= 10)
    site.process.send_signal(signal.SIGKILL)
    site.wait()
    wait(browser, lambda _: "coming back" in at("state").text)
    start(*kept, port=site.port)
    wait(browser, lambda _: at("send").is_enabled())
    assert at("answer").text.count("tick") == 150 and not at("state").text
    browser.get_log("browser")  # Its tries while nobody was there are no mistakes.


def test_an_answer_that_begins_again_is_shown_once(browser, start, tmp_path):
    (tmp_path / "page.toml").write_text(
        'goes_on = false\n[[rule]]\npieces = ["tick "]\nrepeat = 150\ndelay_ms = 10\n'
    )
    kept = ["--script", str(tmp_path / "page.toml"), "--store", "sqlite", "--data-dir", str(tmp_path / "data")]
    site = start(*kept)
    at = opened(browser, site)
    at("input").send_keys("Count.")
    at("send").click()
    wait(browser, lambda _: at("answer").text.count("tick") >= 10)
    site.process.send_signal(signal.SIGKILL)
    site.wait()
    start(*kept, port=site.port)
    wait(browser, lambda _: at("send").is_enabled())
    assert at("answer").text.count("tick") == 150
    browser.get_log("browser")


def test_the_docs_page_shows_the_operations_without_the_network(browser, site):
    browser.get(site.http("/docs"))
    wait(browser, lambda page: page.find_elements(By.CSS_SELECTOR, "#operations-chat-createChatCompletion"))
    assert not errors(browser)


def test_a_server_with_keys_asks_for_one_and_takes_it(browser, tmp_path):
    script, config, key = tmp_path / "page.toml", tmp_path / "mesh.toml", "gm_" + "k" * 43
    script.write_text(SCRIPT)
    digest = hashlib.sha256(key.encode()).hexdigest()
    config.write_text(
        f'[models.kept]\nscript = "{script}"\n\n[agents.about]\nmodel = "kept"\nprompt = "On {{{{ topic }}}}."\n\n'
        f'[[keys]]\nname = "page"\nsha256 = "sha256:{digest}"\n'
    )
    with running("--config", str(config)) as site:
        browser.get(site.http("/"))
        at = lambda id: browser.find_element(By.ID, id)  # noqa: E731
        wait(browser, lambda _: at("locked").is_displayed())
        at("key").send_keys(key)
        at("unlock").click()
        wait(browser, lambda page: page.find_elements(By.CSS_SELECTOR, "#agent option"))
        # The first agent is a pipeline: the text is its only field.
        assert Select(at("agent")).first_selected_option.text == "about"
        wait(browser, lambda _: "topic" in at("about").text)
        at("input").send_keys("cats")
        at("send").click()
        wait(browser, lambda _: at("answer").text.startswith("One two three."))
        wait(browser, lambda _: at("send").is_enabled())
    browser.get_log("browser")  # Its 401 before the key is no mistake.
