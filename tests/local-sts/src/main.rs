//! `local-sts`: runs the local STS as a program and, with `--token-dir`, projects a service account token.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use local_sts::{Claims, KeySet, LocalSts, RateLimit, TokenVolume, World};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A strict local AWS STS that verifies tokens, signatures and trust policies as AWS does
#[derive(Parser)]
#[command(name = "local-sts")]
struct Arguments {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// File with accounts, roles and users [default: two accounts with one role each]
    #[arg(long, value_name = "FILE.json")]
    world: Option<PathBuf>,
    /// Public keys of the world's issuer, to verify the tokens that it signs; from `kubectl get --raw /openid/v1/jwks`
    #[arg(long, value_name = "FILE.json", requires = "world", conflicts_with = "token_dir")]
    jwks: Option<PathBuf>,
    /// Directory for a projected service account token, which is renewed after 80 % of its lifetime
    #[arg(long, value_name = "DIRECTORY")]
    token_dir: Option<PathBuf>,
    /// Mode of the token file; 0640 in a pod with an fsGroup
    #[arg(long, value_name = "OCTAL", value_parser = octal, default_value = "0644")]
    token_mode: u32,
    /// Lifetime of the projected token
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    token_lifetime: u64,
    /// Lifetime of issued credentials; overrides the requested duration
    #[arg(long, value_name = "SECONDS")]
    credential_lifetime: Option<u64>,
    /// Time by which the server's clock is ahead of the machine's; negative if behind
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    clock_shift: Option<i64>,
    /// Calls per second that the server accepts, and at once; it throttles others
    #[arg(long, value_name = "CALLS")]
    rate_limit: Option<f64>,
    /// File to write the URL to once the server listens
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// Namespace in the projected token
    #[arg(long, value_name = "NAME", default_value = "shop")]
    namespace: String,
    /// Service account in the projected token
    #[arg(long, value_name = "NAME", default_value = "checkout")]
    service_account: String,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "local-sts: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until SIGTERM or SIGINT.
fn serve(arguments: &Arguments) -> Result<(), Failure> {
    // Register the handlers before the URL is published, so that no signal is lost after that.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let sts = Arc::new(LocalSts::start_on(arguments.listen, arguments.read_world()?, None)?);
    sts.set_rate_limit(arguments.rate_limit.map(|calls| RateLimit { calls_per_second: calls, burst: calls }));
    let token_file = match &arguments.token_dir {
        Some(directory) => Some(project_token(Arc::clone(&sts), arguments.volume(directory)?, arguments.claims())?),
        None => None,
    };
    announce(&sts.url(), token_file.as_deref(), arguments.world.is_none())?;
    if let Some(file) = &arguments.url_file {
        write_atomically(file, &sts.url())?;
    }
    let _ = signals.forever().next();
    Ok(())
}

impl Arguments {
    fn read_world(&self) -> Result<World, Failure> {
        let mut world = match &self.world {
            Some(file) => {
                World::from_json(&read_file(file)?).map_err(|error| format!("{}: {error}", file.display()))?
            }
            None => World::two_accounts(),
        };
        if let Some(file) = &self.jwks {
            let keys = read_file(file)?;
            world.key_set = Some(KeySet::from_json(&keys).map_err(|error| format!("{}: {error}", file.display()))?);
        }
        world.credential_lifetime = self.credential_lifetime.or(world.credential_lifetime);
        world.clock_shift = self.clock_shift.unwrap_or(world.clock_shift);
        Ok(world)
    }

    fn volume(&self, directory: &Path) -> Result<TokenVolume, Failure> {
        let volume = TokenVolume::create(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        volume.set_mode(self.token_mode);
        Ok(volume)
    }

    fn claims(&self) -> Claims {
        Claims {
            lifetime: Duration::from_secs(self.token_lifetime),
            ..Claims::service_account(&self.namespace, &self.service_account)
        }
    }
}

/// Writes the first token and starts the thread that renews it until the process ends.
fn project_token(sts: Arc<LocalSts>, volume: TokenVolume, claims: Claims) -> Result<PathBuf, Failure> {
    volume.write(&sts.mint(&claims))?;
    let token_file = volume.token_file();
    // The kubelet also renews a token after 80 % of its lifetime.
    let renewal = claims.lifetime.mul_f64(0.8).max(Duration::from_millis(100));
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(renewal);
            if let Err(error) = volume.write(&sts.mint(&claims)) {
                let _ = writeln!(io::stderr(), "local-sts: cannot renew the token: {error}");
            }
        }
    });
    Ok(token_file)
}

fn read_file(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()).into())
}

fn octal(text: &str) -> Result<u32, ParseIntError> {
    u32::from_str_radix(text, 8)
}

/// Prints the environment variables for clients as shell commands, with comments.
fn announce(url: &str, token_file: Option<&Path>, built_in_world: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "# local STS at {url}")?;
    writeln!(out, "export AWS_ENDPOINT_URL_STS={url}")?;
    // Some SDKs read AWS_REGION, others AWS_DEFAULT_REGION.
    writeln!(out, "export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1")?;
    if let Some(token_file) = token_file {
        writeln!(out, "# projected token at {}", token_file.display())?;
        writeln!(out, "export AWS_WEB_IDENTITY_TOKEN_FILE={}", token_file.display())?;
    }
    if built_in_world {
        writeln!(out, "export AWS_ROLE_ARN=arn:aws:iam::111111111111:role/account-a-role")?;
    }
    out.flush()
}

/// Writes a file by renaming a temporary one, so that a reader that waits for the file never sees partial content.
fn write_atomically(file: &Path, content: &str) -> io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, content)?;
    std::fs::rename(unfinished, file)
}
