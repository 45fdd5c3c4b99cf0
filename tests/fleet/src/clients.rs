//! Models of other clients: the AWS SDK in every process, and the agent of EKS Pod Identity. Each follows what its sources do by default.
//! And a model of credvend's policy before it was improved.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use credvend::simulation::{Client, Outcome, Simulation};

use crate::scenario::HOME;

/// The delays after which the kubelet restarts a container that ends: 10 s, doubled up to 5 minutes.
#[derive(Default)]
pub struct CrashLoop(u32);

impl CrashLoop {
    pub fn next_delay(&mut self) -> Duration {
        let delay = Duration::from_secs(10 * 2_u64.pow(self.0.min(5))).min(Duration::from_secs(300));
        self.0 += 1;
        delay
    }
}

/// The standard retry mode of the SDKs: 3 attempts, and between them a random delay of up to 1 s and 2 s.
async fn call_with_retries(client: &mut Client) -> bool {
    for attempt in 0..3 {
        if client.call(HOME).await == Outcome::Served {
            return true;
        }
        if attempt < 2 {
            let delay = client.random() * f64::from(1 << attempt);
            client.sleep(Duration::from_secs_f64(delay)).await;
        }
    }
    false
}

/// An application whose SDK exchanges the token itself. The SDK renews credentials of one hour 5 minutes before they expire. Without its
/// first credentials, the application ends and the kubelet restarts it; later, each of its requests, one in 5 s, tries again.
pub fn sdk(simulation: &mut Simulation) {
    const LIFETIME: Duration = Duration::from_secs(3600);
    let (number, mut client) = (simulation.add_pod(), simulation.client());
    simulation.spawn(async move {
        let mut crashes = CrashLoop::default();
        while !call_with_retries(&mut client).await {
            client.sleep(crashes.next_delay()).await;
        }
        loop {
            client.obtained(number, LIFETIME);
            client.sleep(LIFETIME - Duration::from_secs(300)).await;
            while !call_with_retries(&mut client).await {
                client.sleep(Duration::from_secs(5)).await;
            }
        }
    });
}

/// An application that crashes 5 s after it has credentials from its SDK, in a crash loop.
pub fn crashing_sdk(simulation: &mut Simulation) {
    let (number, mut client) = (simulation.add_pod(), simulation.client());
    simulation.spawn(async move {
        let mut crashes = CrashLoop::default();
        loop {
            if call_with_retries(&mut client).await {
                client.obtained(number, Duration::from_secs(3600));
                client.sleep(Duration::from_secs(5)).await;
            }
            client.sleep(crashes.next_delay()).await;
        }
    });
}

/// credvend before its policy was improved: it refreshed at a new random point between 50 % and 60 % of the lifetime each time, and waited
/// after each failure for a random time of up to 2 s, 4 s, 8 s … 60 s, also if STS throttled.
pub fn former_policy(simulation: &mut Simulation) {
    const LIFETIME: f64 = 3600.0;
    const SERVED: Duration = Duration::from_secs(3585);
    let (number, mut client) = (simulation.add_pod(), simulation.client());
    simulation.spawn(async move {
        let mut usable_until = Duration::ZERO;
        loop {
            let mut failures = 0;
            while client.call(HOME).await != Outcome::Served {
                failures += 1;
                let mut longest = 2_f64.powi(failures).min(60.0);
                let left = usable_until.saturating_sub(client.now()).as_secs_f64();
                if left > 0.0 {
                    longest = longest.min(left / 3.0).max(1.0);
                }
                let mut delay = 1.0 + (longest - 1.0) * client.random();
                // An application whose credentials have expired asks again after 5 s.
                if !usable_until.is_zero() && left == 0.0 {
                    delay = delay.min(5.0);
                }
                client.sleep(Duration::from_secs_f64(delay)).await;
            }
            client.obtained(number, SERVED);
            usable_until = client.now() + SERVED;
            let refresh = LIFETIME * (0.5 + 0.1 * client.random());
            client.sleep(Duration::from_secs_f64(refresh)).await;
        }
    });
}

/// The credentials of one pod in the cache of an agent.
struct Entry {
    number: usize,
    refresh_at: Duration,
}

/// A node with an agent of EKS Pod Identity and the pods that ask it. The agent fetches the credentials of a pod, of 6 hours, when the pod
/// asks. Once a minute it renews those older than 3 hours, of which a limiter admits 3 tokens a second, two for each.
pub fn eks_node(simulation: &mut Simulation, pods: usize) {
    const LIFETIME: Duration = Duration::from_secs(6 * 3600);
    const RENEWAL: Duration = Duration::from_secs(3 * 3600);
    let cache: Arc<Mutex<Vec<Entry>>> = Arc::default();
    for _ in 0..pods {
        let (number, mut client, cache) = (simulation.add_pod(), simulation.client(), Arc::clone(&cache));
        simulation.spawn(async move {
            let mut crashes = CrashLoop::default();
            while !call_with_retries(&mut client).await {
                client.sleep(crashes.next_delay()).await;
            }
            client.obtained(number, LIFETIME);
            let now = client.now();
            lock(&cache).push(Entry { number, refresh_at: now + RENEWAL });
        });
    }
    let mut client = simulation.client();
    simulation.spawn(async move {
        let phase = client.random() * 60.0;
        client.sleep(Duration::from_secs_f64(phase)).await;
        let (mut tokens, mut updated) = (3.0_f64, client.now());
        loop {
            let sweep = client.now() + Duration::from_secs(60);
            let mut entries = std::mem::take(&mut *lock(&cache));
            for entry in &mut entries {
                let now = client.now();
                if entry.refresh_at > now {
                    continue;
                }
                tokens = (tokens + 3.0 * (now - updated).as_secs_f64()).min(3.0);
                updated = now;
                let mut is_renewed = false;
                if tokens >= 1.0 {
                    tokens -= 2.0;
                    if tokens < 0.0 {
                        client.sleep(Duration::from_secs_f64(-tokens / 3.0)).await;
                    }
                    is_renewed = call_with_retries(&mut client).await;
                }
                let now = client.now();
                if is_renewed {
                    client.obtained(entry.number, LIFETIME);
                    entry.refresh_at = now + RENEWAL;
                } else {
                    entry.refresh_at = now + Duration::from_secs_f64(60.0 + 60.0 * client.random());
                }
            }
            lock(&cache).append(&mut entries);
            let rest = sweep.saturating_sub(client.now());
            client.sleep(rest).await;
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
