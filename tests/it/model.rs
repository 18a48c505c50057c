//! The rules of the scripts and of the workers, over every order in which things can happen: one order, two things
//! that it owes, two workers of which each may die anywhere, leases that end, and an erasure. What must hold in every
//! state is held in every state; and a rule that is left out must be missed, or the model would prove nothing.
//!
//! The real scripts under random storms are in `store::model`; this is the small world in which nothing is left to
//! chance. A stall between a worker's last look at its clock and the provider's door is the one thing no rule makes
//! good where the provider has no key: a test says so.

mod order;
mod worker;

use order::{Begun, ITEMS, Kept};
use orderwire::domain::owed::State;
use stateright::{Checker, HasDiscoveries, Model, Property};
use worker::{Outcome, Phase, Worker};

const ONCE: &str = "I2: nobody is told anything twice";
const IN_ORDER: &str = "I3: nothing older is told after something newer";
const IN_PLACE: &str = "I6: what is owed lies in one place, what is not in none, and is counted right";
const LAWFUL: &str = "items move as they may";

/// Leases, deaths, leases that end, and sends that do not end well, at most.
const LEASES: u8 = 4;
const DEATHS: u8 = 2;
const ENDS: u8 = 2;
const FAILURES: u8 = 2;

/// The channel, and which rules are left out.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    /// The provider recognises a repeated message.
    keyed: bool,
    /// A worker may stand still between its last look at the clock and the provider's door.
    stalls: bool,
    begin_omitted: bool,
    begun_is_taken_as_open: bool,
    settle_unfenced: bool,
    settle_trusts_the_worker: bool,
}

/// A webhook on its way in: what its handler read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Writer {
    #[default]
    Outside,
    Read(u8),
    Answered,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct World {
    kept: Kept,
    writers: [Writer; ITEMS],
    workers: [Worker; 2],
    /// How often the customer was told each, and whether that was out of order.
    told: [u8; ITEMS],
    disordered: bool,
    leases: u8,
    deaths: u8,
    ends: u8,
    failures: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// A handler reads the order, to commit news of this item; it commits.
    Look(usize),
    Commit(usize),
    /// A worker takes the lease, reads, begins a send, sends, settles, dies.
    Lease(usize),
    Read(usize),
    Begin(usize, usize),
    Send(usize, Outcome),
    Settle(usize),
    Die(usize),
    /// Time passes.
    LeaseEnds,
    Tick,
    Erase,
}

impl World {
    fn deliver(&mut self, item: usize, rules: Rules) {
        let newer = self.told.iter().skip(item + 1).any(|n| *n > 0);
        if self.told[item] == 0 {
            self.disordered |= newer;
            self.told[item] = 1;
        } else if !rules.keyed {
            self.told[item] += 1;
        }
    }

    fn send(&mut self, worker: usize, outcome: Outcome, rules: Rules) {
        if let Some((item, _)) = self.workers[worker].sending.filter(|_| outcome != Outcome::NotTaken) {
            self.deliver(item, rules);
        }
        self.failures += u8::from(outcome != Outcome::Accepted);
        self.workers[worker].sent(outcome, rules);
    }

    fn begin(&mut self, worker: usize, item: usize, rules: Rules) {
        let Worker { token, revision, .. } = self.workers[worker];
        match self.kept.begin(token, revision, item, rules) {
            Begun::Go => self.workers[worker].begun(item),
            // Reads and decides again under the same lease.
            Begun::Moved => self.workers[worker] = Worker { late: self.workers[worker].late, ..Worker::leased(token) },
            Begun::Fenced => self.workers[worker] = Worker::default(),
        }
    }

    fn lease_ends(&mut self) {
        self.ends += 1;
        self.kept.over = true;
        for worker in &mut self.workers {
            worker.late |= worker.phase != Phase::Idle && Some(worker.token) == self.kept.token;
        }
    }
}

