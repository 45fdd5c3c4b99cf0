//! Name resolution on a small pool of threads.
//!
//! `getaddrinfo` blocks for as long as DNS does not answer. A pool of its own keeps such lookups from delaying file
//! I/O, and bounds their number. Concurrent lookups of a host share one call, so a retry after a timeout continues to
//! wait for the call of the previous attempt.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;

use crate::process::workers::{Refused, WorkerPool};

static RESOLVER: Resolver = Resolver::new(WorkerPool::new(4), system_lookup);

/// The addresses of a host, or why there are none.
type Answer = Result<Vec<IpAddr>, LookupError>;

/// A host name has no addresses, or the lookup failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LookupError(String);

/// Starts the first thread for lookups, so that every later lookup has one.
///
/// # Errors
/// Returns the error of the operating system if it refuses a thread.
pub(crate) fn start() -> io::Result<()> {
    RESOLVER.pool.start()
}

/// Returns the addresses of a host: a name, or an IP address with or without brackets.
///
/// # Errors
/// Returns an error if the name does not resolve, or if the operating system refuses a thread for the lookup.
pub(crate) async fn lookup(host: &str) -> Result<Vec<IpAddr>, LookupError> {
    RESOLVER.lookup(host).await
}

/// Gives reqwest access to [`lookup`].
pub(crate) struct SharedResolver;

impl Resolve for SharedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = lookup(name.as_str()).await?;
            // Port 0 stands for the port of the URL.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

struct Resolver {
    pool: WorkerPool,
    lookup: fn(&str) -> io::Result<Vec<IpAddr>>,
    /// The callers that wait for each lookup that has not ended.
    waiting: Mutex<BTreeMap<String, Vec<oneshot::Sender<Answer>>>>,
}

impl Resolver {
    const fn new(pool: WorkerPool, lookup: fn(&str) -> io::Result<Vec<IpAddr>>) -> Self {
        Self { pool, lookup, waiting: Mutex::new(BTreeMap::new()) }
    }

    async fn lookup(&'static self, host: &str) -> Answer {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let (sender, receiver) = oneshot::channel();
        self.join(host, sender);
        receiver.await.unwrap_or_else(|_| Err(LookupError("the lookup failed".into())))
    }

    /// Adds a caller to the lookup of this host, and starts the lookup if none is pending.
    fn join(&'static self, host: &str, caller: oneshot::Sender<Answer>) {
        let mut waiting = self.waiting();
        if let Some(callers) = waiting.get_mut(host) {
            // Attempts that timed out no longer wait.
            callers.retain(|caller| !caller.is_closed());
            callers.push(caller);
            return;
        }
        waiting.insert(host.to_owned(), vec![caller]);
        drop(waiting);
        let name = host.to_owned();
        let job = move || {
            let answer = (self.lookup)(&name).map_err(|error| LookupError(error.to_string()));
            self.answer(&name, &answer);
        };
        if let Err(Refused { error, .. }) = self.pool.submit(Box::new(job)) {
            let message =
                format!("cannot start a thread for the name lookup: {error}; raise the pids limit of the pod");
            self.answer(host, &Err(LookupError(message)));
        }
    }

    fn answer(&self, host: &str, answer: &Answer) {
        for caller in self.waiting().remove(host).unwrap_or_default() {
            // The caller may have stopped waiting.
            let _ = caller.send(answer.clone());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, Vec<oneshot::Sender<Answer>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "runs only on a thread of the pool")]
fn system_lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Condvar,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Poll, Waker},
    };

    use super::*;

    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static DNS_ANSWERS: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    /// Does not return until DNS answers.
    fn hanging_lookup(host: &str) -> io::Result<Vec<IpAddr>> {
        CALLS.fetch_add(1, Ordering::SeqCst);
        MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let answers = DNS_ANSWERS.0.lock().expect("unpoisoned");
        drop(DNS_ANSWERS.1.wait_while(answers, |answers| !*answers).expect("unpoisoned"));
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        if host == "absent" { Err(io::Error::other("no such host")) } else { Ok(vec![IpAddr::from([192, 0, 2, 1])]) }
    }

    #[tokio::test]
    async fn sixty_lookups_use_four_threads_and_one_call_for_each_host() {
        static RESOLVER: Resolver = Resolver::new(WorkerPool::new(4), hanging_lookup);
        let hosts: Vec<String> = (0..10).map(|number| format!("host-{number}")).chain(["absent".into()]).collect();
        let mut lookups: Vec<_> =
            hosts.iter().flat_map(|host| (0..6).map(|_| Box::pin(RESOLVER.lookup(host)))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for lookup in &mut lookups {
            assert!(lookup.as_mut().poll(&mut context).is_pending());
        }
        assert!(matches!(
            Box::pin(RESOLVER.lookup("[::1]")).as_mut().poll(&mut context),
            Poll::Ready(Ok(addresses)) if addresses == [IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])]
        ));
        // Every attempt times out and a retry follows: the retries wait for the same calls.
        drop(lookups);
        let mut retries: Vec<_> = hosts.iter().map(|host| Box::pin(RESOLVER.lookup(host))).collect();
        for retry in &mut retries {
            assert!(retry.as_mut().poll(&mut context).is_pending());
        }
        *DNS_ANSWERS.0.lock().expect("unpoisoned") = true;
        DNS_ANSWERS.1.notify_all();
        let mut answers = Vec::new();
        for retry in retries {
            answers.push(retry.await);
        }
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
        assert_eq!(answers[10].as_ref().expect_err("absent").to_string(), "no such host");
        assert!(MOST.load(Ordering::SeqCst) <= 4, "{} at the same time", MOST.load(Ordering::SeqCst));
        assert_eq!(CALLS.load(Ordering::SeqCst), 11);
        assert!(RESOLVER.waiting().is_empty());
    }
}
