//! Tests of the choice of the connection to close, and of the idle time.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use tokio::sync::watch;

use super::*;
use crate::clock::{Moment, SystemClock};

fn connections(limit: usize) -> Arc<Connections> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Connections::with_limit(limit, &clock)
}

fn add(connections: &Arc<Connections>, listener: usize) -> Arc<Connection> {
    let connection = connections.add(listener);
    connection.begin();
    connection
}

fn must_close(connection: &Connection) -> bool {
    connection.activity.is_closing.load(Relaxed)
}

#[test]
fn limit_leaves_files_for_everything_else() {
    for (open_files, expected) in [(None, 256), (Some(1024), 256), (Some(256), 168), (Some(64), 24), (Some(16), 4)] {
        assert_eq!(limit(open_files), expected, "{open_files:?}");
    }
}

#[tokio::test]
async fn longest_idle_connection_makes_room_for_a_new_one() {
    let connections = connections(2);
    let [first, second] = [add(&connections, 0), add(&connections, 0)];
    drop(first.answer());
    let third = add(&connections, 0);
    assert!(must_close(&second) && !must_close(&first) && !must_close(&third));
    drop(second);
    let _busy = first.answer();
    let fourth = add(&connections, 0);
    assert!(must_close(&third) && !must_close(&first) && !must_close(&fourth));
}

#[tokio::test]
async fn longest_busy_connection_closes_if_none_is_idle() {
    let connections = connections(2);
    let busy = [add(&connections, 0), add(&connections, 0)];
    let _answering: Vec<_> = busy.iter().map(Connection::answer).collect();
    let newest = [connections.add(0), connections.add(0)];
    assert!(busy.iter().all(|connection| must_close(connection)));
    assert!(!newest.iter().any(|connection| must_close(connection)), "their requests are not read yet");
}

#[tokio::test]
async fn crowd_on_one_listener_does_not_close_connections_of_another() {
    let connections = connections(4);
    let [credentials, admin] = ["credentials", "admin"].map(|name| connections.add_listener(name));
    let probe = add(&connections, admin);
    let crowd: Vec<_> = (0..100).map(|_| add(&connections, credentials)).collect();
    assert!(!must_close(&probe));
    let second_probe = add(&connections, admin);
    assert!(!must_close(&probe) && !must_close(&second_probe));
    assert_eq!(crowd.iter().filter(|one| !must_close(one)).count(), 2);
}

#[tokio::test]
async fn connections_are_counted_by_the_name_of_their_listener() {
    let connections = connections(2);
    let [first, admin, second] = ["credentials", "admin", "credentials"].map(|name| connections.add_listener(name));
    let open = [add(&connections, first), add(&connections, second), add(&connections, second)];
    drop(add(&connections, admin));
    drop(open.into_iter().next());
    let counts = |listener, open, accepted, shed| ListenerCounts { listener, open, accepted, shed };
    assert_eq!(connections.counts(), [counts("credentials", 0, 3, 2), counts("admin", 0, 1, 0)]);
}

/// A clock that the test sets, in milliseconds.
struct ManualClock(watch::Sender<u64>);

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment { wall: SystemTime::UNIX_EPOCH, monotonic: Duration::from_millis(*self.0.borrow()) }
    }

    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let end = self.now().monotonic + length;
        Box::pin(async move {
            let mut time = self.0.subscribe();
            let _ = time.wait_for(|now| Duration::from_millis(*now) >= end).await;
        })
    }
}

#[tokio::test]
async fn idle_time_starts_again_after_each_response() {
    let clock = Arc::new(ManualClock(watch::Sender::new(0)));
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let connection = add(&Connections::with_limit(1, &shared), 0);
    let mut idle = pin!(connection.idle_for(Duration::from_secs(10)));
    let mut has_ended_at = |time: u64| {
        clock.0.send_replace(time);
        idle.as_mut().poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    };
    assert!(!has_ended_at(9_000));
    drop(connection.answer());
    assert!(!has_ended_at(10_000) && !has_ended_at(18_999), "a request came after 9 s");
    let answering = connection.answer();
    assert!(!has_ended_at(60_000), "a request is being answered");
    drop(answering);
    assert!(!has_ended_at(69_999));
    assert!(has_ended_at(70_000));
}
