//! What other sites can make a browser do to the demo, which is nothing, and what its own pages can.

use super::attacker::{As, Attacker};
use super::site::Site;
use super::window::Window;

const EVERYTHING: usize = 3;
/// A form without a token, sent at once.
const FORM: &str = "const form = document.createElement('form');
    form.method = 'post'; form.action = TARGET; document.body.append(form); form.submit();";

async fn left(window: &Window) -> usize {
    window.go("/csrf").await;
    window.texts("#left li").await.len()
}

/// How many requests the demo has refused, by rule.
async fn refused(window: &Window) -> String {
    window.go("/csrf").await;
    window.texts("#refused td").await.join(" ")
}

/// Has a visitor with a session open a page of the attacker's that runs this script, and waits until its title is
/// `done`, or until it has led to the demo.
async fn attack(name: As, script: &str) -> (Site, Window) {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    assert_eq!(left(&window).await, EVERYTHING);
    let target = format!("const TARGET = '{}';", site.url("/csrf/delete"));
    let attacker = Attacker::serve(target + script, site.url("/csrf/delete")).await;
    window.visit(&attacker.url(name)).await;
    window.wait_for("document.title !== 'wait'").await;
    (site, window)
}

#[tokio::test]
async fn s61_a_form_on_another_site_is_refused_with_a_readable_page() {
    for name in [As::Neighbour, As::Stranger] {
        let (site, window) = attack(name, FORM).await;
        assert_eq!(window.text("h1").await, "This request was refused");
        assert!(window.text("#detail").await.contains("it was sent from another site"));
        assert_eq!(left(&window).await, EVERYTHING, "{name:?}");
        assert_eq!(refused(&window).await, "fetch_site 1");
        window.close().await;
        drop(site);
    }
}

#[tokio::test]
async fn s61_a_script_on_another_site_gets_nothing_done() {
    let script = "fetch(TARGET, { method: 'POST', mode: 'no-cors', credentials: 'include' })
        .finally(() => { document.title = 'done'; });";
    for name in [As::Neighbour, As::Stranger] {
        let (_site, window) = attack(name, script).await;
        assert_eq!(refused(&window).await, "fetch_site 1", "{name:?}");
        assert_eq!(left(&window).await, EVERYTHING);
        window.close().await;
    }
}

#[tokio::test]
async fn s61_neither_does_a_frame_nor_one_that_hides_where_it_is_from() {
    let frame = |sandbox: &str| {
        format!(
            "const frame = document.createElement('iframe'); {sandbox}
             frame.srcdoc = `<form method=post action=${{TARGET}}></form>
                <script>document.forms[0].submit()<\\/script>`;
             document.body.append(frame); document.title = 'done';"
        )
    };
    for name in [As::Neighbour, As::Stranger] {
        for sandbox in ["", "frame.sandbox = 'allow-forms allow-scripts';"] {
            let (site, window) = attack(name, &frame(sandbox)).await;
            // Asked by somebody else, because leaving the page would take the frame away.
            let witness = Window::open(&site).await;
            for _ in 0..200 {
                if !refused(&witness).await.is_empty() {
                    break;
                }
            }
            assert_eq!(refused(&witness).await, "fetch_site 1", "{name:?} {sandbox}");
            witness.close().await;
            assert_eq!(left(&window).await, EVERYTHING);
            window.close().await;
        }
    }
}

#[tokio::test]
async fn s61_a_form_of_the_site_s_own_that_takes_a_detour_is_refused() {
    for name in [As::Neighbour, As::Stranger] {
        let site = Site::start().await;
        let window = Window::open(&site).await;
        assert_eq!(left(&window).await, EVERYTHING);
        let attacker = Attacker::serve(String::new(), site.url("/csrf/delete")).await;
        // Even with the right token: who could make the form take the detour could have read it.
        let detour =
            format!("document.querySelector('#own').action = '{}/bounce'", attacker.url(name));
        window.run(&detour).await;
        window.click("#own button").await;
        assert_eq!(window.text("h1").await, "This request was refused");
        assert_eq!(left(&window).await, EVERYTHING, "{name:?}");
        window.close().await;
    }
}

#[tokio::test]
async fn s61_a_prefetch_changes_nothing_and_takes_no_message() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/csrf").await;
    window.click("#own button").await;
    // A message waits: the answer that would show it is not looked at.
    window.run("fetch('/csrf/restore', {method: 'POST', redirect: 'manual'})").await;
    let script = format!(
        "const link = document.createElement('link'); link.rel = 'prefetch'; link.href = '{}';
         link.onload = link.onerror = () => {{ document.title = 'done'; }};
         document.head.append(link);",
        site.url("/csrf")
    );
    let attacker = Attacker::serve(script, String::new()).await;
    window.visit(&attacker.url(As::Neighbour)).await;
    window.wait_for("document.title !== 'wait'").await;
    assert_eq!(left(&window).await, EVERYTHING);
    assert_eq!(window.texts(".messages li").await, ["It is all back"]);
    window.close().await;
}

