//! `local-sts`: the local STS as a program of its own, with a projected token beside it if asked for.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use local_sts::{Claims, LocalSts, TokenVolume, World};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A strict local AWS STS: verifies tokens, signatures and trust policies as AWS does.
#[derive(Parser)]
#[command(name = "local-sts")]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The accounts, roles and users; two accounts with a role each if absent.
    #[arg(long, value_name = "FILE.json")]
    world: Option<PathBuf>,
    /// Lays out a projected service account token here, and renews it at 80 % of its life.
    #[arg(long, value_name = "DIRECTORY")]
    token_dir: Option<PathBuf>,
    /// The mode of its file; a pod with an fsGroup has 0640.
    #[arg(long, value_name = "OCTAL", value_parser = octal, default_value = "0644")]
    token_mode: u32,
    /// How long a projected token lives.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    token_lifetime: u64,
    /// How long credentials live, whatever the request asks for.
    #[arg(long, value_name = "SECONDS")]
    credential_lifetime: Option<u64>,
    /// How far the clock is ahead of the machine's; negative for behind.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    clock_shift: Option<i64>,
    /// Writes the URL to this file once the server listens.
    #[arg(long, value_name = "FILE")]
    url_file: Option<PathBuf>,
    /// The namespace in the projected token.
    #[arg(long, value_name = "NAME", default_value = "shop")]
    namespace: String,
    /// The service account in the projected token.
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
    // Before anybody can learn that the server is up, so a signal sent then is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let sts = Arc::new(LocalSts::start_on(arguments.listen, arguments.read_world()?, None)?);
    let token_file = match &arguments.token_dir {
        Some(directory) => Some(project_token(Arc::clone(&sts), arguments.volume(directory)?, arguments.claims())?),
        None => None,
    };
    announce(&sts.url(), token_file.as_deref(), arguments.world.is_none())?;
    if let Some(file) = &arguments.url_file {
        write_whole(file, &sts.url())?;
    }
    let _ = signals.forever().next();
    Ok(())
}

impl Arguments {
    fn read_world(&self) -> Result<World, Failure> {
        let mut world = match &self.world {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
                World::from_json(&text).map_err(|error| format!("{}: {error}", file.display()))?
            }
            None => World::two_accounts(),
        };
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

/// Writes the first token and starts the thread that renews it; it ends with the process.
fn project_token(sts: Arc<LocalSts>, volume: TokenVolume, claims: Claims) -> Result<PathBuf, Failure> {
    volume.write(&sts.mint(&claims))?;
    let token_file = volume.token_file();
    // A kubelet, too, renews when 80 % of the life is over.
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

fn octal(text: &str) -> Result<u32, ParseIntError> {
    u32::from_str_radix(text, 8)
}

/// Lines to read, and lines to paste into a shell.
fn announce(url: &str, token_file: Option<&Path>, built_in_world: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "# local STS at {url}")?;
    writeln!(out, "export AWS_ENDPOINT_URL_STS={url}")?;
    // Some SDKs read the one, some the other.
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

/// A reader waiting for the file to appear never sees half of it.
fn write_whole(file: &Path, content: &str) -> io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, content)?;
    std::fs::rename(unfinished, file)
}
