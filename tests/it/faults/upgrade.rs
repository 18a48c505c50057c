//! This version and another one on the same Redis: rolled from one to the other and back under load, once while all is
//! well and once while Redis is away, so that each reads what the other left in Redis, in the spool and among the results.
//!
//! `make upgrade FROM=COMMIT` builds the other one and names it in `ORDERWIRE_OTHER_BINARY`.

use super::checker::Post;
use super::relay::Relay;
use super::traffic::{Traffic, begin_of, post};
use super::world::{Redis, World};
use orderwire::mock::{Fault, FaultKind, Say};
use std::path::PathBuf;
use std::time::Duration;

/// How long versions work side by side.
const BESIDE: Duration = Duration::from_millis(1200);

fn other() -> PathBuf {
    std::env::var_os("ORDERWIRE_OTHER_BINARY").expect("make upgrade FROM=COMMIT names the other version").into()
}

fn this() -> PathBuf {
    env!("CARGO_BIN_EXE_orderwire").into()
}

/// Two pods that take webhooks, each with a volume that outlives it, and one that sends.
struct Fleet {
    world: World,
    pods: Vec<Relay>,
}

const ROLES: [&str; 3] = ["web", "web", "worker"];
const WORKER: usize = 2;

impl Fleet {
    async fn of(program: PathBuf) -> Fleet {
        let mut world = World::make("upgrade", Redis::Own).await;
        // Providers take their time, so that sends are under way whenever a pod is told to leave.
        for lane in ["line", "messenger", "smtp", "slack"] {
            world.mock.fault(Fault { times: 0, ..Fault::new(lane, FaultKind::SlowAnswer(150)) });
        }
        world.manner.program = Some(program);
        let mut fleet = Fleet { world, pods: Vec::new() };
        for pod in 0..ROLES.len() {
            let mut relay = fleet.spawn(pod);
            fleet.world.open(&mut relay).await.unwrap();
            fleet.pods.push(relay);
        }
        fleet
    }

    /// A process for this pod, on its volume.
    fn spawn(&mut self, pod: usize) -> Relay {
        let volume = self.world.dir.join(format!("volume-{pod}")).display().to_string();
        self.world.manner.env = vec![("ORDERWIRE__SPOOL__DIR", volume)];
        self.world.spawn(ROLES[pod], None)
    }

    /// Shops and providers go to this pod from now on.
    fn lead(&self, pod: usize) {
        let door = self.pods[pod].public.expect("a pod with a public door");
        *self.world.street.door.lock().unwrap() = Some(door);
        self.world.mock.set_relay(Some(format!("http://{door}")));
    }

    /// One pod after the other, while all is well; nobody is refused.
    async fn roll(&mut self, program: PathBuf) {
        self.world.manner.program = Some(program);
        for pod in 0..ROLES.len() {
            if pod != WORKER {
                self.lead(1 - pod);
            }
            assert!(self.pods[pod].end().await.success(), "{}", self.pods[pod].logged());
            let mut next = self.spawn(pod);
            self.world.open(&mut next).await.unwrap();
            self.pods[pod] = next;
            tokio::time::sleep(BESIDE).await;
        }
    }

    /// One web pod and the worker while Redis is away: what they left on their volumes is the next one's to read.
    async fn roll_through_an_outage(&mut self, program: PathBuf) {
        self.world.manner.program = Some(program);
        self.lead(0);
        let before = [0, WORKER].map(|pod| self.left(pod));
        self.world.server().kill();
        tokio::time::sleep(BESIDE).await;
        self.lead(1);
        let mut next = Vec::new();
        for (pod, before) in [0, WORKER].into_iter().zip(before) {
            self.pods[pod].end().await;
            assert!(self.left(pod) > before, "nothing waits on the volume of pod {pod}: {before} bytes before");
            next.push((pod, self.spawn(pod)));
        }
        self.world.server().start_again();
        for (pod, mut relay) in next {
            self.world.open(&mut relay).await.unwrap();
            self.pods[pod] = relay;
        }
        tokio::time::sleep(BESIDE).await;
        self.pods[1].end().await;
        let mut last = self.spawn(1);
        self.world.open(&mut last).await.unwrap();
        self.pods[1] = last;
        tokio::time::sleep(BESIDE).await;
    }

