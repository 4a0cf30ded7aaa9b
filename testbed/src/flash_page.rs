//! The page of `/page`: a layout that shows the default queue's messages above everything else, as most sites do.

use serde_json::Value;

/// The page with these messages; a message that is not text is shown as JSON.
pub(crate) fn render(messages: &[Value]) -> String {
    let text =
        |message: &Value| message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    let items: String =
        messages.iter().map(|message| format!("<li>{}</li>", escaped(&text(message)))).collect();
    let list = if items.is_empty() { String::new() } else { format!("<ul>{items}</ul>") };
    format!("<!doctype html><title>testbed</title><body>{list}<p>A page.</p></body>")
}

/// The library keeps messages as they are (R29), so a page must escape them.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