impl Model for Rules {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::default()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let kept = &world.kept;
        for (item, writer) in world.writers.iter().enumerate() {
            match writer {
                Writer::Outside => steps.push(Step::Look(item)),
                Writer::Read(_) => steps.push(Step::Commit(item)),
                Writer::Answered => {}
            }
        }
        for (w, worker) in world.workers.iter().enumerate() {
            match worker.phase {
                Phase::Idle if kept.ready && world.leases < LEASES => steps.push(Step::Lease(w)),
                Phase::Idle => {}
                Phase::Leased => steps.push(Step::Read(w)),
                Phase::Decided => {
                    let may = worker.may_send();
                    steps.extend(may.iter().map(|item| Step::Begin(w, *item)));
                    // Nothing may go, or not now: it waits for its time.
                    steps.push(Step::Settle(w));
                }
                Phase::Begun => {
                    let failing = world.failures < FAILURES;
                    if !worker.late || self.stalls {
                        steps.push(Step::Send(w, Outcome::Accepted));
                        steps.extend(failing.then_some(Step::Send(w, Outcome::AnswerLost)));
                    }
                    if worker.late || failing {
                        steps.push(Step::Send(w, Outcome::NotTaken));
                    }
                }
                Phase::Settling => steps.push(Step::Settle(w)),
            }
            if worker.phase != Phase::Idle && world.deaths < DEATHS {
                steps.push(Step::Die(w));
            }
        }
        if kept.lease && !kept.over && world.ends < ENDS {
            steps.push(Step::LeaseEnds);
        }
        if (kept.lease && kept.over) || kept.wait {
            steps.push(Step::Tick);
        }
        if !kept.erased && kept.revision > 0 {
            steps.push(Step::Erase);
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Look(item) => world.writers[item] = Writer::Read(world.kept.revision),
            Step::Commit(item) => {
                let Writer::Read(read) = world.writers[item] else { return None };
                // What was erased is let go; a conflict reads again.
                let over = world.kept.erased || world.kept.commit(read, item);
                world.writers[item] = if over { Writer::Answered } else { Writer::Outside };
            }
            Step::Lease(w) => {
                world.leases += 1;
                world.kept.take(world.leases);
                world.workers[w] = Worker::leased(world.leases);
            }
            Step::Read(w) => world.workers[w].read(&before.kept, *self),
            Step::Begin(w, item) => world.begin(w, item, *self),
            Step::Send(w, outcome) => world.send(w, outcome, *self),
            Step::Settle(w) => world.workers[w].settle(&mut world.kept, *self),
            Step::Die(w) => {
                world.deaths += 1;
                world.workers[w] = Worker::default();
            }
            Step::LeaseEnds => world.lease_ends(),
            Step::Tick => world.kept.tick(),
            Step::Erase => world.kept.erase(),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, world: &World| world.told.iter().all(|n| *n <= 1)),
            Property::always(IN_ORDER, |_, world: &World| !world.disordered),
            Property::always(IN_PLACE, |_, world: &World| in_place(&world.kept)),
            Property::always(LAWFUL, |_, world: &World| !world.kept.lawless),
            Property::sometimes("both are told", |_, world: &World| {
                world.kept.items == [Some(State::Sent); ITEMS] && world.told == [1; ITEMS]
            }),
            Property::sometimes("the newer is told instead of the older", |_, world: &World| {
                world.kept.items == [Some(State::Superseded), Some(State::Sent)] && world.told == [0, 1]
            }),
            Property::sometimes("a worker finds its lease gone", |_, world: &World| {
                let lost = |w: &Worker| w.phase == Phase::Settling && world.kept.token != Some(w.token);
                world.workers.iter().any(lost)
            }),
            Property::sometimes("it is erased under a send", |_, world: &World| {
                world.kept.erased && world.workers.iter().any(|w| w.phase == Phase::Begun)
            }),
            Property::sometimes("an order that moved under its worker is looked at again", |_, world: &World| {
                world.kept.ready && world.kept.revision == 2 && world.kept.items[0] == Some(State::Sent)
            }),
        ]
    }
}

fn in_place(kept: &Kept) -> bool {
    let places = u8::from(kept.ready) + u8::from(kept.wait) + u8::from(kept.lease);
    // A lease may outlive what is owed by as long as its worker needs to settle; only an erasure takes it away.
    let right = if kept.open() > 0 { places == 1 } else { places == 0 };
    right && kept.n == kept.open() && kept.lease == kept.token.is_some()
}

fn check(rules: Rules) -> impl Checker<Rules> {
    rules.checker().threads(2).spawn_bfs().join()
}

#[test]
fn every_interleaving_keeps_the_promises_with_a_key_and_without() {
    for keyed in [true, false] {
        let checked = check(Rules { keyed, ..Rules::default() });
        checked.assert_properties();
        assert!(checked.is_done() && checked.unique_state_count() > 10_000, "{}", checked.unique_state_count());
    }
}

/// With a key even a worker that stands still at the provider's door does no harm …
#[test]
fn a_stall_at_the_door_is_harmless_with_a_key() {
    check(Rules { keyed: true, stalls: true, ..Rules::default() }).assert_properties();
}

/// … and without one it can tell something late: never twice. Nothing on our side can forbid that.
#[test]
fn a_stall_at_the_door_can_be_late_without_a_key() {
    let stalls = Rules { stalls: true, ..Rules::default() };
    assert!(breaks(stalls, IN_ORDER));
    assert!(!breaks(stalls, ONCE));
}

/// Whether a world of these rules breaks this promise.
fn breaks(rules: Rules, promise: &'static str) -> bool {
    let found = HasDiscoveries::AnyOf([promise].into());
    let checked = rules.checker().threads(2).finish_when(found).spawn_bfs().join();
    checked.discovery(promise).is_some()
}

#[test]
fn a_rule_left_out_is_missed() {
    for keyed in [true, false] {
        let rules = Rules { keyed, ..Rules::default() };
        // With a key the second message is recognised; what comes out of order is not.
        let told = if keyed { IN_ORDER } else { ONCE };
        for (left_out, rules, promise) in [
            ("settle is not fenced", Rules { settle_unfenced: true, ..rules }, IN_PLACE),
            (
                "settle believes its worker that nothing came",
                Rules { settle_trusts_the_worker: true, ..rules },
                IN_PLACE,
            ),
            ("begin writes nothing down", Rules { begin_omitted: true, ..rules }, told),
            ("what a dead worker had begun goes out as new", Rules { begun_is_taken_as_open: true, ..rules }, told),
        ] {
            assert!(breaks(rules, promise), "{left_out} (keyed: {keyed}), and {promise:?} was not broken");
        }
    }
}
