//! A small pool of threads for work that blocks.
//!
//! The runtime's own pool panics if the operating system refuses a thread, for example because another container has
//! used up the pids limit of the pod. In this pool the first worker, once started, never ends. Further workers start
//! when all others are busy, and end when they are idle. If a further worker cannot be started, its job waits for
//! another worker.

use std::{
    collections::VecDeque,
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Time after which an idle worker ends, unless it is the last one.
const IDLE_TIME: Duration = Duration::from_secs(10);

/// Size of a worker's stack, in bytes. It is set explicitly so that `RUST_MIN_STACK` does not change it.
const STACK_SIZE: usize = 1024 * 1024;

/// A piece of work. It must not panic.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A pool of at most `max_workers` threads, without any thread until [`start`](Self::start) or the first job.
pub(crate) struct WorkerPool {
    max_workers: usize,
    idle_time: Duration,
    /// Starts a thread that calls [`work`](Self::work).
    spawn: fn(&'static Self) -> io::Result<()>,
    state: Mutex<State>,
    job_added: Condvar,
}

struct State {
    queue: VecDeque<Job>,
    workers: usize,
    /// Number of workers that have no job, including those that are just starting.
    idle: usize,
}

/// A job that was not accepted, because there is no worker and none can be started.
pub(crate) struct Refused {
    pub(crate) job: Job,
    pub(crate) error: io::Error,
}

impl WorkerPool {
    pub(crate) const fn new(max_workers: usize) -> Self {
        Self::with(max_workers, IDLE_TIME, spawn)
    }

    const fn with(max_workers: usize, idle_time: Duration, spawn: fn(&'static Self) -> io::Result<()>) -> Self {
        let state = State { queue: VecDeque::new(), workers: 0, idle: 0 };
        Self { max_workers, idle_time, spawn, state: Mutex::new(state), job_added: Condvar::new() }
    }

    /// Starts the first worker. Afterwards, [`submit`](Self::submit) never fails.
    ///
    /// # Errors
    /// Returns the error of the operating system if it refuses the thread.
    pub(crate) fn start(&'static self) -> io::Result<()> {
        let mut state = self.lock();
        if state.workers == 0 { self.add_worker(&mut state) } else { Ok(()) }
    }

    /// Queues a job.
    ///
    /// # Errors
    /// Returns the job if the pool has no worker and the operating system refuses a thread.
    pub(crate) fn submit(&'static self, job: Job) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.queue.len() >= state.idle
            && state.workers < self.max_workers
            && let Err(error) = self.add_worker(&mut state)
            && state.workers == 0
        {
            return Err(Refused { job, error });
        }
        state.queue.push_back(job);
        self.job_added.notify_one();
        Ok(())
    }

    fn add_worker(&'static self, state: &mut State) -> io::Result<()> {
        (self.spawn)(self)?;
        state.workers += 1;
        state.idle += 1;
        Ok(())
    }

    /// Runs jobs until the worker is no longer needed.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.idle -= 1;
                drop(state);
                job();
                state = self.lock();
                state.idle += 1;
                continue;
            }
            let is_last = state.workers == 1;
            let timed_out;
            (state, timed_out) = self.wait(state, is_last);
            if timed_out && state.queue.is_empty() && state.workers > 1 {
                state.idle -= 1;
                state.workers -= 1;
                return;
            }
        }
    }

    /// Waits for a job; for at most `idle_time` unless this is the last worker. Returns true if the time is over.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, is_last: bool) -> (MutexGuard<'a, State>, bool) {
        if is_last {
            return (self.job_added.wait(state).unwrap_or_else(PoisonError::into_inner), false);
        }
        let waited = self.job_added.wait_timeout(state, self.idle_time);
        let (state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, result.timed_out())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(pool: &'static WorkerPool) -> io::Result<()> {
    thread::Builder::new().name("worker".into()).stack_size(STACK_SIZE).spawn(|| pool.work()).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn pool(max_workers: usize, spawn: fn(&'static WorkerPool) -> io::Result<()>) -> &'static WorkerPool {
        Box::leak(Box::new(WorkerPool::with(max_workers, Duration::from_millis(20), spawn)))
    }

    fn submit(pool: &'static WorkerPool, job: impl FnOnce() + Send + 'static) {
        assert!(pool.submit(Box::new(job)).is_ok(), "accepted");
    }

    #[test]
    fn jobs_wait_for_a_busy_worker_if_no_other_can_be_started() {
        /// Starts the first worker and refuses all others.
        fn spawn_one(pool: &'static WorkerPool) -> io::Result<()> {
            static STARTED: AtomicUsize = AtomicUsize::new(0);
            if STARTED.fetch_add(1, Ordering::Relaxed) == 0 {
                spawn(pool)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        let pool = pool(4, spawn_one);
        pool.start().expect("the first worker");
        assert_eq!(pool.lock().idle, 1, "a worker that is just starting takes the next job");
        let (release, released) = mpsc::channel::<()>();
        let (sender, results) = mpsc::channel();
        submit(pool, move || released.recv().expect("released"));
        for number in 0..10 {
            let sender = sender.clone();
            submit(pool, move || sender.send(number).expect("received"));
        }
        assert!(results.try_recv().is_err(), "the only worker is busy");
        release.send(()).expect("received");
        let received: Vec<i32> = (0..10).map(|_| results.recv_timeout(DEADLINE).expect("a result")).collect();
        assert_eq!(received, (0..10).collect::<Vec<_>>(), "in order, and none is lost");
    }

    #[test]
    fn job_is_returned_if_no_worker_can_be_started() {
        let pool = pool(4, |_| Err(io::ErrorKind::WouldBlock.into()));
        assert_eq!(pool.start().expect_err("refused").kind(), io::ErrorKind::WouldBlock);
        let (sender, results) = mpsc::channel();
        let refused = pool.submit(Box::new(move || sender.send(1).expect("received"))).expect_err("refused");
        assert_eq!(refused.error.kind(), io::ErrorKind::WouldBlock);
        (refused.job)();
        assert_eq!(results.recv(), Ok(1));
        assert!(pool.lock().queue.is_empty());
    }

    #[test]
    fn number_of_workers_is_bounded_and_all_but_one_end_when_idle() {
        let pool = pool(3, spawn);
        let (sender, results) = mpsc::channel();
        let gate = std::sync::Arc::new((Mutex::new(false), Condvar::new()));
        for _ in 0..50 {
            let (sender, gate) = (sender.clone(), std::sync::Arc::clone(&gate));
            submit(pool, move || {
                let open = gate.0.lock().expect("unpoisoned");
                drop(gate.1.wait_while(open, |open| !*open).expect("unpoisoned"));
                sender.send(()).expect("received");
            });
        }
        assert_eq!(pool.lock().workers, 3);
        *gate.0.lock().expect("unpoisoned") = true;
        gate.1.notify_all();
        for _ in 0..50 {
            results.recv_timeout(DEADLINE).expect("a result");
        }
        let mut state = pool.lock();
        while state.workers > 1 {
            drop(state);
            thread::yield_now();
            state = pool.lock();
        }
        drop(state);
        for _ in 0..20 {
            let sender = sender.clone();
            submit(pool, move || sender.send(()).expect("received"));
            results.recv_timeout(DEADLINE).expect("the last worker still works");
        }
    }
}
