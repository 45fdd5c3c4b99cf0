//! The only loop: provide → publish → sleep, once a profile.
//!
//! Nothing is polled: it sleeps until the next thing is due. Sleeps are cut into pieces, since a runtime's timer stands
//! still in a suspended node while the wall clock goes on: after each piece both clocks are asked again.

pub mod backoff;
pub mod window;

use std::{sync::Arc, time::Duration};

use crate::{chain::link::Link, clock::Clock, store::Publisher};

/// The longest piece of a sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Keeps one profile's credentials fresh until the task is dropped.
pub async fn keep_fresh(link: Arc<Link>, publisher: Publisher, clock: Arc<dyn Clock>) {
    loop {
        match link.provide().await {
            Ok(lease) => {
                let window = lease.window;
                publisher.publish(lease);
                sleep_while(&*clock, || window.until_refresh(clock.now())).await;
            }
            Err(failure) => {
                publisher.failed(failure.clone());
                sleep_while(&*clock, || failure.until_retry(clock.now())).await;
            }
        }
    }
}

/// Sleeps until `remaining` is nothing, asking it again after every piece.
async fn sleep_while(clock: &dyn Clock, remaining: impl Fn() -> Duration) {
    loop {
        let left = remaining();
        if left.is_zero() {
            return;
        }
        clock.sleep(left.min(LONGEST_SLEEP)).await;
    }
}
