//! The open connections of all listeners. When there are too many, the one that has been idle for the longest time is closed, so
//! that a crowd of connections shuts nobody out: the newest connection is always served.
//!
//! A connection is idle while no request is being answered. Its idle time starts when it is accepted and again after each
//! response, so a client that sends a request header byte by byte is idle.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

use crate::clock::Clock;

/// Maximum number of connections, unless the limit of open files is lower.
const MAX_CONNECTIONS: usize = 256;
/// Open files that are not connections: standard streams, listeners, signals, files, logs.
const OTHER_FILES: usize = 32;
/// Maximum number of connections that a listener accepts before requests are answered again.
const MAX_BATCH: usize = 32;
/// Time between the first closed connection and its log line, which then counts the whole burst.
const FIRST_REPORT: Duration = Duration::from_secs(1);
/// Minimum time between two log lines about closed connections.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);
/// Time to wait for a file descriptor if there is no connection to close.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The open connections of all listeners of the process.
pub(crate) struct Connections {
    limit: usize,
    clock: Arc<dyn Clock>,
    open: Mutex<Vec<Arc<Activity>>>,
    /// The listeners, by number.
    listeners: Mutex<Vec<ListenerCounts>>,
    /// Wakes tasks that wait for a connection to end.
    ended: Notify,
    /// Number of the last event on any connection. Orders the connections by their last activity.
    events: AtomicU64,
    /// A file descriptor to give up if there is no other left and no connection to close.
    spare: Mutex<Option<OwnedFd>>,
    /// Number of closed connections since the last report.
    closed: AtomicU64,
    has_reporter: AtomicBool,
}

/// The connections of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListenerCounts {
    /// The name of the listener. Listeners on several addresses share it.
    pub(crate) listener: &'static str,
    /// Number of open connections.
    pub(crate) open: u64,
    /// Number of accepted connections since the start.
    pub(crate) accepted: u64,
    /// Number of connections that were closed because there were too many, since the start.
    pub(crate) shed: u64,
}

/// What is known about an open connection.
struct Activity {
    listener: usize,
    /// Number of its last event: it was accepted, or a response ended.
    last_event: AtomicU64,
    /// Monotonic time of the last event, in milliseconds.
    idle_since: AtomicU64,
    /// Whether a request is being answered, or the server had no time yet to read the first request.
    is_busy: AtomicBool,
    is_closing: AtomicBool,
    close: Notify,
}

/// A connection. Dropping it removes the connection from the list, so drop it after the socket.
pub(crate) struct Connection {
    activity: Arc<Activity>,
    connections: Arc<Connections>,
}

/// A request that is being answered. The connection is idle again when it is dropped.
pub(crate) struct Answering(Arc<Connection>);

