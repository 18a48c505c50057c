//! What customers sent besides words: fetched from the messenger when a person asks for it, never kept here.

use super::reply::Trouble;
use super::{Conversation, What, named};
use crate::domain::people::{FetchFault, Fetched};
use crate::flow::App;

/// One of the things that came with a line (the first is 1): its name, where it has one, and its bytes as they come.
///
/// # Errors
/// There is none, or the messenger does not give it out.
pub async fn fetch(
    app: &App,
    conversation: &str,
    (item, n): (u16, usize),
) -> Result<(Option<String>, Fetched), Trouble> {
    let member = named(conversation).ok_or(Trouble::Unknown)?;
    let record = app.store.read(&member).await?;
    let kept = Conversation::read(record.snapshot.as_deref().ok_or(Trouble::Unknown)?)?;
    let Some(What::Said { files, .. }) = kept.line(item).map(|line| &line.what) else { return Err(Trouble::NoFile) };
    let file = n.checked_sub(1).and_then(|i| files.get(i)).ok_or(Trouble::NoFile)?;
    let live = app.live();
    let account = live.channels.get(&kept.channel).ok_or(Trouble::Unknown)?;
    let fetched = account.channel.fetch(file).await.map_err(|fault| {
        if let FetchFault::Failed(why) = &fault {
            tracing::warn!(channel = %account.id, why, "a file that a customer sent could not be fetched");
        }
        Trouble::Fetch(fault)
    })?;
    Ok((file.name.clone(), fetched))
}
