//! A browser window of its own, without a screen, driven through chromedriver.

use std::process::Stdio;
use std::time::Duration;

use fantoccini::cookies::Cookie;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::site::Site;

const INSTALL: &str = "install them with: apt-get install -y chromium chromium-driver";

pub struct Window {
    client: Client,
    origin: String,
    _driver: Child,
    _profile: TempDir,
}

impl Window {
    pub async fn open(site: &Site) -> Self {
        Self::open_as(site, None).await
    }

    /// A window that says it is this browser.
    pub async fn open_as(site: &Site, agent: Option<&str>) -> Self {
        let (driver, port) = start_driver().await;
        let profile = tempfile::tempdir().unwrap();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&profile, agent))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("chromium does not start ({error}); {INSTALL}"));
        Self { client, origin: site.url(""), _driver: driver, _profile: profile }
    }

    pub async fn close(self) {
        self.client.close().await.unwrap();
    }

    pub async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.origin)).await.unwrap();
    }

    /// Goes to any site.
    pub async fn visit(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    /// Runs this in the page and gives what it returns; a promise is waited for.
    pub async fn run(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until this is true in the page.
    pub async fn wait_for(&self, condition: &str) {
        for _ in 0..1000 {
            let script = format!("return {condition}");
            // While a page gives way to another there is none to ask.
            if self.client.execute(&script, Vec::new()).await.is_ok_and(|it| it == true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("this never came true: {condition}");
    }

    pub async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// The visible text of the first match.
    pub async fn text(&self, css: &str) -> String {
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }

    /// Clicks on what leads to another page, and waits until the old one is gone.
    pub async fn click(&self, css: &str) {
        let old_page = self.client.find(Locator::Css("html")).await.unwrap();
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
        for _ in 0..1000 {
            if old_page.tag_name().await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the click on {css} led nowhere");
    }

    /// Types into the fields of a form and sends it with its button.
    pub async fn fill(&self, form: &str, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            let field = format!("{form} [name={name}]");
            let field = self.client.find(Locator::Css(&field)).await.unwrap();
            field.send_keys(value).await.unwrap();
        }
        self.click(&format!("{form} button")).await;
    }

    /// Ticks a box.
    pub async fn tick(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    pub async fn cookies(&self) -> Vec<Cookie<'static>> {
        self.client.get_all_cookies().await.unwrap()
    }

    pub async fn resize(&self, width: u32, height: u32) {
        // A window cannot be as narrow as a phone, so the page is told that it is on one.
        let metrics = serde_json::json!({
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": { "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 },
        });
        self.client.issue_cmd(DevTools(metrics)).await.unwrap();
    }

    /// How wide the window is inside, and how wide the page.
    pub async fn widths(&self) -> [u64; 2] {
        let script = "return [window.innerWidth, document.documentElement.scrollWidth]";
        let widths = self.client.execute(script, Vec::new()).await.unwrap();
        serde_json::from_value(widths).unwrap()
    }

    /// Keeps a picture where `CLOAKROOM_SCREENSHOTS` says, if it does.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("CLOAKROOM_SCREENSHOTS") else { return };
        let name = if name.starts_with('-') { format!("start{name}") } else { name.to_owned() };
        let picture = self.client.screenshot().await.unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(name + ".png"), picture).unwrap();
    }
}

/// A command of Chromium's own beside the WebDriver ones.
#[derive(Debug)]
struct DevTools(serde_json::Value);

impl fantoccini::wd::WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.to_string()))
    }
}

/// Tried a few times: the driver takes one free port for two addresses, and the other one may be in use there.
async fn start_driver() -> (Child, String) {
    for _ in 0..20 {
        if let Some(started) = try_to_start_driver().await {
            return started;
        }
    }
    panic!("chromedriver ended at once each time");
}

async fn try_to_start_driver() -> Option<(Child, String)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("chromedriver does not start ({error}); {INSTALL}"));
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap()?;
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let port = port.trim_end_matches('.').to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some((driver, port));
        }
    }
}

fn capabilities(
    profile: &TempDir,
    agent: Option<&str>,
) -> serde_json::Map<String, serde_json::Value> {
    let arguments = [
        "--headless",
        "--no-sandbox", // as root, in a container, there is none to be had
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let profile = format!("--user-data-dir={}", profile.path().display());
    let agent = agent.map(|agent| format!("--user-agent={agent}"));
    let own = [profile.as_str()].into_iter().chain(agent.as_deref());
    let arguments: Vec<_> = arguments.into_iter().chain(own).collect();
    let capabilities = serde_json::json!({ "goog:chromeOptions": { "args": arguments } });
    serde_json::from_value(capabilities).unwrap()
}
