//! Shops at work: orders begin at a steady rate and live their lives, whatever becomes of the relay.

use super::checker::Post;
use super::shops::{self, Order};
use super::world::Street;
use orderwire::domain::clock::{Clock as _, SystemClock, from_millis};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Pause before a shop that repeats sends the same again.
const AGAIN: Duration = Duration::from_millis(150);

/// Orders that keep beginning.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Traffic {
    /// An order every `every`, a webhook of each every `gap` on average.
    pub fn start(street: &Arc<Street>, seed: u64, every: Duration, gap: Duration) -> Traffic {
        let stop = Arc::new(AtomicBool::new(false));
        let (street, stopped) = (Arc::clone(street), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut lives = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                let (place, order) = begin(&street);
                let dice = StdRng::seed_from_u64(seed ^ ((place as u64) << 20));
                lives.push(tokio::spawn(live(Arc::clone(&street), place, order, dice, gap)));
                tokio::time::sleep(every).await;
            }
            for life in lives {
                life.await.unwrap();
            }
        });
        Traffic { stop, task }
    }

    /// No order begins any more; those that live go on to their end. The relay must be up.
    pub async fn end(self) {
        self.stop.store(true, Ordering::Release);
        self.task.await.unwrap();
    }
}

/// A new order; its number says which shop's.
pub fn begin(street: &Street) -> (usize, Arc<Order>) {
    let mut orders = street.orders.lock().unwrap();
    let place = orders.len();
    // Its whole life lies in the last two minutes; WooCommerce writes whole seconds.
    let order = Arc::new(shops::order(place as u64, from_millis((SystemClock.now().as_second() - 120) * 1000)));
    orders.push(Arc::clone(&order));
    (place, order)
}

/// A new order of this shop; those of other shops that come before it stay untold.
pub fn begin_of(street: &Street, shop: &str) -> (usize, Arc<Order>) {
    loop {
        let (place, order) = begin(street);
        if order.shop == shop {
            return (place, order);
        }
    }
}

async fn live(street: Arc<Street>, place: usize, order: Arc<Order>, mut dice: StdRng, gap: Duration) {
    for step in 0..order.steps.len() {
        while !post(&street, place, &order, step).await && order.repeats {
            tokio::time::sleep(AGAIN).await;
        }
        tokio::time::sleep(gap.mul_f64(dice.random_range(0.1..1.9))).await;
    }
}

/// Posts a webhook once and writes down what came of it; `true`: answered 2xx.
pub async fn post(street: &Street, place: usize, order: &Order, step: usize) -> bool {
    let door = *street.door.lock().unwrap();
    let Some(door) = door else {
        let post = Post { order: place, step, at: Instant::now(), took: Duration::ZERO, answer: None };
        street.posts.lock().unwrap().push(post);
        return false;
    };
    let webhook = &order.steps[step];
    let mut request = street.http.post(format!("http://{door}{}", webhook.path)).body(webhook.body.clone());
    for (name, value) in &webhook.headers {
        request = request.header(*name, value);
    }
    let started = Instant::now();
    let answer = match request.send().await {
        Err(_) => None,
        Ok(response) => {
            let status = response.status().as_u16();
            // A status whose body was cut off is an answer all the same: the shop goes by the status.
            let body = response.text().await.unwrap_or_default();
            Some((status, body))
        }
    };
    let good = answer.as_ref().is_some_and(|(status, _)| (200..300).contains(status));
    let post = Post { order: place, step, at: Instant::now(), took: started.elapsed(), answer };
    street.posts.lock().unwrap().push(post);
    good
}
