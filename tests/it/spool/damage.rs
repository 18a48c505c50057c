//! What a disk or a crash did to the spool's files while the relay was down.

use super::world::{World, ended, post, spooled, told_once};

/// Three orders in the spool, the relay gone, Redis away; the file's bytes are given.
async fn three(world: &mut World, first: u64) -> (std::path::PathBuf, Vec<u8>) {
    let relay = world.relay().await;
    world.redis.kill();
    for order in first..first + 3 {
        post(&relay, order, "spooled").await;
    }
    relay.leave().await;
    let file = world.files("spool", "spool").remove(0);
    let bytes = std::fs::read(&file).unwrap();
    (file, bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_middle_is_set_aside_and_told_and_the_rest_is_delivered() {
    let mut world = World::new().await;
    let (file, mut bytes) = three(&mut world, 861).await;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&file, &bytes).unwrap();
    world.redis.start_again();
    let relay = world.relay().await;
    told_once(&world, &relay, [861, 863].into_iter()).await;
    spooled(&relay, 0).await;
    assert_eq!(world.messages(862), 0);
    assert_eq!(world.files("spool/aside", "spool").len(), 1);
    ended(&relay, "damaged", 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_tail_costs_no_acknowledged_webhook() {
    let mut world = World::new().await;
    let (file, bytes) = three(&mut world, 871).await;
    // A fourth record of which a crash left the beginning.
    let fourth = &bytes[..bytes.len() / 4];
    std::fs::write(&file, [bytes.as_slice(), fourth].concat()).unwrap();
    world.redis.start_again();
    let relay = world.relay().await;
    told_once(&world, &relay, 871..874).await;
    assert_eq!(world.files("spool/aside", "spool").len(), 0);
}
