//! The yardstick's Redis: a mark for each delivery seen, a sorted set of what is due, a string for each
//! message.
#![expect(clippy::disallowed_types, reason = "the yardstick is a program of its own, beside the store")]

use redis::Script;
use redis::aio::MultiplexedConnection;
use std::sync::LazyLock;
use tokio::sync::Notify;

/// KEYS due, seen, message · ARGV id, message → 1 new, 0 seen before.
static OWE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', 691200) then return 0 end
         local t = redis.call('TIME')
         redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000), ARGV[1])
         redis.call('SET', KEYS[3], ARGV[2])
         return 1",
    )
});
/// KEYS due · ARGV how many, ms of the lease → ids. A lease is a later due time: a worker that dies gives
/// its messages back by that alone.
static LEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local t = redis.call('TIME')
         local now = t[1] * 1000 + math.floor(t[2] / 1000)
         local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
         if #ids == 0 then return ids end
         local put = {}
         for i, id in ipairs(ids) do put[2 * i - 1] = now + ARGV[2] put[2 * i] = id end
         redis.call('ZADD', KEYS[1], 'XX', unpack(put))
         return ids",
    )
});
/// KEYS due, outcomes · ARGV ids.
static SETTLE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "redis.call('ZREM', KEYS[1], unpack(ARGV))
         local keys = {}
         for i, id in ipairs(ARGV) do keys[i] = 'y:m:' .. id end
         redis.call('DEL', unpack(keys))
         redis.call('HINCRBY', KEYS[2], 'sent', #ARGV)",
    )
});

/// What is owed.
pub struct Queue {
    line: MultiplexedConnection,
    /// Something was owed just now.
    pub nudge: Notify,
}

impl Queue {
    /// Connects.
    pub async fn open(url: &str) -> anyhow::Result<Queue> {
        let line = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Queue { line, nudge: Notify::new() })
    }

    /// Owes a message once for each delivery.
    pub async fn owe(&self, delivery: &str, order: u64, message: &str) -> redis::RedisResult<()> {
        let mut call = OWE.key("y:due");
        call.key(format!("y:s:{delivery}")).key(format!("y:m:{order}")).arg(order).arg(message);
        let fresh: u8 = call.invoke_async(&mut self.line.clone()).await?;
        if fresh == 1 {
            self.nudge.notify_one();
        }
        Ok(())
    }

    /// Takes up to `count` messages: (id, message).
    pub async fn lease(&self, count: usize, ms: u64) -> redis::RedisResult<Vec<(String, String)>> {
        let mut line = self.line.clone();
        let ids: Vec<String> = LEASE.key("y:due").arg(count).arg(ms).invoke_async(&mut line).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<String> = ids.iter().map(|id| format!("y:m:{id}")).collect();
        let messages: Vec<Option<String>> = redis::cmd("MGET").arg(&keys).query_async(&mut line).await?;
        Ok(ids.into_iter().zip(messages).filter_map(|(id, message)| Some((id, message?))).collect())
    }

    /// Records that these were sent.
    pub async fn settle(&self, ids: &[String]) -> redis::RedisResult<()> {
        SETTLE.key("y:due").key("y:out").arg(ids).invoke_async(&mut self.line.clone()).await
    }
}
