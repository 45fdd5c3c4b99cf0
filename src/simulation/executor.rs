//! Runs tasks on virtual time: the time advances to the next timer when no task can continue.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::{lock, wall};
use crate::clock::{Clock, Moment};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks in a fixed order.
#[derive(Default)]
pub(super) struct Executor {
    tasks: Vec<Option<(Task, Arc<TaskWaker>)>>,
    free: Vec<usize>,
    ready: Arc<Mutex<Vec<Arc<TaskWaker>>>>,
    clock: Arc<VirtualClock>,
}

struct TaskWaker {
    task: usize,
    is_queued: AtomicBool,
    ready: Arc<Mutex<Vec<Arc<TaskWaker>>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(Arc::clone(&self));
        }
    }
}

impl Executor {
    pub(super) fn clock(&self) -> Arc<VirtualClock> {
        Arc::clone(&self.clock)
    }

    /// Adds a task, which starts at the current time.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        let waker =
            Arc::new(TaskWaker { task: number, is_queued: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        self.tasks[number] = Some((Box::pin(task), Arc::clone(&waker)));
        waker.wake();
    }

    /// Runs until the virtual time is `end`.
    pub(super) fn run_until(&mut self, end: Duration) {
        loop {
            self.run_ready();
            if !self.clock.advance(end) {
                return;
            }
        }
    }

    fn run_ready(&mut self) {
        loop {
            let batch = std::mem::take(&mut *lock(&self.ready));
            if batch.is_empty() {
                return;
            }
            for woken in batch {
                woken.is_queued.store(false, Ordering::Relaxed);
                let Some(Some((task, waker))) = self.tasks.get_mut(woken.task) else { continue };
                // The number may belong to a newer task.
                if !Arc::ptr_eq(waker, &woken) {
                    continue;
                }
                let waker = Waker::from(Arc::clone(waker));
                if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    self.tasks[woken.task] = None;
                    self.free.push(woken.task);
                }
            }
        }
    }
}

/// The virtual time.
#[derive(Default)]
pub(super) struct VirtualClock {
    time: Mutex<Time>,
}

#[derive(Default)]
struct Time {
    now: Duration,
    /// The timers, by time and order of creation.
    timers: BinaryHeap<Reverse<(Duration, u64, Timer)>>,
    created: u64,
}

/// A timer. It takes no part in the order.
struct Timer(Waker);

impl PartialEq for Timer {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl VirtualClock {
    /// Returns the time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        lock(&self.time).now
    }

    /// Advances to the next timer and wakes its task, or to `end`. Returns false at `end`.
    fn advance(&self, end: Duration) -> bool {
        let timer = {
            let mut time = lock(&self.time);
            match time.timers.peek() {
                Some(Reverse((at, ..))) if *at <= end => {}
                _ => {
                    time.now = time.now.max(end);
                    return false;
                }
            }
            let Some(Reverse((at, _, timer))) = time.timers.pop() else { return false };
            time.now = time.now.max(at);
            timer
        };
        timer.0.wake();
        true
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Moment {
        let elapsed = self.elapsed();
        Moment { wall: wall(elapsed), monotonic: elapsed }
    }

    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Sleep { clock: self, until: self.elapsed().saturating_add(length), is_registered: false })
    }

    /// Virtual time passes only in sleeps, and never steps.
    fn max_sleep(&self) -> Duration {
        Duration::MAX
    }
}

struct Sleep<'a> {
    clock: &'a VirtualClock,
    until: Duration,
    is_registered: bool,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut time = lock(&self.clock.time);
        if time.now >= self.until {
            return Poll::Ready(());
        }
        if !self.is_registered {
            time.created += 1;
            let timer = Reverse((self.until, time.created, Timer(context.waker().clone())));
            time.timers.push(timer);
            drop(time);
            self.is_registered = true;
        }
        Poll::Pending
    }
}