impl Connections {
    /// Returns an empty list. The limit follows from the process's limit of open files.
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        let open_files = getrlimit(Resource::Nofile).current;
        Self::with_limit(limit(open_files.and_then(|limit| usize::try_from(limit).ok())), clock)
    }

    fn with_limit(limit: usize, clock: &Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            clock: Arc::clone(clock),
            open: Mutex::default(),
            ended: Notify::new(),
            events: AtomicU64::new(0),
            listeners: Mutex::default(),
            spare: Mutex::new(spare()),
            closed: AtomicU64::new(0),
            has_reporter: AtomicBool::new(false),
        })
    }

    /// Returns a number for a new listener with this name.
    pub(crate) fn add_listener(&self, listener: &'static str) -> usize {
        let mut listeners = self.listeners();
        listeners.push(ListenerCounts { listener, ..ListenerCounts::default() });
        listeners.len() - 1
    }

    /// Returns the number of open connections from which one is closed for a new one.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the connections of all listeners. Those with the same name are added up.
    pub(crate) fn counts(&self) -> Vec<ListenerCounts> {
        let open: Vec<usize> = self.open().iter().map(|one| one.listener).collect();
        let mut sums: Vec<ListenerCounts> = Vec::new();
        for (number, counts) in self.listeners().iter().enumerate() {
            let index = sums.iter().position(|sum| sum.listener == counts.listener).unwrap_or(sums.len());
            if index == sums.len() {
                sums.push(ListenerCounts { listener: counts.listener, ..ListenerCounts::default() });
            }
            sums[index].open += open.iter().filter(|listener| **listener == number).count() as u64;
            sums[index].accepted += counts.accepted;
            sums[index].shed += counts.shed;
        }
        sums
    }

    /// Returns how many connections a listener can accept before it must let the requests be answered.
    pub(crate) fn batch(&self) -> usize {
        (self.limit / 4).clamp(1, MAX_BATCH)
    }

    /// Adds a connection. If there are more than the limit, asks the one that has been idle for the longest time to close.
    pub(crate) fn add(self: &Arc<Self>, listener: usize) -> Arc<Connection> {
        let activity = Arc::new(Activity {
            listener,
            last_event: AtomicU64::new(self.next_event()),
            idle_since: AtomicU64::new(self.milliseconds()),
            is_busy: AtomicBool::new(true),
            is_closing: AtomicBool::new(false),
            close: Notify::new(),
        });
        self.count(listener, |counts| counts.accepted += 1);
        let mut open = self.open();
        open.push(Arc::clone(&activity));
        let remaining = open.iter().filter(|one| !one.is_closing.load(Relaxed)).count();
        if remaining > self.limit {
            self.close_longest_idle(&open);
        }
        Arc::new(Connection { activity, connections: Arc::clone(self) })
    }

    /// Frees a file descriptor after the system had none left for a new connection: waits until a connection has been closed,
    /// or else gives up the spare descriptor. If there is none either, waits a moment.
    pub(crate) async fn make_room(self: &Arc<Self>) {
        let mut ended = std::pin::pin!(self.ended.notified());
        // Enabled before the connection is asked to close, so that its end is not missed.
        ended.as_mut().enable();
        let is_closing = {
            let open = self.open();
            open.iter().any(|one| one.is_closing.load(Relaxed)) || self.close_longest_idle(&open)
        };
        if is_closing {
            ended.await;
        } else if self.spare().take().is_none() {
            self.clock.sleep(RETRY_AFTER).await;
        }
    }

    /// Asks a connection of the listener with the most connections to close, so that a crowd on one listener does not cost the
    /// others theirs. Returns false if there is none.
    fn close_longest_idle(self: &Arc<Self>, open: &[Arc<Activity>]) -> bool {
        let Some(longest_idle) = longest_idle(open) else { return false };
        longest_idle.is_closing.store(true, Relaxed);
        longest_idle.close.notify_one();
        self.closed.fetch_add(1, Relaxed);
        self.count(longest_idle.listener, |counts| counts.shed += 1);
        if !self.has_reporter.swap(true, Relaxed) {
            tokio::spawn(Arc::clone(self).report());
        }
        true
    }

    /// Logs the number of closed connections, at most once a minute, until no more are closed.
    async fn report(self: Arc<Self>) {
        let mut wait = FIRST_REPORT;
        loop {
            self.clock.sleep(wait).await;
            wait = REPORT_INTERVAL;
            match self.closed.swap(0, Relaxed) {
                0 => break,
                closed => {
                    tracing::warn!(closed, limit = self.limit, "too many connections: the longest idle ones closed")
                }
            }
        }
        self.has_reporter.store(false, Relaxed);
    }

    fn next_event(&self) -> u64 {
        self.events.fetch_add(1, Relaxed)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.clock.now().monotonic.as_millis()).unwrap_or(u64::MAX)
    }

    fn count(&self, listener: usize, change: impl FnOnce(&mut ListenerCounts)) {
        self.listeners().get_mut(listener).map(change);
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<ListenerCounts>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spare(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Waits until this connection has to close.
    pub(crate) async fn must_close(&self) {
        self.activity.close.notified().await;
    }

    /// Waits until no request has been answered for `limit`.
    pub(crate) async fn idle_for(&self, limit: Duration) {
        let Self { activity, connections } = self;
        loop {
            let idle_since = activity.idle_since.load(Relaxed);
            let is_busy = activity.is_busy.load(Relaxed);
            let idle = if is_busy { 0 } else { connections.milliseconds().saturating_sub(idle_since) };
            match limit.saturating_sub(Duration::from_millis(idle)) {
                Duration::ZERO => return,
                // A request does not touch this timer. When it fires, it is set again for the time that is left.
                left => connections.clock.sleep(left).await,
            }
        }
    }

    /// Marks the connection as idle. Call it when the server begins to read.
    pub(crate) fn begin(&self) {
        self.activity.is_busy.store(false, Relaxed);
    }

    /// Marks the connection as busy until the result is dropped.
    pub(crate) fn answer(self: &Arc<Self>) -> Answering {
        self.activity.is_busy.store(true, Relaxed);
        Answering(Arc::clone(self))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let Connection { activity, connections } = &*self.0;
        activity.last_event.store(connections.next_event(), Relaxed);
        activity.idle_since.store(connections.milliseconds(), Relaxed);
        activity.is_busy.store(false, Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.open().retain(|one| !Arc::ptr_eq(one, &self.activity));
        let mut spare = self.connections.spare();
        if spare.is_none() {
            *spare = self::spare();
        }
        self.connections.ended.notify_waiters();
    }
}

/// Returns the connection to close next: of the listener with the most connections, the one that has been idle for the longest
/// time, or if none is idle, the one that has been busy for the longest time.
fn longest_idle(open: &[Arc<Activity>]) -> Option<&Activity> {
    let candidates = || open.iter().filter(|one| !one.is_closing.load(Relaxed));
    let count = |listener: usize| candidates().filter(|one| one.listener == listener).count();
    let listeners = open.iter().map(|one| one.listener).max()?;
    let crowded = (0..=listeners).max_by_key(|listener| count(*listener))?;
    let oldest = candidates()
        .filter(|one| one.listener == crowded)
        .min_by_key(|one| (one.is_busy.load(Relaxed), one.last_event.load(Relaxed)));
    oldest.map(|one| &**one)
}

/// Returns the maximum number of connections for a limit of open files: three quarters of those that are left after
/// [`OTHER_FILES`]. The rest is for a batch of new connections and for the connections to STS.
fn limit(open_files: Option<usize>) -> usize {
    let left = open_files.map_or(usize::MAX, |limit| limit.saturating_sub(OTHER_FILES));
    (left / 4 * 3).clamp(4, MAX_CONNECTIONS)
}

/// Returns a file descriptor that can be given up.
fn spare() -> Option<OwnedFd> {
    io::stderr().as_fd().try_clone_to_owned().ok()
}

#[cfg(test)]
mod tests;
