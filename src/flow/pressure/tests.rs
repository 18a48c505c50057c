use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_slow_redis_halves_what_is_taken_and_a_quick_one_gives_it_back_slowly() {
    let start = Instant::now();
    let pressure = Pressure::default();
    assert_eq!(pressure.share(), Share { in_hand: 512, take: 64 });
    (0..40).for_each(|_| pressure.trip(ms(800), None, start));
    assert!(pressure.average() > ms(400));
    let mut seen = Vec::new();
    for second in 1..=6 {
        seen.extend(pressure.fit(start + ms(1000 * second)));
    }
    assert_eq!(seen, [256, 128, 64, 32], "never fewer than leave each partition its look");
    assert_eq!(pressure.share(), Share { in_hand: 32, take: 4 });
    (0..40).for_each(|_| pressure.trip(ms(2), None, start));
    let later: Vec<usize> = (7..=10).filter_map(|second| pressure.fit(start + ms(1000 * second))).collect();
    assert_eq!(later, [48, 64, 80, 96]);
    (11..60).for_each(|second| _ = pressure.fit(start + ms(1000 * second)));
    assert_eq!(pressure.share().in_hand, 512, "and never more than at first");
}

#[test]
fn one_change_a_second_is_enough() {
    let start = Instant::now();
    let mut crew = Crew::default();
    assert_eq!(crew.fit(true, start), Some(256));
    assert_eq!(crew.fit(true, start + ms(999)), None);
    assert_eq!(crew.fit(true, start + ms(1000)), Some(128));
}

#[test]
fn the_average_forgets_a_single_slow_trip_and_follows_many() {
    let mut trip = Trip::default();
    trip.took(ms(1500));
    assert!(trip.average() < ms(400), "{:?}", trip.average());
    (0..3).for_each(|_| trip.took(ms(1500)));
    assert!(trip.average() > ms(400), "{:?}", trip.average());
    (0..20).for_each(|_| trip.took(ms(1)));
    assert!(trip.average() < ms(50), "{:?}", trip.average());
}

#[test]
fn levels_begin_at_their_mark_and_end_below_it() {
    let path = [
        (0.50, Level::Calm),
        (0.79, Level::Calm),
        (0.80, Level::High),
        (0.76, Level::High),
        (0.74, Level::Calm),
        (0.96, Level::Full),
        (0.94, Level::Full),
        (0.90, Level::Full),
        (0.89, Level::Tight),
        (0.94, Level::Tight),
        (0.95, Level::Full),
        (0.84, Level::High),
        (0.89, Level::High),
        (0.90, Level::Tight),
        (0.10, Level::Calm),
    ];
    let mut now = Level::default();
    for (step, (ratio, expected)) in path.into_iter().enumerate() {
        now = level(now, ratio);
        assert_eq!(now, expected, "step {step}: {ratio}");
    }
    assert!(Level::Calm < Level::High && Level::High < Level::Tight && Level::Tight < Level::Full);
}

#[test]
fn away_is_what_failed_again_and_again_for_a_while() {
    let start = Instant::now();
    let mut reach = Reach::default();
    (0..9).for_each(|_| reach.seen(false, start));
    assert!(!reach.away(start + ms(999)), "a connection is being made anew");
    assert!(reach.away(start + ms(1000)));
    reach.seen(true, start + ms(1000));
    assert!(!reach.away(start + ms(9000)), "it served");
    reach.seen(false, start + ms(9000));
    reach.seen(false, start + ms(9500));
    assert!(!reach.away(start + ms(20_000)), "two failures are not many");
}

#[test]
fn a_server_that_answers_no_is_not_away() {
    let start = Instant::now();
    use ErrorKind::{Away, Bug, Full, Loading, ReadOnly, Setup, Timeout, Unreplicated};
    for (kinds, away) in [(&[Full, Unreplicated, Bug][..], false), (&[Away, Loading, ReadOnly, Setup, Timeout], true)] {
        for kind in kinds {
            let pressure = Pressure::default();
            (0..5).for_each(|_| pressure.trip(ms(8), Some(*kind), start));
            let relief = pressure.relief(Caller::Shop, start + ms(2000));
            assert_eq!(relief, away.then_some(Shed::Away), "{kind:?}");
            assert_eq!(pressure.average() > Duration::ZERO, *kind == Timeout, "{kind:?} tells how quick it is, or not");
        }
    }
}

#[test]
fn the_door_shuts_for_shops_before_it_shuts_for_channels() {
    let now = Instant::now();
    let pressure = Pressure::new(2);
    assert_eq!(pressure.relief(Caller::Shop, now), None);
    assert_eq!(pressure.fills(Some(0.97)), (Level::Calm, Level::Full));
    assert_eq!(pressure.relief(Caller::Shop, now), Some(Shed::Memory));
    assert_eq!(pressure.relief(Caller::Channel, now), None, "an opt-out, or a window that lets messages go");
    assert_eq!(pressure.fills(None), (Level::Full, Level::Calm));
    let one = pressure.wait();
    assert_eq!(pressure.relief(Caller::Channel, now), None);
    let two = pressure.wait();
    assert_eq!(pressure.relief(Caller::Channel, now), Some(Shed::Queue));
    assert_eq!(pressure.fit(now), Some(256), "a long queue presses the worker too");
    assert!(!pressure.crowded());
    drop((one, two));
    assert_eq!(pressure.relief(Caller::Shop, now), None);
    assert!(
        pressure.complains(Some("appendonly is off".into())) && !pressure.complains(Some("appendonly is off".into()))
    );
    assert_eq!(pressure.relief(Caller::Channel, now), Some(Shed::Setup));
    assert!(pressure.complains(None));
    let words: std::collections::BTreeSet<_> = Shed::ALL.iter().map(|s| s.as_str()).collect();
    assert_eq!(words.len(), Shed::ALL.len());
}
