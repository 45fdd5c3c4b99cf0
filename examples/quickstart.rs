//! Runs credvend on this machine without an AWS account: `cargo run --example quickstart`.
//!
//! The example shows a projected service account token, an AWS config file with two profiles, the requests of `credvend run`
//! to STS, and the credentials on the endpoint and in the credentials file. STS is a strict local server that verifies the
//! token, the signatures and the trust policies. At the end, the example prints commands to paste into another terminal, and
//! runs until Ctrl-C. With `--once`, it exits by itself with 0.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its output")]
#![allow(clippy::disallowed_methods, reason = "an example can use the machine's clock, like a test")]

use std::{
    collections::HashMap,
    error::Error,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use local_sts::{Claims, LocalSts, TokenVolume, World};
use signal_hook::{consts::SIGTERM, low_level::raise};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
const DEADLINE: Duration = Duration::from_secs(20);
const ROLE_A: &str = "arn:aws:iam::111111111111:role/account-a-role";
const ROLE_B: &str = "arn:aws:iam::222222222222:role/account-b-role";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let once = arguments == ["--once"];
    if !once && !arguments.is_empty() {
        eprintln!("quickstart: unknown argument; the only one is --once");
        return ExitCode::from(2);
    }
    run(once).unwrap_or_else(|error| {
        eprintln!("quickstart: {error}");
        ExitCode::FAILURE
    })
}

fn run(once: bool) -> Result<ExitCode> {
    let scratch = tempfile::Builder::new().prefix("credvend-quickstart-").tempdir()?;
    let [config, credentials_file] =
        ["config", "credentials"].map(|name| format!("{}/{name}", scratch.path().display()));
    println!("credvend exchanges a service account token for AWS credentials and keeps them fresh.");
    println!("This quick start needs no AWS account. All connections stay on this machine.");

    heading("1. A local STS and a service account token");
    let sts = LocalSts::start(World::two_accounts())?;
    let volume = TokenVolume::create(&scratch.path().join("serviceaccount"))?;
    // One day, as on EKS, so that the example need not renew the token.
    let lifetime = Duration::from_secs(86_400);
    volume.write(&sts.mint(&Claims { lifetime, ..Claims::service_account("shop", "checkout") }))?;
    let token_file = volume.token_file().display().to_string();
    println!("A local STS listens at {}.", sts.url());
    println!("It verifies tokens, signatures and trust policies as AWS does.\n");
    println!("The token of the service account checkout in the namespace shop is in\n  {token_file}");

    heading("2. A config file with two profiles");
    let profiles = profiles(&token_file);
    std::fs::write(&config, &profiles)?;
    println!("account_a_role exchanges the token for credentials of role A.");
    println!("account_b_role uses these credentials to assume role B in another account.\n");
    println!("{config}:\n");
    indent(&profiles);

    heading("3. credvend run");
    // With `--listen 127.0.0.1:0`, only the log shows the port, so use a port that is free now.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let (a, b) = ("account_a_role", "account_b_role");
    let listen = address.to_string();
    let arguments = ["run", "--config", &config, "--profile", b, "--profile", a];
    let sinks = ["--credentials-file", &credentials_file, "--listen", &listen];
    println!("$ credvend {} \\\n    {}\n", arguments.join(" "), sinks.join(" "));
    // credvend reads its environment variables only from this map.
    let environment = [("AWS_ENDPOINT_URL_STS", sts.url()), ("AWS_REGION", "us-east-1".into())];
    let credvend = start([&["credvend"][..], &arguments, &sinks].concat(), environment);
    let written = || std::fs::read_to_string(&credentials_file).unwrap_or_default();
    wait_until(&credvend, || [a, b].iter().all(|name| written().contains(&format!("[{name}]"))))?;
    wait_until(&credvend, || get(address, "/readyz").is_ok_and(|(status, _)| status == 200))?;
    println!("\nSTS received these requests:\n");
    for request in sts.requests() {
        let is_signed = request.headers.contains_key("authorization");
        let proof = if is_signed { "signed with the credentials of role A" } else { "with the token" };
        let role = request.parameters.get("RoleArn").and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
        println!("  {:<26} {role}, {proof}", request.action.as_deref().unwrap_or_default());
    }
    println!("\nBoth profiles start with the same exchange, so credvend makes it only once.");

    heading("4. The container credentials endpoint, for AWS SDKs");
    let url = format!("http://{address}/v1/credentials");
    for (path, profile) in [("", b), ("/account_a_role", a)] {
        let (_, body) = get(address, &format!("/v1/credentials{path}"))?;
        println!("$ curl {url}{path}    # profile {profile}");
        let document: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body)?;
        for (key, value) in document {
            println!("  {key:<16} {}", redacted(&key, value.as_str().unwrap_or_default()));
        }
    }

    heading("5. The shared credentials file, for command-line tools");
    println!("{credentials_file}:\n");
    let redacted_line = |line: &str| match line.split_once(" = ") {
        Some((key, value)) => format!("{key} = {}\n", redacted(key, value)),
        None => format!("{line}\n"),
    };
    indent(&written().lines().map(redacted_line).collect::<String>());

    heading("6. Commands to try in another terminal, in the source tree of credvend");
    println!("# Ignore your own AWS settings and use the local STS.");
    println!("unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ROLE_ARN");
    println!("export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null");
    println!("export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL_STS={}", sts.url());
    println!("\n# Use the endpoint with curl and the AWS CLI.\ncurl -s {url}");
    println!("AWS_CONTAINER_CREDENTIALS_FULL_URI={url} aws sts get-caller-identity");
    println!("\n# Use the credentials file with the AWS CLI.");
    println!("AWS_SHARED_CREDENTIALS_FILE={credentials_file} aws sts get-caller-identity --profile {a}");
    println!("\n# Print credentials of role B once, as shell commands.");
    println!("cargo run -q -- export --config {config} --profile {b}");
    println!("\n# Check the readiness, as a Kubernetes probe does.");
    println!("cargo run -q -- health --listen {address} && echo ready");
    println!("\n# See an error: account B has no identity provider for the token. The last line says what to do.");
    println!("cargo run -q -- export --web-identity-token-file {token_file} --role-arn {ROLE_B}");
    println!("\n# Refresh the credentials now. The first terminal shows the log.");
    println!("kill -HUP {}", std::process::id());

    println!("\n{}\n", if once { "Stopping credvend." } else { "credvend runs until you press Ctrl-C." });
    if once {
        // The kubelet also stops a container with SIGTERM.
        raise(SIGTERM)?;
    }
    let code = credvend.join().map_err(|_| "credvend run panicked")?;
    scratch.close()?;
    println!("Removed the temporary directory with the credentials.");
    Ok(code)
}

