//! A bounded queue of log lines, so that no task waits for a reader of stderr.
//!
//! A thread writes the lines in order. While the queue is full, lines are dropped and counted; a line at their place says how many.
//! If the thread cannot be started, for example because the pod has no more process IDs, each new line is followed by a write of
//! as many bytes as the reader takes at that moment.
//!
//! `O_NONBLOCK` is not an option: it belongs to the open file, which other processes share, such as the program that `exec` runs.

use std::{
    collections::VecDeque,
    os::fd::AsFd,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::clock::{Clock as _, SystemClock};

/// The most lines that wait.
const MAX_LINES: usize = 256;

/// The most bytes that wait, in lines of any length.
const MAX_BYTES: usize = 128 * 1024;

/// The longest time that the end of the process waits for a reader.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The stack of the thread: it formats one line.
const STACK_SIZE: usize = 128 * 1024;

/// `PIPE_BUF`: a pipe that is ready takes this many bytes without blocking.
const ATOMIC_WRITE: usize = 4096;

pub(super) struct LineQueue<F> {
    output: F,
    state: Mutex<State>,
    /// Notifies the thread of a new line.
    added: Condvar,
    /// Notifies [`flush`](Self::flush) that a line has been written.
    written: Condvar,
    dropped: Counter,
    dropped_line: Box<dyn Fn(u64) -> Vec<u8> + Send + Sync>,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The number of lines in `entries`, and their bytes.
    lines: usize,
    bytes: usize,
    /// True if the thread runs.
    has_thread: bool,
    /// True while the thread writes a line that it has taken from `entries`.
    is_writing: bool,
}

enum Entry {
    Line(Vec<u8>),
    /// This many lines were dropped here.
    Dropped(u64),
}

impl<F: AsFd + Send + Sync + 'static> LineQueue<F> {
    /// Returns a queue in front of `output`. `dropped_line` makes the line that reports dropped lines.
    pub(super) fn new(
        output: F,
        dropped: Counter,
        dropped_line: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self {
            output,
            state: Mutex::default(),
            added: Condvar::new(),
            written: Condvar::new(),
            dropped,
            dropped_line: Box::new(dropped_line),
        }
    }

    /// Starts the thread. Without one, the queue works too.
    pub(super) fn start_thread(self: &Arc<Self>) {
        let queue = Arc::clone(self);
        let thread = thread::Builder::new().name("log".to_owned()).stack_size(STACK_SIZE);
        self.lock().has_thread = true;
        if thread.spawn(move || queue.write_lines()).is_err() {
            self.lock().has_thread = false;
        }
    }

    /// Adds a line, or drops it if the queue is full.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.lock();
        if state.has_room(line.len()) {
            state.add(line);
        } else {
            self.dropped.inc();
            match state.entries.back_mut() {
                Some(Entry::Dropped(count)) => *count += 1,
                _ => state.entries.push_back(Entry::Dropped(1)),
            }
        }
        self.wake(state);
    }

    /// Adds a line even if the queue is full.
    pub(super) fn push_always(&self, line: Vec<u8>) {
        let mut state = self.lock();
        state.add(line);
        self.wake(state);
    }

    /// Waits until all lines are written, for at most half a second.
    pub(super) fn flush(&self) {
        let state = self.lock();
        if state.has_thread {
            let is_busy = |state: &mut State| state.is_writing || !state.entries.is_empty();
            drop(self.written.wait_timeout_while(state, FLUSH_TIMEOUT, is_busy));
        } else {
            self.write_ready(state, FLUSH_TIMEOUT);
        }
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        if state.has_thread {
            drop(state);
            self.added.notify_one();
        } else {
            self.write_ready(state, Duration::ZERO);
        }
    }

    /// The thread: writes lines until the process ends.
    fn write_lines(&self) {
        loop {
            let is_idle = |state: &mut State| state.entries.is_empty();
            let waited = self.added.wait_while(self.lock(), is_idle);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            let Some(line) = self.take(&mut state) else { continue };
            state.is_writing = true;
            drop(state);
            let mut rest = &line[..];
            while !rest.is_empty() {
                rest = &rest[self.write(rest).unwrap_or(rest.len())..];
            }
            self.lock().is_writing = false;
            self.written.notify_all();
        }
    }

    /// Without a thread: writes the lines that the reader takes within `timeout`.
    fn write_ready(&self, mut state: MutexGuard<'_, State>, timeout: Duration) {
        let clock = SystemClock::new();
        let started = clock.now();
        while !state.entries.is_empty() && self.is_ready(timeout.saturating_sub(clock.now().since(started))) {
            let Some(line) = self.take(&mut state) else { return };
            let part = &line[..line.len().min(ATOMIC_WRITE)];
            let written = self.write(part).unwrap_or(line.len());
            if written < line.len() {
                state.return_rest(line[written..].to_vec());
            }
        }
    }

    /// Removes the first line. Renders the report of dropped lines only here, so that it counts all of them.
    fn take(&self, state: &mut State) -> Option<Vec<u8>> {
        Some(match state.entries.pop_front()? {
            Entry::Line(line) => {
                state.lines -= 1;
                state.bytes -= line.len();
                line
            }
            Entry::Dropped(count) => (self.dropped_line)(count),
        })
    }

    /// Writes and returns the number of written bytes. Waits if another process made the open file non-blocking.
    ///
    /// # Errors
    /// Returns an error if nothing can be written any more, for example to a closed pipe.
    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match rustix::io::write(&self.output, bytes) {
            Err(Errno::INTR) => Ok(0),
            Err(Errno::AGAIN) => self.poll(None).map(|_| 0),
            written => written,
        }
    }

    fn is_ready(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).ok();
        timeout.is_some_and(|timeout| self.poll(Some(&timeout)).is_ok_and(|ready| ready > 0))
    }

    fn poll(&self, timeout: Option<&Timespec>) -> Result<usize, Errno> {
        match poll(&mut [PollFd::new(&self.output, PollFlags::OUT)], timeout) {
            Err(Errno::INTR) => Ok(0),
            ready => ready,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, length: usize) -> bool {
        self.lines == 0 || (self.lines < MAX_LINES && self.bytes + length <= MAX_BYTES)
    }

    fn add(&mut self, line: Vec<u8>) {
        self.lines += 1;
        self.bytes += line.len();
        self.entries.push_back(Entry::Line(line));
    }

    /// Puts the rest of a line back in front of the others.
    fn return_rest(&mut self, rest: Vec<u8>) {
        self.lines += 1;
        self.bytes += rest.len();
        self.entries.push_front(Entry::Line(rest));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter};

    use super::*;

    fn queue() -> (Arc<LineQueue<PipeWriter>>, BufReader<PipeReader>) {
        let (reader, writer) = io::pipe().expect("a pipe");
        let report = |count| format!("dropped {count}\n").into_bytes();
        (Arc::new(LineQueue::new(writer, Counter::default(), report)), BufReader::new(reader))
    }

    fn numbered(number: usize) -> Vec<u8> {
        format!("{number} {}\n", "x".repeat(1000)).into_bytes()
    }

    #[test]
    fn a_full_queue_drops_lines_and_reports_them_in_their_place() {
        for has_thread in [true, false] {
            let (queue, mut reader) = queue();
            if has_thread {
                queue.start_thread();
            }
            // More than the pipe and the queue hold.
            (0..1000).for_each(|number| queue.push(numbered(number)));
            let dropped = queue.dropped.get();
            assert!((500..900).contains(&dropped), "{dropped}");
            queue.push_always(b"last\n".to_vec());
            queue.flush();

            let mut lines = Vec::new();
            while lines.last().is_none_or(|line| line != "last\n") {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                lines.push(line);
                if !has_thread {
                    queue.write_ready(queue.lock(), Duration::ZERO);
                }
            }
            let reported = |line: &String| Some(line.strip_prefix("dropped ")?.trim().parse::<u64>().expect("a count"));
            assert_eq!(lines.iter().filter_map(reported).sum::<u64>(), dropped);
            assert_eq!(lines.iter().filter(|line| line.contains(" x")).count() as u64, 1000 - dropped);
            let numbers = lines.iter().filter_map(|line| line.split(' ').next()?.parse::<u64>().ok());
            assert!(numbers.is_sorted(), "the lines are in order");
        }
    }

    #[test]
    fn a_closed_output_takes_no_time() {
        for has_thread in [true, false] {
            let (queue, reader) = queue();
            drop(reader);
            if has_thread {
                queue.start_thread();
            }
            queue.push(numbered(1));
            queue.flush();
            assert!(queue.lock().entries.is_empty());
        }
    }
}