    /// Somebody blocks the account, and has an order that nobody has heard of yet: its place.
    async fn no(&self) -> usize {
        let (place, _) = begin_of(&self.world.street, "woo-line");
        let heard = self.world.mock.say("line", &format!("U{place:032x}"), &Say::Unfollow).await;
        assert_eq!(heard, Ok(200));
        place
    }

    /// The order's first webhook.
    async fn order(&self, place: usize) {
        let order = self.world.street.orders.lock().unwrap()[place].clone();
        assert!(post(&self.world.street, place, &order, 0).await, "{} was not taken", order.name);
    }

    /// Bytes on a pod's volume.
    fn left(&self, pod: usize) -> u64 {
        fn size(at: PathBuf) -> u64 {
            let entries = std::fs::read_dir(at).into_iter().flatten().map(|e| e.unwrap());
            entries.map(|e| if e.path().is_dir() { size(e.path()) } else { e.metadata().unwrap().len() }).sum()
        }
        size(self.world.dir.join(format!("volume-{pod}")))
    }

    /// Nobody was refused, nothing was lost, nothing doubled, and nobody met a form that he does not know.
    async fn judge(mut self, what: &str, noes: [usize; 2]) {
        let posts = self.world.street.posts.lock().unwrap().clone();
        let odd: Vec<&Post> =
            posts.iter().filter(|p| p.answer.as_ref().is_none_or(|(status, _)| *status != 200)).collect();
        assert!(odd.is_empty() && posts.len() > 200, "{} posts, not taken: {odd:?}", posts.len());
        assert!(posts.iter().filter(|p| p.without_redis()).count() > 3, "the spool was hardly used");
        let logs = std::fs::read_dir(&self.world.dir).unwrap().map(|e| e.unwrap().path());
        for log in logs.filter(|p| p.extension().is_some_and(|e| e == "log")) {
            let text = std::fs::read_to_string(&log).unwrap();
            let strange = text.lines().find(|l| l.contains("newer version") || l.contains("set aside"));
            assert_eq!(strange, None, "{}", log.display());
        }
        let (report, evidence) = self.world.report(what).await;
        for no in noes.map(|place| &evidence.orders[place]) {
            let items = &no.view.as_ref().expect("an order that was taken").items;
            assert!(!items.is_empty() && items.iter().all(|i| i.state == "skipped"), "{items:?}");
            assert_eq!(no.told, [], "a no was forgotten");
        }
        assert_eq!(self.world.measure("orderwire_spool_set_aside").await, 0.0);
        self.pods.swap_remove(WORKER).end().await;
        let mut web = self.pods.remove(0);
        self.world.sentence(what, report, &evidence, &mut web).await;
    }
}

/// From the first to the second while all is well, and back through an outage.
async fn there_and_back(what: &str, first: PathBuf, second: PathBuf) {
    let mut fleet = Fleet::of(first.clone()).await;
    fleet.lead(1);
    fleet.world.open_windows().await;
    let traffic = Traffic::start(&fleet.world.street, 11, Duration::from_millis(60), Duration::from_millis(250));
    tokio::time::sleep(BESIDE).await;
    // What one version heard of a person the other one knows.
    let early = fleet.no().await;
    fleet.roll(second).await;
    fleet.order(early).await;
    let late = fleet.no().await;
    fleet.roll_through_an_outage(first).await;
    fleet.order(late).await;
    traffic.end().await;
    fleet.judge(what, [early, late]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs another version: make upgrade FROM=COMMIT"]
async fn from_the_other_version_to_this_one_and_back() {
    there_and_back("upgrade while all is well, rollback through an outage", other(), this()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs another version: make upgrade FROM=COMMIT"]
async fn from_this_version_to_the_other_one_and_back() {
    there_and_back("rollback while all is well, upgrade through an outage", this(), other()).await;
}