/// Returns the cross-account example of the README.
fn profiles(token_file: &str) -> String {
    format!(
        "[profile account_b_role]\n\
         source_profile = account_a_role\n\
         role_arn = {ROLE_B}\n\
         \n\
         [profile account_a_role]\n\
         web_identity_token_file = {token_file}\n\
         role_arn = {ROLE_A}\n"
    )
}

/// Runs a command line of credvend on a thread.
fn start<const N: usize>(arguments: Vec<&str>, environment: [(&str, String); N]) -> JoinHandle<ExitCode> {
    let arguments: Vec<_> = arguments.into_iter().map(Into::into).collect();
    let environment = HashMap::from(environment.map(|(name, value)| (name.to_owned(), value)));
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return ExitCode::FAILURE;
        };
        credvend::parse(arguments).map_or_else(|code| code, |cli| runtime.block_on(credvend::execute(cli, environment)))
    })
}

/// Waits until the condition is true. It is an error if `credvend run` exits or the deadline passes.
fn wait_until(credvend: &JoinHandle<ExitCode>, is_true: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !is_true() {
        if credvend.is_finished() {
            return Err("credvend run exited; see its last log line".into());
        }
        if start.elapsed() > DEADLINE {
            return Err(format!("credvend run was not ready within {} s; see its log", DEADLINE.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Sends a GET request and returns the status and the body.
fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = response.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    status.zip(body).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP response"))
}

/// Returns only the first four characters of a key or token; other values are not changed.
fn redacted(key: &str, value: &str) -> String {
    match key {
        "Expiration" | "AccountId" | "RoleArn" => value.to_owned(),
        _ => format!("{}…", value.chars().take(4).collect::<String>()),
    }
}

fn heading(text: &str) {
    println!("\n── {text} ──\n");
}

fn indent(text: &str) {
    text.lines().for_each(|line| println!("{}", format!("  {line}").trim_end()));
}
