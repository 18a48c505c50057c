//! The words that come with the program. They live as files under `config/templates` and are put into the
//! binary, so that it runs without any file beside it.

/// (locale, milestone, text of the file).
pub(super) type Row = (&'static str, &'static str, &'static str);

/// Names of the files that the milestones of a language share.
pub(super) const SHARED: [&str; 4] = ["staff", "phrases", "chat", "note"];

/// Makes the four rows of each name: a new milestone is one more word in the list below.
macro_rules! built_in {
    ($($name:literal)+) => {
        &[$(
            ("en", $name, include_str!(concat!("../../config/templates/en/", $name, ".toml"))),
            ("zh-TW", $name, include_str!(concat!("../../config/templates/zh-TW/", $name, ".toml"))),
            ("zh-CN", $name, include_str!(concat!("../../config/templates/zh-CN/", $name, ".toml"))),
            ("vi", $name, include_str!(concat!("../../config/templates/vi/", $name, ".toml"))),
        )+]
    };
}

/// Every built-in file: the milestones in the order of the story, then what they share.
pub(super) const BUILT_IN: &[Row] = built_in! {
    "order_placed"
    "order_confirmed"
    "order_edited"
    "on_hold"
    "hold_released"
    "preparing"
    "payment_pending"
    "payment_expiring"
    "payment_authorized"
    "payment_received"
    "payment_partially_received"
    "payment_failed"
    "partially_shipped"
    "shipped"
    "tracking_updated"
    "in_transit"
    "delivery_delayed"
    "out_for_delivery"
    "delivery_attempted"
    "ready_for_pickup"
    "pickup_reminder"
    "pickup_store_changed"
    "picked_up"
    "delivered"
    "delivery_failed"
    "completed"
    "cancelled"
    "refunded"
    "partially_refunded"
    "return_requested"
    "return_approved"
    "return_declined"
    "return_label_ready"
    "return_cancelled"
    "return_closed"
    "return_reopened"
    "customer_note"
    "staff"
    "phrases"
    "chat"
    "note"
};

/// The built-in file of this locale and name.
pub(super) fn text(locale: &str, name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(l, n, _)| *l == locale && *n == name).map(|(_, _, text)| *text)
}

/// The names of the milestones among them, in order.
pub(super) fn milestones() -> Vec<&'static str> {
    BUILT_IN.iter().filter(|(l, n, _)| *l == "en" && !SHARED.contains(n)).map(|(_, n, _)| *n).collect()
}