#[tokio::test]
async fn s56_s61_a_websocket_opens_for_the_own_page_only() {
    for name in [As::Neighbour, As::Stranger] {
        let script = "const socket = new WebSocket(TARGET.replace('http', 'ws').replace('delete', 'socket'));
            socket.onerror = () => { document.title = 'refused'; };
            socket.onmessage = ({ data }) => { document.title = data; };";
        let (_site, window) = attack(name, script).await;
        assert_eq!(window.run("return document.title").await, "refused", "{name:?}");
        window.go("/csrf").await;
        window.wait_for("document.querySelector('#live').textContent === '3 things'").await;
        window.close().await;
    }
}

#[tokio::test]
async fn s61_the_own_form_and_the_own_script_work() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    for button in ["#own button", "#delete-by-script"] {
        window.go("/csrf").await;
        window.click(button).await;
        assert_eq!(window.texts(".messages li").await, ["Everything is deleted"], "{button}");
        window.picture("csrf-deleted").await;
        window.click("#restore").await;
        assert_eq!(window.texts("#left li").await.len(), EVERYTHING);
    }
    window.close().await;
}

#[tokio::test]
async fn s61_the_form_of_another_template_engine_works_too() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/csrf/minijinja").await;
    assert_eq!(window.texts("#left li").await.len(), EVERYTHING);
    window.click("#own button").await;
    assert_eq!(window.texts(".messages li").await, ["Everything is deleted"]);
    window.close().await;
}

#[tokio::test]
async fn s61_a_page_that_forgot_the_token_is_refused_with_a_readable_page() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/csrf").await;
    window.click("#forgetful button").await;
    assert_eq!(window.text("h1").await, "This request was refused");
    assert!(window.text("#detail").await.contains("it carries no CSRF token"));
    window.picture("csrf-refused").await;
    window.go("/csrf").await;
    window.run("document.querySelector('#own input').value = 'stale'").await;
    window.click("#own button").await;
    assert!(window.text("#detail").await.contains("load the page again"));
    assert_eq!(refused(&window).await, "token_missing 1 token_wrong 1");
    assert_eq!(left(&window).await, EVERYTHING);
    window.close().await;
}

#[tokio::test]
async fn s55_s61_an_upload_of_20_mb_arrives_whole() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/csrf").await;
    let choose = "const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(20_000_000)], 'big'));
        document.querySelector('#upload [type=file]').files = files.files;";
    window.run(choose).await;
    window.click("#upload button").await;
    let message = &window.texts(".messages li").await[0];
    let bytes: usize = message.split(' ').next().unwrap().parse().unwrap();
    assert!((20_000_000..20_001_000).contains(&bytes), "{message}");
    window.close().await;
}

#[tokio::test]
async fn s51_s61_a_form_that_stood_open_during_a_sign_in_can_be_sent() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/csrf").await;
    let sign_in =
        "return fetch('/sign-in', {method: 'POST', body: new URLSearchParams({name: 'Ada'})})
        .then((answer) => answer.status)";
    assert_eq!(window.run(sign_in).await, 200);
    window.click("#own button").await;
    assert_eq!(window.texts("#nothing").await.len(), 1);
    assert_eq!(window.text("#who").await, "Ada");
    window.close().await;
}

#[tokio::test]
async fn s54_s61_the_back_button_leads_to_a_form_that_works() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/").await;
    window.go("/csrf").await;
    window.click("#own button").await;
    window.click("#restore").await;
    window.back().await;
    window.wait_for("document.querySelector('#restore, #own button') !== null").await;
    window.go("/csrf").await;
    window.go("/").await;
    window.back().await;
    window.wait_for("document.querySelector('#own button') !== null").await;
    window.click("#own button").await;
    assert_eq!(window.texts("#nothing").await.len(), 1);
    window.close().await;
}

#[tokio::test]
async fn s61_the_demo_s_own_twin_gets_nothing_done() {
    let site = Site::start().await;
    let window = Window::open(&site).await;
    window.go("/csrf").await;
    let twins = window.texts(".other").await;
    assert_eq!(twins.len(), 2, "as a neighbour, and under another name");
    for twin in &twins {
        window.visit(twin).await;
        window.picture("csrf-twin").await;
        window.tick("#script").await;
        window.wait_for("document.querySelector('#said').textContent !== ''").await;
        window.click("#form button").await;
        assert_eq!(window.text("h1").await, "This request was refused");
        assert_eq!(left(&window).await, EVERYTHING, "{twin}");
    }
    assert_eq!(refused(&window).await, "fetch_site 4");
    window.close().await;
}
