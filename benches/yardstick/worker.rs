//! The yardstick's worker.

use super::queue::Queue;
use futures_util::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::time::Duration;

/// Loops side by side: while one settles, another sends.
pub const LOOPS: usize = 2;
const BATCH: usize = 100;
const IN_FLIGHT: usize = 32;
const LEASE_MS: u64 = 60_000;
const REST: Duration = Duration::from_millis(250);

/// Lease, send, settle, for ever.
pub async fn run(queue: Arc<Queue>, sink: String) {
    let client = reqwest::Client::new();
    let url = format!("{sink}/v2/bot/message/push");
    loop {
        let owed = queue.lease(BATCH, LEASE_MS).await.unwrap_or_default();
        if owed.is_empty() {
            tokio::select! { () = queue.nudge.notified() => {}, () = tokio::time::sleep(REST) => {} }
            continue;
        }
        let sent: Vec<String> = stream::iter(owed)
            .map(|(id, message)| {
                let request =
                    client.post(&url).bearer_auth("token").header("content-type", "application/json").body(message);
                async move {
                    let answer = request.send().await.ok()?;
                    let fine = answer.status().is_success();
                    answer.bytes().await.ok()?;
                    fine.then_some(id)
                }
            })
            .buffer_unordered(IN_FLIGHT)
            .filter_map(std::future::ready)
            .collect()
            .await;
        if !sent.is_empty() && queue.settle(&sent).await.is_err() {
            // Their leases end by themselves; they go again then.
            tokio::time::sleep(REST).await;
        }
    }
}
